//! Writes the function after a mistake, so that its callers find it and the mistake is the only error.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, ReturnType};

use super::ast::Function;
use super::valid;
use crate::types::Mentions;

/// What could not be read, as it was.
pub(crate) fn item(item: &TokenStream, error: &Error) -> TokenStream {
    let error = error.to_compile_error();
    quote!(#error #item)
}

/// The signature over a body in which nothing can be wrong.
pub(crate) fn function(function: &Function, error: &Error) -> TokenStream {
    let Function {
        visibility,
        inner_attributes,
        ..
    } = function;
    // Another macro of ours is part of the mistake; it would say more about the same function.
    let attributes = function
        .attributes
        .iter()
        .filter(|attribute| valid::ours(attribute).is_none());
    let error = error.to_compile_error();
    let mut signature = function.signature.clone();
    // Unstable in a function with a body: the compiler would have more to say about it.
    signature.variadic = None;
    let body = body(function);
    quote! {
        #error
        #(#attributes)*
        #[allow(unused_variables, unused_mut, improper_ctypes_definitions)]
        #visibility #signature { #(#inner_attributes)* #body }
    }
}

/// `impl Trait` gets its type from the body, so that one has to stay. Any other body is a
/// placeholder beside a `compile_error!`: the crate does not build, so it never runs.
fn body(function: &Function) -> TokenStream {
    match &function.signature.output {
        ReturnType::Type(_, ty) if Mentions::of(ty).impl_trait => function.body.stream(),
        ReturnType::Type(..) | ReturnType::Default => quote!(::core::unimplemented!()),
    }
}
