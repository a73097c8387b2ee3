//! The macros of [Aludel]: `#[retry]`, `#[transactional]`, `#[derive(Model)]` and `#[derive(Embedded)]`.
//!
//! Use them through the `aludel` crate, which re-exports them. What is generated here is short and names nothing but
//! `aludel`: a call of a function in `aludel::plumbing`, or implementations that the hidden `aludel::__for_each_backend!`
//! repeats. Read it with `cargo expand`.
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

#[doc = include_str!("model.md")]
#[proc_macro_derive(Model, attributes(diesel, model))]
pub fn derive_model(item: TokenStream) -> TokenStream {
    model::macro_impl(item.into()).into()
}

/// Makes the fields of a struct columns of the model that embeds it with `#[diesel(embed)]`.
///
/// It names the table of that model, `#[diesel(table_name = people)]`. On its fields stand `#[model(read_only)]`,
/// `server_default`, `created_at` and `updated_at`, as on those of a model; what is said of a whole row (its key, its version, its
/// parents) belongs on the model. It may embed structs in turn.
///
/// # Errors
///
/// All mistakes at once, as `#[derive(Model)]` reports them, whose documentation has an example.
#[proc_macro_derive(Embedded, attributes(diesel, model))]
pub fn derive_embedded(item: TokenStream) -> TokenStream {
    model::embedded_impl(item.into()).into()
}
