//! The macros of [Aludel]: `#[retry]` and `#[derive(Model)]`.
//!
//! Use them through the `aludel` crate, which re-exports both; its documentation has the examples that run. What is
//! generated here is short and names nothing but `aludel`: a call of `aludel::plumbing::retry`, or one of the hidden
//! `aludel::__model!`. Read it with `cargo expand`.
//!
//! Each macro is four stages in a folder of its own:
//!
//! | Stage | File | What it does |
//! |---|---|---|
//! | parse | `ast` | tokens into a tree; stops only at what cannot be read at all |
//! | check | `attr`, `valid` | collects every mistake at its own span, each with its fix |
//! | expand | `expand` | writes the code; cannot fail |
//! | fall back | `fallback` | after a mistake: an impl or a function nevertheless, so that one mistake is one error |
//!
//! [Aludel]: https://docs.rs/aludel

#![forbid(unsafe_code)]

// Shared by both macros.
mod duration;
mod entry;
mod errors;
mod types;

// One module a macro.
mod function;
mod model;
mod retry;
mod transactional;

use proc_macro::TokenStream;

/// Makes a function a whole transaction, begun, committed and run again after a failure that a rerun can mend.
///
/// **What the body does to the rest of the world happens again in each attempt**: messages, files, mails. Put those
/// into `session.on_commit(..)`.
///
/// On a session that has no transaction open the function is the transaction: begun before the body, committed after
/// `Ok`, rolled back after `Err`, and run again from the start after a disconnect, a deadlock or a serialization
/// failure. Inside a transaction it joins, and passes a failure up to whoever began. The signature stays as written.
///
/// All arguments are optional, as in `#[retry]`:
///
/// - `attempts = 5`: how often the body runs at most, the first time included.
/// - `deadline = "10s"`: no attempt begins later than this after the call; also `"500ms"`, `"1m 30s"`.
/// - `commit = "fail"`, `"verify"` or `"idempotent"`: what happens when the answer to COMMIT is lost. `"fail"` passes
///   the doubt up; `"verify"` finds out, and runs the function again only if it has had no effect; `"idempotent"` says that
///   running it twice does no harm, and runs it again.
/// - `clone(a, b)`: each attempt gets a clone of these arguments, so that the body may consume them.
/// - `rerun_sees(a, self)`: these arguments are `&mut` (or `mut`), and a second attempt finds them as the first one
///   left them. Without it, a `mut` argument is bound anew in each attempt and a `&mut` one is refused.
/// - `session = name`: which argument is the session, where its type is not written `&mut Session<..>`.
///
/// # Errors
///
/// The function answers a `Result` whose error type is made from `aludel::Error` by `From`. It does not compile when it
/// is `async`, `const` or `extern`, has no session or more than it can rerun, or moves an argument out of the body.
///
/// Examples that run are in the documentation of the `aludel` crate, which re-exports this macro.
#[proc_macro_attribute]
pub fn retry(arguments: TokenStream, item: TokenStream) -> TokenStream {
    retry::macro_impl(arguments.into(), item.into()).into()
}

/// Makes a function a transaction whose body runs once.
#[proc_macro_attribute]
pub fn transactional(arguments: TokenStream, item: TokenStream) -> TokenStream {
    transactional::macro_impl(arguments.into(), item.into()).into()
}

/// Makes a struct with named fields a row that the identity map and the unit of work know.
///
/// The struct names its table with Diesel's own `#[diesel(table_name = accounts)]`; each field is a column of it, under
/// its own name or the one that `#[diesel(column_name = ..)]` gives.
///
/// - The key is the fields marked `#[model(key)]`; else those of `#[diesel(primary_key(..))]`; else the field `id`.
/// - A single key of an integer type is made by the database, and 0 means "not yet". `#[model(assigned)]` on it says
///   that the client makes it, `#[model(generated)]` says the default aloud. All other keys are the client's.
/// - `#[model(version)]` on an integer field is counted up with each UPDATE, and a row that somebody else has changed
///   since it was loaded is a conflict.
///
/// # Errors
///
/// All mistakes of a struct are reported at once, each at its place and with its fix: no table, no key, two versions,
/// an enum, generics, an unknown or contradictory attribute.
///
/// Examples that run are in the documentation of the `aludel` crate, which re-exports this macro.
#[proc_macro_derive(Model, attributes(diesel, model))]
pub fn derive_model(item: TokenStream) -> TokenStream {
    model::macro_impl(item.into()).into()
}
