//! What is generated.

use proc_macro2::TokenStream;
use quote::quote;

use crate::function::tests::{of, with};
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
fn on_the_ambient_session() {
    expands(
        quote!(),
        quote! {
            /// Places an order.
            #[tracing::instrument]
            pub fn place<'a, T: Item>(&self, mut items: Vec<T>, name: &'a str) -> aludel::Result<&'a str> where T: 'a {
                items.clear();
                Ok(name)
            }
        },
        quote! {
            /// Places an order.
            #[tracing::instrument]
            pub fn place<'a, T: Item>(&self, items: Vec<T>, name: &'a str) -> aludel::Result<&'a str> where T: 'a {
                ::aludel::plumbing::retry_ambient(
                    ::aludel::plumbing::Ambient::innermost(),
                    &const { ::aludel::RetryPolicy::new() },
                    "place",
                    || -> aludel::Result<&'a str> {
                        let mut items = items;
                        {
                            items.clear();
                            Ok(name)
                        }
                    }
                )
            }
        },
    );
    for (arguments, chosen) in [
        (quote!(engine = "reports"), "Ambient :: named (\"reports\") , & const"),
        (
            quote!(connection = diesel::PgConnection),
            "Ambient :: of :: < diesel :: PgConnection > () , & const",
        ),
    ] {
        let expanded = macro_impl(arguments, of(quote!())).to_string();
        assert!(expanded.contains(chosen), "{expanded}");
    }
}

#[test]
fn all_that_a_policy_has() {
    let expanded = macro_impl(
        quote!(
            on = (Retry, Disconnect),
            backoff = "10ms..2s",
            isolation = Serializable,
            read_only,
            deferrable
        ),
        of(quote!()),
    );
    let policy = quote! {
        &const {
            ::aludel::RetryPolicy::new()
                .on(&[::aludel::Class::Retry, ::aludel::Class::Disconnect])
                .backoff(::aludel::Backoff::exponential(
                    ::core::time::Duration::new(0u64, 10000000u32),
                    ::core::time::Duration::new(2u64, 0u32)
                ))
                .isolation_level(::aludel::IsolationLevel::Serializable)
                .read_only()
                .deferrable()
        }
    };
    assert!(expanded.to_string().contains(&policy.to_string()), "{expanded}");
    let none = macro_impl(quote!(backoff = "none", on = Busy), of(quote!()));
    let policy = quote! { .on(&[::aludel::Class::Busy]).backoff(::aludel::Backoff::NONE) };
    assert!(none.to_string().contains(&policy.to_string()), "{none}");
}

#[test]
fn a_policy_is_whatever_expression_it_is() {
    for (written, expanded) in [
        (quote!(PATIENT), quote!(&PATIENT)),
        (quote!(crate::retry::patient), quote!(&crate::retry::patient)),
        (quote!(self.policies[0]), quote!(&self.policies[0])),
        (quote!(PATIENT.attempts(3)), quote!(&PATIENT.attempts(3))),
        (quote!(Patient::<A, B>::new(a, b)), quote!(&Patient::<A, B>::new(a, b))),
        (quote!(|| PATIENT), quote!(&|| PATIENT)),
        (quote!(a + b), quote!(&(a + b))),
    ] {
        // Two bars are one token or two, depending on who writes them.
        let plain = |tokens: TokenStream| tokens.to_string().replace(' ', "");
        let found = plain(macro_impl(quote!(policy = #written), of(quote!())));
        let expected = plain(quote!(Ambient::innermost(), #expanded, "f",));
        assert!(found.contains(&expected), "{found} does not say {expected}");
    }
}
