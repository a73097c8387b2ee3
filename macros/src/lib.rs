//! The macros of [Aludel]: `#[retry]`, `#[transactional]` and `#[derive(Model)]`.
//!
//! Use them through the `aludel` crate, which re-exports them. What is generated here is short and names nothing but
//! `aludel`: a call of a function in `aludel::plumbing`, or one of the hidden `aludel::__model!`. Read it with
//! `cargo expand`.
//!
//! Each macro is four stages:
//!
//! | Stage | File | What it does |
//! |---|---|---|
//! | parse | `ast` | tokens into a tree; stops only at what cannot be read at all |
//! | check | `attr`, `valid` | collects every mistake at its own span, each with its fix |
//! | expand | `expand` | writes the code; cannot fail |
//! | fall back | `fallback` | after a mistake: an impl or a function nevertheless, so that one mistake is one error |
//!
//! `#[retry]` and `#[transactional]` share those of `function`, and add to each what only one of them knows.
//!
//! [Aludel]: https://docs.rs/aludel

#![forbid(unsafe_code)]

// Shared by all macros.
mod duration;
mod entry;
mod errors;
mod types;

// What the two attribute macros have in common.
mod function;

// One module a macro.
mod model;
mod retry;
mod transactional;

use proc_macro::TokenStream;

#[doc = include_str!("retry.md")]
#[proc_macro_attribute]
pub fn retry(arguments: TokenStream, item: TokenStream) -> TokenStream {
    retry::macro_impl(arguments.into(), item.into()).into()
}

#[doc = include_str!("transactional.md")]
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

/// Embedded.
#[proc_macro_derive(Embedded, attributes(diesel, model))]
pub fn derive_embedded(item: TokenStream) -> TokenStream {
    model::embedded_impl(item.into()).into()
}
