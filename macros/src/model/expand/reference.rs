//! Foreign keys: a constant each, and `BelongsTo` where there is but one to a parent.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;

use super::{at, number};
use crate::model::valid::{Model, Part, Reference};

/// `impl Book { pub const AUTHOR_ID: ForeignKey<Book, Author> = ..; }`
pub(super) fn constants(model: &Model<'_>) -> Option<TokenStream> {
    let ident = model.ident;
    let constants: Vec<_> = model
        .references
        .iter()
        .map(|reference| constant(model, reference))
        .collect();
    (!constants.is_empty()).then(|| {
        quote! {
            #[automatically_derived]
            impl #ident {
                #(#constants)*
            }
        }
    })
}

/// `impl BelongsTo<Author> for Book`
pub(super) fn belongs_to(model: &Model<'_>) -> TokenStream {
    let ident = model.ident;
    let only = model.references.iter().filter(|reference| reference.only);
    let implementations = only.map(|Reference { name, parent, .. }| {
        quote_spanned! {at(parent)=>
            #[automatically_derived]
            impl ::aludel::BelongsTo<#parent> for #ident {
                const FOREIGN_KEY: ::aludel::ForeignKey<Self, #parent> = Self::#name;
            }
        }
    });
    quote!(#(#implementations)*)
}

fn constant(model: &Model<'_>, reference: &Reference<'_>) -> TokenStream {
    let (
        visibility,
        Reference {
            name, parent, parts, ..
        },
    ) = (model.visibility, reference);
    let fields: Vec<_> = parts.iter().map(|part| part.field.unraw().to_string()).collect();
    let fields = fields.join(", ");
    let columns = parts.iter().map(|part| number(part.column));
    let nullable = parts.iter().any(|part| part.nullable);
    let (get, set) = (get(reference), set(reference));
    let doc = format!("The foreign key `{fields}`.");
    quote_spanned! {at(parent)=>
        #[doc = #doc]
        #visibility const #name: ::aludel::ForeignKey<Self, #parent> =
            ::aludel::ForeignKey::<Self, #parent>::new(#fields, &[#(#columns),*], #nullable, #get, #set);
    }
}

/// The parent's key; none when a part of it is NULL.
fn get(reference: &Reference<'_>) -> TokenStream {
    let clone = |part: &Part<'_>| {
        let field = part.field;
        quote_spanned!(at(part.ty)=> ::core::clone::Clone::clone(&child.#field))
    };
    if let [single] = &reference.parts[..] {
        let key = clone(single);
        let some = (!single.nullable).then(|| quote!(::core::option::Option::Some));
        return quote!(|child| #some(#key));
    }
    let parts = reference.parts.iter().map(|part| {
        let (part, question) = (clone(part), part.nullable.then(|| quote!(?)));
        quote!(#part #question)
    });
    quote!(|child| ::core::option::Option::Some((#(#parts,)*)))
}

/// NULL goes into those parts that can be NULL.
fn set(reference: &Reference<'_>) -> TokenStream {
    let single = reference.parts.len() == 1;
    let given = reference.parts.iter().enumerate().map(|(index, part)| {
        let (field, index) = (part.field, number(index));
        let value = if single { quote!(key) } else { quote!(key.#index) };
        if part.nullable {
            quote_spanned!(at(part.ty)=> child.#field = ::core::option::Option::Some(#value);)
        } else {
            quote_spanned!(at(part.ty)=> child.#field = #value;)
        }
    });
    let nulls = reference.parts.iter().filter(|part| part.nullable).map(|part| {
        let field = part.field;
        quote!(child.#field = ::core::option::Option::None;)
    });
    quote! {
        |child, key| match key {
            ::core::option::Option::Some(key) => {
                #(#given)*
            }
            ::core::option::Option::None => {
                #(#nulls)*
            }
        }
    }
}
