//! Writes an implementation after a mistake, so that whoever uses the model is not told that it is none.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error};

/// The error, and an implementation that does nothing.
pub(super) fn model(input: &DeriveInput, error: &Error) -> TokenStream {
    let error = error.to_compile_error();
    let ident = &input.ident;
    // A generic struct needs its parameters wherever it is named, and being generic is what is wrong with it.
    let implementation = input
        .generics
        .params
        .is_empty()
        .then(|| quote!(::aludel::__model_fallback! { model: #ident }));
    quote!(#error #implementation)
}
