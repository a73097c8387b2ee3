//! `impl Model`: what is the same on all backends.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;

use super::{at, key_type, number};
use crate::model::valid::{Column, Model};

pub(super) fn implementation(model: &Model<'_>) -> TokenStream {
    let ident = model.ident;
    let name = ident.unraw().to_string();
    let key_type = key_type(model);
    let (key, set_key) = (key(model), set_key(model));
    let shape = shape(model);
    let (changes, copy_column) = (changes(model), copy_column(model));
    let key_from_id = key_from_id(model);
    let version = version(model);
    let references = references(model);
    quote! {
        #[automatically_derived]
        impl ::aludel::Model for #ident {
            type Key = #key_type;
            const NAME: &'static str = #name;
            #references

            fn table() -> &'static str {
                ::core::any::type_name::<aludel_table::table>()
            }

            fn key(&self) -> ::core::option::Option<Self::Key> {
                #key
            }

            #shape
            #changes

            fn set_key(&mut self, key: Self::Key) {
                #set_key
            }

            #copy_column
            #key_from_id
            #version
        }
    }
}

/// None while the database has still to make it.
fn key(model: &Model<'_>) -> TokenStream {
    let clones: Vec<_> = model.key().iter().map(clone).collect();
    let key = match &clones[..] {
        [single] => quote!(#single),
        several => quote!((#(#several,)*)),
    };
    let unmade = model.key().iter().filter(|_| model.generated).map(is_default);
    quote! {
        #(if #unmade {
            return ::core::option::Option::None;
        })*
        ::core::option::Option::Some(#key)
    }
}

fn clone(column: &Column<'_>) -> TokenStream {
    let Column { field, ty, .. } = column;
    quote_spanned!(at(ty)=> ::core::clone::Clone::clone(&self.#field))
}

fn is_default(column: &Column<'_>) -> TokenStream {
    let Column { field, ty, .. } = column;
    quote_spanned!(at(ty)=> self.#field == <#ty as ::core::default::Default>::default())
}

fn set_key(model: &Model<'_>) -> TokenStream {
    if let [Column { field, .. }] = model.key() {
        return quote!(self.#field = key;);
    }
    let parts = model.key().iter().enumerate().map(|(index, Column { field, .. })| {
        let index = number(index);
        quote!(self.#field = key.#index;)
    });
    quote!(#(#parts)*)
}

fn shape(model: &Model<'_>) -> TokenStream {
    let columns = model.columns.iter().map(|Column { field, name, .. }| {
        let text = field.unraw().to_string();
        quote!(::aludel::plumbing::column(aludel_table::#name, #text, ::aludel::plumbing::Role::Plain))
    });
    let (keys, generated) = (number(model.keys), model.generated);
    let version = optional(model.version);
    quote! {
        fn shape() -> &'static ::aludel::plumbing::Shape {
            static SHAPE: ::aludel::plumbing::OnceLock<::aludel::plumbing::Shape> =
                ::aludel::plumbing::OnceLock::new();
            SHAPE.get_or_init(|| ::aludel::plumbing::Shape {
                columns: ::aludel::plumbing::Vec::from([#(#columns),*]),
                keys: #keys,
                generated: #generated,
                version: #version,
                version_kind: ::aludel::plumbing::VersionKind::Client,
                soft_delete: ::core::option::Option::None,
            })
        }
    }
}

/// `Some(3)`
fn optional(column: Option<usize>) -> TokenStream {
    let none = || quote!(::core::option::Option::None);
    column
        .map(number)
        .map_or_else(none, |column| quote!(::core::option::Option::Some(#column)))
}

fn changes(model: &Model<'_>) -> TokenStream {
    let differs = model
        .columns
        .iter()
        .enumerate()
        .map(|(index, Column { field, ty, .. })| {
            let index = number(index);
            quote_spanned!(at(ty)=> .and(::aludel::plumbing::Columns::one_if(#index, self.#field != other.#field)))
        });
    quote! {
        fn changes(&self, other: &Self) -> ::aludel::plumbing::Columns {
            ::aludel::plumbing::Columns::NONE #(#differs)*
        }
    }
}

fn copy_column(model: &Model<'_>) -> TokenStream {
    let arms = model
        .columns
        .iter()
        .enumerate()
        .map(|(index, Column { field, ty, .. })| {
            let index = number(index);
            quote_spanned!(at(ty)=> #index => ::core::clone::Clone::clone_from(&mut self.#field, &from.#field),)
        });
    quote! {
        fn copy_column(&mut self, from: &Self, column: usize) {
            match column {
                #(#arms)*
                _ => ::aludel::plumbing::no_column(Self::NAME, column),
            }
        }
    }
}

/// Only keys of the integer types that the macro knows by name.
fn key_from_id(model: &Model<'_>) -> Option<TokenStream> {
    let [Column { ty, .. }] = model.key() else { return None };
    (model.generated && crate::types::is_integer(ty)).then(|| {
        quote! {
            fn key_from_id(id: i64) -> ::core::option::Option<Self::Key> {
                ::core::convert::TryFrom::try_from(id).ok()
            }
        }
    })
}

fn version(model: &Model<'_>) -> Option<TokenStream> {
    let column = &model.columns[model.version?];
    let field = column.field;
    let unset = is_default(column);
    Some(quote! {
        fn advance_version(&mut self, loaded: ::core::option::Option<&Self>) {
            match loaded {
                ::core::option::Option::None if #unset => self.#field = 1,
                ::core::option::Option::Some(loaded) if self.#field == loaded.#field => {
                    self.#field = loaded.#field.wrapping_add(1);
                }
                _ => {}
            }
        }

        fn version_text(&self) -> ::core::option::Option<::aludel::plumbing::String> {
            ::core::option::Option::Some(::aludel::plumbing::text(&self.#field))
        }

        fn version_is_unset(&self) -> bool {
            #unset
        }
    })
}

fn references(model: &Model<'_>) -> Option<TokenStream> {
    let names: Vec<_> = model.references.iter().map(|reference| &reference.name).collect();
    (!names.is_empty()).then(|| {
        quote! {
            const REFERENCES: &'static [&'static dyn ::aludel::plumbing::Reference<Self>] = &[#(&Self::#names),*];
        }
    })
}
