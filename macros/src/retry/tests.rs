//! Without a compiler: what is generated, token for token, and every message.

mod expansion;
mod mistakes;

use proc_macro2::TokenStream;
use quote::quote;

use super::ast;
use crate::entry;
use crate::errors::Errors;

/// The messages, in the order in which they are reported.
fn mistakes(arguments: TokenStream, item: TokenStream) -> Vec<String> {
    let function = match ast::parse(item) {
        Ok(function) => function,
        Err(error) => return error.into_iter().map(|error| error.to_string()).collect(),
    };
    let mut errors = Errors::default();
    let options = super::attr::check(entry::read(arguments, &mut errors), &mut errors);
    let checked = super::valid::check(&function, options, &mut errors).map(drop);
    match errors.finish(checked) {
        Ok(()) => Vec::new(),
        Err(error) => error.into_iter().map(|error| error.to_string()).collect(),
    }
}

/// Asserts that there are exactly these mistakes, each known by a part of its message.
#[track_caller]
fn refuses(arguments: TokenStream, item: TokenStream, expected: &[&str]) {
    let found = mistakes(arguments, item);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found:?} does not say {expected:?}");
    }
}

/// A function of these parameters with which nothing else is wrong.
fn with(parameters: TokenStream) -> TokenStream {
    quote!(fn f(session: &mut Session<C>, #parameters) -> Result<(), E> { Ok(()) })
}
