//! Writes an implementation after a mistake, so that whoever uses the model is not told that it is none.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::{Error, Ident, Path};

use super::ast::Input;
use super::valid;
use crate::errors::Errors;
use crate::types;

/// The error, and an implementation that does nothing.
pub(super) fn model(input: &Input<'_>, error: &Error) -> TokenStream {
    let error = error.to_compile_error();
    // A generic struct needs its parameters wherever it is named, and being generic is what is wrong with it.
    if !input.generics.params.is_empty() {
        return error;
    }
    let (ident, visibility) = (input.ident, input.visibility);
    let key = key(input);
    let references = references(input);
    let constants: Vec<_> = references
        .iter()
        .map(|(name, parent)| {
            quote! {
                #[doc(hidden)]
                #visibility const #name: ::aludel::ForeignKey<Self, #parent> =
                    ::aludel::ForeignKey::new("", &[], true, |_| ::core::option::Option::None, |_, _| {});
            }
        })
        .collect();
    let constants = (!constants.is_empty()).then(|| quote!(#[allow(dead_code)] impl #ident { #(#constants)* }));
    let is_same = |one: &Path, other: &Path| one.to_token_stream().to_string() == other.to_token_stream().to_string();
    let only = references.iter().filter(|(_, parent)| {
        let same = references.iter().filter(|(_, other)| is_same(parent, other));
        same.count() == 1
    });
    let belongs_to = only.map(|(name, parent)| {
        quote! {
            impl ::aludel::BelongsTo<#parent> for #ident {
                const FOREIGN_KEY: ::aludel::ForeignKey<Self, #parent> = Self::#name;
            }
        }
    });
    quote! {
        #error
        ::aludel::__model_fallback! { model: #ident, key: #key }
        #(#belongs_to)*
        #constants
    }
}

/// The same for an embedded struct.
pub(super) fn embedded(input: &Input<'_>, error: &Error) -> TokenStream {
    let (error, ident) = (error.to_compile_error(), input.ident);
    let implementation = input
        .generics
        .params
        .is_empty()
        .then(|| quote!(::aludel::__embedded_fallback! { embedded: #ident }));
    quote!(#error #implementation)
}

/// The type of the key as far as it can be told, so that foreign keys of other models have the right one.
fn key(input: &Input<'_>) -> TokenStream {
    let fields: Vec<_> = input.fields.iter().flatten().collect();
    let key = valid::key::find(input, &fields, &mut Errors::default());
    let types: Vec<_> = key.iter().map(|field| field.ty).collect();
    match &types[..] {
        types if types.iter().any(|ty| types::is_option(ty)) => quote!(i32),
        [] => quote!(i32),
        [single] => quote!(#single),
        several => quote!((#(#several,)*)),
    }
}

/// The constants of the foreign keys, and the parents; each name once.
fn references<'a>(input: &'a Input<'_>) -> Vec<(Ident, &'a Path)> {
    let of_fields = input.fields.iter().flatten().filter_map(|field| {
        let parent = field.options.belongs_to.as_ref()?;
        Some((valid::constant(field.ident), parent))
    });
    let of_struct = input.options.belongs_to.iter();
    let of_struct = of_struct.map(|belongs_to| (valid::constant_of(belongs_to), &belongs_to.parent));
    let mut references: Vec<(Ident, &Path)> = Vec::new();
    for (name, parent) in of_fields.chain(of_struct) {
        if references.iter().all(|(other, _)| *other != name) {
            references.push((name, parent));
        }
    }
    references
}
