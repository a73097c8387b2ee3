//! `#[derive(Model)]` and `#[derive(Embedded)]`: `ast` reads, `attr` and `valid` check, `expand` writes, `fallback` writes after a mistake.

mod ast;
mod attr;
mod expand;
mod fallback;
#[cfg(test)]
mod tests;
mod valid;

use proc_macro2::TokenStream;

use crate::errors::Errors;

/// `#[derive(Model)]`
pub(crate) fn macro_impl(item: TokenStream) -> TokenStream {
    let input = match syn::parse2(item) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::default();
    let read = ast::read(&input, "Model", &mut errors);
    let checked = valid::check(&read, &mut errors);
    match errors.finish(checked) {
        Ok(model) => expand::model(&model),
        Err(error) => fallback::model(&read, &error),
    }
}

/// `#[derive(Embedded)]`
pub(crate) fn embedded_impl(item: TokenStream) -> TokenStream {
    let input = match syn::parse2(item) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::default();
    let read = ast::read(&input, "Embedded", &mut errors);
    let checked = valid::check_embedded(&read, &mut errors);
    match errors.finish(checked) {
        Ok(embedded) => expand::embedded(&embedded),
        Err(error) => fallback::embedded(&read, &error),
    }
}
