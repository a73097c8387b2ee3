//! What is generated.

use proc_macro2::TokenStream;
use quote::quote;

use super::with;
use crate::retry::macro_impl;

#[track_caller]
fn expands(arguments: TokenStream, item: TokenStream, expected: TokenStream) {
    assert_eq!(macro_impl(arguments, item).to_string(), expected.to_string());
}

#[test]
fn a_function_without_arguments() {
    expands(
        quote!(),
        quote! {
            /// Pays.
            #[must_use]
            pub(crate) fn pay<C: Connection>(session: &mut Session<C>, n: i64) -> aludel::Result<i64> where C: Send {
                if n == 0 { return Ok(0); }
                session.go()?;
                Ok(n)
            }
        },
        quote! {
            /// Pays.
            #[must_use]
            pub(crate) fn pay<C: Connection>(session: &mut Session<C>, n: i64) -> aludel::Result<i64> where C: Send {
                ::aludel::plumbing::retry(
                    session,
                    &const { ::aludel::RetryPolicy::new() },
                    "pay",
                    |session: &mut Session<C>| -> aludel::Result<i64> {
                        if n == 0 { return Ok(0); }
                        session.go()?;
                        Ok(n)
                    }
                )
            }
        },
    );
}

#[test]
fn everything_at_once() {
    expands(
        quote!(
            attempts = 5,
            deadline = "1m 500ms",
            commit = "idempotent",
            clone(note, tag),
            rerun_sees(log, self),
            session = db
        ),
        quote! {
            fn r#move<'a>(
                &mut self,
                mut db: &'a mut Db,
                (mut a, b): (i32, i32),
                note: String,
                #[cfg(unix)] mut tag: String,
                log: &mut Vec<u8>,
            ) -> Result<impl Iterator<Item = u8>, Error> {
                #![allow(dead_code)]
                go()
            }
        },
        quote! {
            #[allow(clippy::needless_pass_by_value)]
            fn r#move<'a>(
                &mut self,
                db: &'a mut Db,
                (a, b): (i32, i32),
                note: String,
                #[cfg(unix)] tag: String,
                log: &mut Vec<u8>,
            ) -> Result<impl Iterator<Item = u8>, Error> {
                #![allow(dead_code)]
                ::aludel::plumbing::retry(
                    db,
                    &const {
                        ::aludel::RetryPolicy::new()
                            .attempts(5)
                            .deadline(::core::time::Duration::new(60u64, 500000000u32))
                            .commit(::aludel::CommitPolicy::Idempotent)
                    },
                    "move",
                    |mut db: &mut Db| {
                        let mut a = a;
                        let note = ::core::clone::Clone::clone(&note);
                        #[cfg(unix)] let mut tag = ::core::clone::Clone::clone(&tag);
                        { go() }
                    }
                )
            }
        },
    );
}

#[test]
fn a_mut_argument_that_a_rerun_sees_is_not_bound_anew() {
    let expanded = macro_impl(quote!(rerun_sees(count)), with(quote!(mut count: u32))).to_string();
    assert!(expanded.contains("mut count : u32"), "{expanded}");
    assert!(!expanded.contains("let"), "{expanded}");
}

#[test]
fn the_session_is_written_without_what_a_closure_cannot_have() {
    let hidden = quote!(
        fn f(session: &mut aludel::Session<impl Connection>) -> Result<(), E> {
            Ok(())
        }
    );
    assert!(
        macro_impl(quote!(), hidden)
            .to_string()
            .contains("| session | -> Result")
    );
    let named = quote!(
        fn f<'s>(session: &'s mut Session<C>) -> Result<(), E> {
            Ok(())
        }
    );
    assert!(
        macro_impl(quote!(), named)
            .to_string()
            .contains("| session : & mut Session < C > |")
    );
}

#[test]
fn after_a_mistake_the_function_is_still_there() {
    let body = |item: TokenStream| macro_impl(quote!(attempts = 0), item).to_string();
    let plain = body(quote!(
        pub async fn f(session: &mut Session<C>) -> Result<(), E> {
            wrong()
        }
    ));
    assert!(
        plain.contains(
            "pub async fn f (session : & mut Session < C >) -> Result < () , E > { :: core :: unimplemented ! () }"
        ),
        "{plain}"
    );
    assert!(plain.contains("compile_error") && !plain.contains("wrong"), "{plain}");
    let hidden = body(quote!(
        fn f(session: &mut Session<C>) -> Result<impl Sized, E> {
            right()
        }
    ));
    assert!(hidden.contains("right"), "{hidden}");
    assert!(
        body(quote!(
            struct S;
        ))
        .ends_with("struct S ;")
    );
}
