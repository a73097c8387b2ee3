//! What is refused, and in which words.

use proc_macro2::TokenStream;
use quote::quote;

use crate::function::tests::{of, says, with};
use crate::retry::macro_impl;

#[track_caller]
fn refuses(arguments: TokenStream, item: TokenStream, expected: &[&str]) {
    says(macro_impl(arguments, item), expected);
}

#[test]
fn arguments_are_all_checked() {
    refuses(
        quote!(
            attempts = 0,
            deadline = "soon",
            commit = "verifi",
            atempts = 2,
            clone(x),
            rerun_sees(),
            7,
            attempts = 3
        ),
        with(quote!()),
        &[
            "an argument is written `name`, `name = value` or `name(..)`",
            "`attempts` is given twice; keep one",
            "`attempts` is a whole number of at least 1",
            "such as \"10s\", \"500ms\" or \"1m 30s\": expected number",
            "unknown commit policy `verifi`; did you mean `verify`?",
            "unknown key `atempts`; did you mean `attempts`?",
            "`rerun_sees` takes the names of parameters: `rerun_sees(name)`",
            "unknown parameter `x`",
        ],
    );
    for attempts in [
        quote!(attempts),
        quote!(attempts = -1),
        quote!(attempts = "5"),
        quote!(attempts = 5_000_000_000),
    ] {
        refuses(
            attempts,
            with(quote!()),
            &["`attempts` is a whole number of at least 1"],
        );
    }
    refuses(
        quote!(commit = "idempotnet"),
        with(quote!()),
        &["did you mean `idempotent`?"],
    );
    refuses(
        quote!(commit = fail),
        with(quote!()),
        &["`commit` is \"fail\", \"verify\" or \"idempotent\", in quotes"],
    );
}

#[test]
fn classes_are_those_that_can_run_again() {
    let on = |classes: TokenStream, expected: &[&str]| refuses(quote!(on = #classes), with(quote!()), expected);
    on(quote!((Retry, Disconnect, Failover, Busy)), &[]);
    on(quote!(Retry), &[]);
    on(
        quote!((Retry, Permanent)),
        &["a permanent error is the same in each run"],
    );
    on(quote!((Retry, Retry)), &["`Retry` is named twice in `on`; keep one"]);
    on(
        quote!((Disconect, Retri)),
        &["did you mean `Disconnect`?", "did you mean `Retry`?"],
    );
    on(
        quote!((Timeout)),
        &["unknown class `Timeout`; known: `Disconnect`, `Retry`, `Failover`, `Busy`"],
    );
    on(quote!(()), &["nothing is run again on no class at all"]);
    for other in [quote!("Retry"), quote!([Retry]), quote!(Class::Retry), quote!()] {
        on(
            other,
            &["`on` is a list of classes in parentheses: `on = (Retry, Disconnect)`"],
        );
    }
    refuses(quote!(on(Retry)), with(quote!()), &["`on = (Retry, Disconnect)`"]);
}

#[test]
fn pauses_grow() {
    let backoff = |text: &str, expected: &[&str]| refuses(quote!(backoff = #text), with(quote!()), expected);
    backoff("none", &[]);
    backoff("10ms .. 1m 30s", &[]);
    backoff("1s..1s", &[]);
    backoff("10ms", &["`backoff` is the first pause and the longest one"]);
    backoff("10ms..", &["or \"none\": value was empty"]);
    backoff("10ms..2 parsecs", &["unknown time unit \"parsecs\""]);
    backoff("2s..10ms", &["the shorter one stands first"]);
    backoff("0s..2s", &["write \"none\""]);
    refuses(
        quote!(backoff = 10),
        with(quote!()),
        &["in quotes, such as \"10ms..2s\""],
    );
}

#[test]
fn a_policy_excludes_what_it_would_say() {
    refuses(
        quote!(policy = PATIENT, clone(a), session = session),
        with(quote!(a: String)),
        &[],
    );
    let keys = [
        quote!(attempts = 3),
        quote!(deadline = "1s"),
        quote!(on = Retry),
        quote!(backoff = "none"),
        quote!(isolation = Serializable),
        quote!(read_only),
        quote!(commit = "verify"),
    ];
    for key in &keys {
        refuses(
            quote!(#key, policy = PATIENT),
            of(quote!()),
            &["`policy` says already what"],
        );
    }
    refuses(
        quote!(policy = PATIENT, #(#keys),*),
        of(quote!()),
        &["`policy` says already what"; 7],
    );
    for none in [
        quote!(policy),
        quote!(policy = ),
        quote!(policy = let),
        quote!(policy(PATIENT)),
    ] {
        refuses(none, of(quote!()), &["`policy` is an expression"]);
    }
}

#[test]
fn what_belongs_to_transactional_is_sent_there() {
    for word in [quote!(requires_new), quote!(nested), quote!(propagation = Nested)] {
        refuses(word, with(quote!()), &["is for `#[transactional]`"]);
    }
    refuses(
        quote!(jitter),
        with(quote!()),
        &["unknown key `jitter`; known: `attempts`"],
    );
}

#[test]
fn names_must_be_those_of_parameters() {
    refuses(
        quote!(clone(nte)),
        with(quote!(note: String)),
        &["unknown parameter `nte`; did you mean `note`?"],
    );
    refuses(quote!(rerun_sees(self)), with(quote!()), &["unknown parameter `self`"]);
    refuses(
        quote!(clone(a, a)),
        with(quote!(a: String)),
        &["`a` is named twice in `clone(..)`"],
    );
    refuses(
        quote!(clone(session)),
        with(quote!()),
        &["lent to each attempt by itself"],
    );
    refuses(
        quote!(clone(a), rerun_sees(a)),
        with(quote!(a: String)),
        &["`a` is in `clone(..)` too"],
    );
    refuses(
        quote!(clone(a)),
        with(quote!(a: &mut String)),
        &["written to a clone would be lost"],
    );
    let method = quote!(
        fn f(&self, session: &mut Session<C>) -> Result<(), E> {
            Ok(())
        }
    );
    refuses(quote!(clone(self)), method, &["`let this = self.clone();`"]);
}

#[test]
fn an_exclusive_borrow_must_be_allowed_by_name() {
    let refused = [
        with(quote!(log: &mut Vec<u8>)),
        with(quote!(log: Option<&mut Vec<u8>>)),
        with(quote!((n, log): (i32, &mut Vec<u8>))),
        with(quote!(ref mut log: Vec<u8>)),
        with(quote!(log: &mut Session<C>)),
    ];
    for function in refused {
        refuses(quote!(), function.clone(), &["`#[retry(rerun_sees(log))]`"]);
        refuses(quote!(rerun_sees(log)), function, &[]);
    }
    for allowed in [
        quote!(log: &dyn Fn(&mut u8)),
        quote!(_: &mut u8),
        quote!(log: fn(&mut u8)),
        quote!(log: &Vec<u8>),
    ] {
        refuses(quote!(), with(allowed), &[]);
    }
}

#[test]
fn on_the_ambient_session_it_may_have_been_meant_as_one() {
    refuses(
        quote!(),
        of(quote!(store: &mut Store)),
        &["`#[retry(rerun_sees(store))]`; if it is the session, say that: `#[retry(session = store)]`"],
    );
    refuses(quote!(rerun_sees(store)), of(quote!(store: &mut Store)), &[]);
    refuses(quote!(clone(session)), of(quote!(session: Token)), &[]);
}

#[test]
fn the_receiver_is_an_argument_too() {
    let method =
        |receiver: TokenStream| quote!(fn f(#receiver, session: &mut Session<C>) -> Result<&str, E> { Ok("") });
    refuses(quote!(), method(quote!(&self)), &[]);
    refuses(quote!(), method(quote!(&mut self)), &["`#[retry(rerun_sees(self))]`"]);
    refuses(
        quote!(),
        method(quote!(self: Pin<&mut Self>)),
        &["`#[retry(rerun_sees(self))]`"],
    );
    refuses(quote!(rerun_sees(self)), method(quote!(&mut self)), &[]);
    let by_value = quote!(
        fn f(mut self, session: &mut Session<C>) -> Result<(), E> {
            Ok(())
        }
    );
    refuses(quote!(), by_value.clone(), &["`self` cannot be bound anew"]);
    refuses(quote!(rerun_sees(self)), by_value, &[]);
}
