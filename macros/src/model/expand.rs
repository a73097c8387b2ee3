//! Writes the implementations. Which backends they are for is decided by `__for_each_backend!` in `aludel`: it repeats
//! what is written here for each that is compiled in, which is called `AludelBackend` there.

mod children;
mod embedded;
mod fields;
mod model;
mod persist;
mod reference;

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::Path;
use syn::spanned::Spanned;

use super::valid::{Column, Embedded, Model};

/// The implementations.
pub(super) fn model(model: &Model<'_>) -> TokenStream {
    let table = model.table;
    let implementation = model::implementation(model);
    let persist = for_backends(model.backends, &persist::implementation(model));
    let belongs_to = reference::belongs_to(model);
    let constants = reference::constants(model);
    let nullable = children::nullable(model);
    quote! {
        const _: () = {
            use #table as aludel_table;

            #implementation
            #persist
            #belongs_to
            #nullable
        };
        #constants
    }
}

/// The same for a struct that is embedded in models.
pub(super) fn embedded(embedded: &Embedded<'_>) -> TokenStream {
    let table = embedded.table;
    let implementation = embedded::implementation(embedded);
    let bind = for_backends(embedded.backends, &embedded::bind(embedded));
    quote! {
        const _: () = {
            use #table as aludel_table;

            #implementation
            #bind
        };
    }
}

/// For all backends, or those of `#[diesel(check_for_backend(..))]`: a model may have columns of a type that one
/// backend alone knows.
fn for_backends(backends: &[Path], items: &TokenStream) -> TokenStream {
    if backends.is_empty() {
        return quote!(::aludel::__for_each_backend! { #items });
    }
    quote! {
        #(const _: () = {
            use #backends as AludelBackend;
            #items
        };)*
    }
}

/// A place of the user's, for what the compiler has to say, with the names of generated code.
fn at(place: &impl ToTokens) -> Span {
    Span::call_site().located_at(place.span())
}

/// `3`
fn number(number: usize) -> Literal {
    Literal::usize_unsuffixed(number)
}

/// The type of the key: that of its field, or a tuple.
fn key_type(model: &Model<'_>) -> TokenStream {
    match model.key() {
        [Column { ty, .. }] => quote!(#ty),
        key => {
            let types = key.iter().map(|column| column.ty);
            quote!((#(#types,)*))
        }
    }
}
