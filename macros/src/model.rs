//! `#[derive(Model)]`: `ast` reads, `attr` and `valid` check, `expand` writes, `fallback` writes after a mistake.

mod ast;
mod attr;
mod expand;
mod fallback;
#[cfg(test)]
mod tests;
mod valid;

use proc_macro2::TokenStream;

use crate::errors::Errors;

/// The derive macro.
pub(crate) fn macro_impl(item: TokenStream) -> TokenStream {
    let input = match syn::parse2(item) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::default();
    let read = ast::read(&input, &mut errors);
    let checked = valid::check(&read, &mut errors);
    match errors.finish(checked) {
        Ok(model) => expand::model(&model),
        Err(error) => fallback::model(&input, &error),
    }
}
