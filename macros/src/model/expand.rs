//! Writes one call of the runtime's macro; whatever depends on a feature of `aludel` is decided there.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;

use super::valid::{Column, Model};

/// The implementation.
pub(super) fn model(model: &Model<'_>) -> TokenStream {
    let Model {
        ident,
        table,
        key,
        generated,
        version,
        columns,
    } = model;
    let name = ident.unraw().to_string();
    let version = version.iter();
    quote! {
        ::aludel::__model! {
            model: #ident,
            name: #name,
            table: #table,
            key: [#(#key),*],
            generated: [#(#generated),*],
            version: [#(#version)*],
            columns: [#(#columns),*],
        }
    }
}

/// `owner: String => owner`, each with the place where the user wrote it, so that an unknown column is reported there.
impl ToTokens for Column<'_> {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Column { field, ty, name } = self;
        quote!(#field: #ty => #name).to_tokens(tokens);
    }
}
