//! Without a compiler: what is generated, token for token, and every message that is only `#[transactional]`'s.

use proc_macro2::TokenStream;
use quote::quote;

use super::attr::PROPAGATIONS;
use super::macro_impl;
use crate::function::tests::{of, says, with};

#[track_caller]
fn refuses(arguments: TokenStream, item: TokenStream, expected: &[&str]) {
    says(macro_impl(arguments, item), expected);
}

#[test]
fn a_function_that_is_lent_a_session() {
    let expanded = macro_impl(
        quote!(),
        quote! {
            /// Pays.
            #[must_use]
            pub(crate) fn pay<C: Connection>(
                self,
                mut session: &mut Session<C>,
                mut n: i64,
                log: &mut Vec<u8>,
            ) -> aludel::Result<i64>
            where
                C: Send,
            {
                n += 1;
                Ok(n)
            }
        },
    );
    let expected = quote! {
        /// Pays.
        #[must_use]
        pub(crate) fn pay<C: Connection>(
            self,
            session: &mut Session<C>,
            mut n: i64,
            log: &mut Vec<u8>,
        ) -> aludel::Result<i64>
        where
            C: Send,
        {
            ::aludel::plumbing::transactional(
                session,
                &const { ::aludel::TransactionPolicy::new() },
                "pay",
                |mut session: &mut Session<C>| -> aludel::Result<i64> {
                    n += 1;
                    Ok(n)
                }
            )
        }
    };
    assert_eq!(expanded.to_string(), expected.to_string());
}

#[test]
fn everything_at_once() {
    let expanded = macro_impl(
        quote!(
            requires_new,
            deadline = "10s",
            isolation = Serializable,
            read_only,
            deferrable,
            commit = "verify",
            engine = "reports"
        ),
        quote!(
            fn report() -> Result<impl Sized, E> {
                Ok(7)
            }
        ),
    );
    let expected = quote! {
        fn report() -> Result<impl Sized, E> {
            ::aludel::plumbing::transactional_ambient(
                ::aludel::plumbing::Ambient::named("reports"),
                &const {
                    ::aludel::TransactionPolicy::new()
                        .propagation(::aludel::Propagation::RequiresNew)
                        .deadline(::core::time::Duration::new(10u64, 0u32))
                        .isolation_level(::aludel::IsolationLevel::Serializable)
                        .read_only()
                        .deferrable()
                        .commit(::aludel::CommitPolicy::Verify)
                },
                "report",
                || { Ok(7) }
            )
        }
    };
    assert_eq!(expanded.to_string(), expected.to_string());
}

#[test]
fn each_propagation_is_a_word() {
    let variants = [
        "Required",
        "RequiresNew",
        "Nested",
        "Mandatory",
        "Never",
        "Supports",
        "NotSupported",
    ];
    for (word, variant) in PROPAGATIONS.iter().zip(variants) {
        let word: TokenStream = word.parse().expect("it is an identifier");
        let expanded = macro_impl(word.clone(), with(quote!())).to_string();
        assert!(
            expanded.contains(&format!(":: aludel :: Propagation :: {variant})")),
            "{expanded}"
        );
        refuses(
            quote!(#word = true),
            with(quote!()),
            &["takes no value; write `#[transactional("],
        );
    }
    refuses(
        quote!(nested, requires_new),
        with(quote!()),
        &["`requires_new` contradicts `nested`; keep one"],
    );
    refuses(quote!(nested, nested), with(quote!()), &["`nested` is given twice"]);
    refuses(quote!(requires_nwe), with(quote!()), &["did you mean `requires_new`?"]);
    refuses(quote!(RequiresNew), with(quote!()), &["did you mean `requires_new`?"]);
    refuses(quote!(REQUIRES_NEW), with(quote!()), &["did you mean `requires_new`?"]);
    refuses(
        quote!(propagation = "REQUIRES_NEW"),
        with(quote!()),
        &["one word by itself: `#[transactional(requires_new)]`"],
    );
    refuses(
        quote!(savepoint),
        with(quote!()),
        &["unknown key `savepoint`; known: `required`"],
    );
}

#[test]
fn without_a_transaction_nothing_is_said_of_one() {
    let keys = [
        quote!(isolation = Serializable),
        quote!(commit = "verify"),
        quote!(deadline = "1s"),
    ];
    for word in [quote!(never), quote!(supports), quote!(not_supported)] {
        for key in &keys {
            refuses(
                quote!(#key, #word),
                with(quote!()),
                &["begins no transaction, so there is none that"],
            );
        }
        refuses(quote!(#word, session = session, read_only), with(quote!()), &[]);
        refuses(quote!(#word, engine = "reports"), of(quote!()), &[]);
    }
    // What joins refuses a transaction of another kind.
    refuses(quote!(mandatory, read_only, #(#keys),*), with(quote!()), &[]);
}

#[test]
fn what_belongs_to_retry_is_sent_there() {
    for key in [
        quote!(attempts = 3),
        quote!(on = (Retry)),
        quote!(backoff = "none"),
        quote!(policy = PATIENT),
    ] {
        refuses(
            key,
            with(quote!()),
            &["is for `#[retry]`: the body of a `#[transactional]` function runs once; remove it"],
        );
    }
    for key in [quote!(clone(a)), quote!(rerun_sees(a))] {
        refuses(
            key,
            with(quote!(a: String)),
            &["may move and change its arguments; remove it"],
        );
    }
    refuses(
        quote!(commit = "idempotent"),
        with(quote!()),
        &["\"idempotent\" promises that a rerun does no harm, and nothing is run again here"],
    );
    refuses(
        quote!(isolation = Autocommit),
        with(quote!()),
        &["write `#[transactional(not_supported)]`"],
    );
}

#[test]
fn arguments_may_be_changed_and_moved() {
    for parameters in [
        quote!(log: &mut Vec<u8>),
        quote!(mut a: String, (b, mut c): (i32, i32)),
        quote!(other: &mut Session<C>),
    ] {
        refuses(quote!(), with(parameters), &[]);
    }
    refuses(
        quote!(),
        quote!(
            fn f(&mut self) -> Result<(), E> {
                Ok(())
            }
        ),
        &[],
    );
    refuses(quote!(), of(quote!(store: &mut Store)), &[]);
}
