//! `#[transactional(..)]`: `attr` checks the propagation, `expand` writes the call. What it has in common with `#[retry]`,
//! which is the rest, is in `function`.

pub(crate) mod attr;
mod expand;
#[cfg(test)]
mod tests;
mod valid;

use proc_macro2::TokenStream;

use crate::function::{self, Macro};

/// The attribute macro.
pub(crate) fn macro_impl(arguments: TokenStream, item: TokenStream) -> TokenStream {
    function::macro_impl(Macro::Transactional, arguments, item, |function, entries, errors| {
        let options = attr::check(entries, errors);
        let valid = valid::check(function, &options, errors)?;
        Some(expand::function(&valid))
    })
}
