//! `impl Embedded`: what a model asks a struct that it embeds.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;

use super::{fields, number};
use crate::model::valid::{Embed, Embedded};

pub(super) fn implementation(embedded: &Embedded<'_>) -> TokenStream {
    let ident = embedded.ident;
    let own = number(embedded.fields.columns.len());
    let nested = embedded.fields.embedded.iter();
    let nested = nested.map(|Embed { ty, .. }| quote!(+ <#ty as ::aludel::Embedded>::COLUMNS));
    let columns = fields::columns(&embedded.fields);
    let methods = fields::methods(&embedded.fields, &ident.unraw().to_string());
    quote! {
        // Whether a field was changed is asked of a float as well.
        #[allow(clippy::float_cmp)]
        #[automatically_derived]
        impl ::aludel::Embedded for #ident {
            const COLUMNS: usize = #own #(#nested)*;

            fn columns() -> ::aludel::plumbing::Vec<::aludel::plumbing::Column> {
                #columns
            }

            #methods
        }
    }
}

pub(super) fn bind(embedded: &Embedded<'_>) -> TokenStream {
    let ident = embedded.ident;
    let bind = fields::bind(&embedded.fields, &ident.unraw().to_string());
    quote! {
        #[automatically_derived]
        impl ::aludel::plumbing::BindEmbedded<AludelBackend> for #ident {
            #bind
        }
    }
}
