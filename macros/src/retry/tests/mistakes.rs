//! What is refused, and in which words.

use proc_macro2::TokenStream;
use quote::quote;

use super::{refuses, with};

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
            "`attempts` is a whole number of at least 1",
            "such as \"10s\", \"500ms\" or \"1m 30s\": expected number",
            "unknown commit policy `verifi`; did you mean `verify`?",
            "unknown key `atempts`; did you mean `attempts`?",
            "`rerun_sees` takes the names of parameters: `rerun_sees(name)`",
            "`attempts` is given twice; keep one",
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
    refuses(quote!(deadline = 10), with(quote!()), &["in quotes"]);
    refuses(quote!(deadline = "0s"), with(quote!()), &["a `deadline` of nothing"]);
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
    refuses(
        quote!(session),
        with(quote!()),
        &["`session` is the name of a parameter"],
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
        quote!(session = sesion),
        with(quote!()),
        &["unknown parameter `sesion`; did you mean `session`?"],
    );
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

#[test]
fn there_is_a_session() {
    let f = |parameters: TokenStream| quote!(fn f(#parameters) -> Result<(), E> { Ok(()) });
    refuses(
        quote!(),
        f(quote!(a: i32)),
        &["take `session: &mut Session<..>` as a parameter"],
    );
    refuses(
        quote!(),
        f(quote!(session: Session<C>)),
        &["take it as `&mut Session<C>`"],
    );
    refuses(
        quote!(),
        f(quote!(session: &a::Session<C>)),
        &["take it as `&mut a::Session<C>`"],
    );
    refuses(quote!(session = db), f(quote!(db: &Db)), &["take it as `&mut Db`"]);
    refuses(
        quote!(),
        f(quote!(_: &mut Session<C>)),
        &["the session needs a plain name"],
    );
    refuses(quote!(), f(quote!(a: &Session<C>, session: &mut Session<C>)), &[]);
    refuses(quote!(session = db), f(quote!(db: &mut Db)), &[]);
}

#[test]
fn the_answer_is_a_result() {
    let f = |output: TokenStream| quote!(fn f(session: &mut Session<C>, a: &str) #output { go() });
    refuses(quote!(), f(quote!()), &["write `-> aludel::Result<()>`"]);
    refuses(quote!(), f(quote!(-> !)), &["write `-> aludel::Result<()>`"]);
    refuses(
        quote!(),
        f(quote!(-> Option<Vec<i64>>)),
        &["write `-> aludel::Result<Option<Vec<i64>>>`"],
    );
    for no_result in [
        quote!(()),
        quote!(i64),
        quote!((i32, i32)),
        quote!(String),
        quote!(impl Sized),
        quote!(&'static str),
    ] {
        refuses(quote!(), f(quote!(-> #no_result)), &["answers a `Result`"]);
    }
    for result in [
        quote!(QueryResult<()>),
        quote!(Answer),
        quote!(Self::Answer),
        quote!(<T as Tr>::Out),
        quote!(m!()),
    ] {
        refuses(quote!(), f(quote!(-> #result)), &[]);
    }
}

#[test]
fn the_answer_does_not_borrow_from_the_session() {
    let borrows = "the answer borrows from the session";
    refuses(
        quote!(),
        quote!(
            fn f(session: &mut Session<C>) -> Result<&str, E> {
                go()
            }
        ),
        &[borrows],
    );
    refuses(
        quote!(),
        quote!(
            fn f<'s>(session: &'s mut Session<C>) -> Result<Row<'s>, E> {
                go()
            }
        ),
        &[borrows],
    );
    refuses(
        quote!(),
        quote!(
            fn f<'s>(session: &'s mut Session<C>, a: &'s str) -> Result<&'s str, E> {
                Ok(a)
            }
        ),
        &[],
    );
    refuses(
        quote!(),
        quote!(
            fn f(session: &mut Session<C>) -> Result<Box<dyn Fn(&str) -> &str>, E> {
                go()
            }
        ),
        &[],
    );
}

#[test]
fn only_functions_that_can_be_run_again() {
    refuses(
        quote!(),
        quote!(
            async fn f(session: &mut Session<C>) -> Result<(), E> {
                Ok(())
            }
        ),
        &["an `async fn` cannot be run again"],
    );
    refuses(
        quote!(),
        quote!(
            const unsafe extern "C" fn f(a: i32, ...) {
                Ok(())
            }
        ),
        &[
            "remove `const`",
            "remove `extern`",
            "take a slice",
            "`#[retry]` runs on a session",
            "answers a `Result`",
        ],
    );
    refuses(
        quote!(),
        quote!(
            fn f(session: &mut Session<C>) -> Result<(), E>;
        ),
        &["needs a body to run again"],
    );
    refuses(
        quote!(),
        quote!(
            struct S;
        ),
        &["`#[retry]` goes on a `fn`"],
    );
    refuses(
        quote!(),
        quote!(
            const X: i32 = 1;
        ),
        &["`#[retry]` goes on a `fn`"],
    );
    refuses(quote!(), quote!(impl S { fn f() {} }), &["`#[retry]` goes on a `fn`"]);
}
