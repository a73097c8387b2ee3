//! `#[transactional(..)]`: `attr` checks the propagation, `expand` writes the call. What it has in common with `#[retry]`,
//! which is the rest, is in `function`.

pub(crate) mod attr;
mod expand;
#[cfg(test)]
mod tests;
mod valid;

use proc_macro2::TokenStream;

use crate::entry;
use crate::errors::Errors;
use crate::function::{Macro, ast, fallback};

/// The attribute macro.
pub(crate) fn macro_impl(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = match ast::parse(item.clone(), Macro::Transactional) {
        Ok(function) => function,
        Err(error) => return fallback::item(&item, &error),
    };
    let mut errors = Errors::default();
    let options = attr::check(entry::read(arguments, &mut errors), &mut errors);
    let checked = valid::check(&function, &options, &mut errors);
    match errors.finish(checked) {
        Ok(valid) => expand::function(&valid),
        Err(error) => fallback::function(&function, &error),
    }
}
