//! `impl Model`: what is the same on all backends.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;

use super::fields::{self, is_default};
use super::{at, key_type, number};
use crate::model::attr::{Version, VersionKind};
use crate::model::valid::{Column, Model};

pub(super) fn implementation(model: &Model<'_>) -> TokenStream {
    let ident = model.ident;
    let name = ident.unraw().to_string();
    let key_type = key_type(model);
    let (key, set_key) = (key(model), set_key(model));
    let shape = shape(model);
    let fields = fields::methods(&model.fields, &name);
    let (key_from_id, make_key) = (key_from_id(model), make_key(model));
    let mark = mark(model);
    let version = version(model);
    let references = references(model);
    quote! {
        // Whether a field was changed is asked of a float as well.
        #[allow(clippy::float_cmp)]
        #[automatically_derived]
        impl ::aludel::Model for #ident {
            type Key = #key_type;
            const NAME: &'static str = #name;
            #mark
            #references

            fn table() -> &'static str {
                ::core::any::type_name::<aludel_table::table>()
            }

            fn key(&self) -> ::core::option::Option<Self::Key> {
                #key
            }

            #shape
            #fields

            fn set_key(&mut self, key: Self::Key) {
                #set_key
            }

            #key_from_id
            #make_key
            #version
        }
    }
}

/// None while it has still to be made.
fn key(model: &Model<'_>) -> TokenStream {
    let clones: Vec<_> = model.key().iter().map(clone).collect();
    let key = match &clones[..] {
        [single] => quote!(#single),
        several => quote!((#(#several,)*)),
    };
    let unmade = model.key().iter();
    let unmade = unmade.filter(|column| model.generated || column.options.default.is_some());
    let unmade = unmade.map(is_default);
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
    let columns = fields::columns(&model.fields);
    let (keys, generated) = (number(model.keys), model.generated);
    let (version, soft_delete) = (optional(model.version()), optional(model.soft_delete()));
    let kind = match version_of(model).map(|version| &version.kind) {
        Some(VersionKind::Manual) => quote!(Manual),
        Some(VersionKind::Server) => quote!(Server),
        Some(VersionKind::Counted | VersionKind::Function(_)) | None => quote!(Client),
    };
    quote! {
        fn shape() -> &'static ::aludel::plumbing::Shape {
            static SHAPE: ::aludel::plumbing::OnceLock<::aludel::plumbing::Shape> =
                ::aludel::plumbing::OnceLock::new();
            SHAPE.get_or_init(|| ::aludel::plumbing::Shape {
                columns: #columns,
                keys: #keys,
                generated: #generated,
                version: #version,
                version_kind: ::aludel::plumbing::VersionKind::#kind,
                soft_delete: #soft_delete,
            })
        }
    }
}

/// A mark is a time, if nothing is said.
fn mark(model: &Model<'_>) -> Option<TokenStream> {
    let mark = &model.fields.columns[model.soft_delete()?];
    crate::types::is_bool(mark.ty).then(|| {
        quote!(
            const SOFT_DELETE_IS_TIME: bool = false;
        )
    })
}

/// Those parts of the key that a function of the program makes.
fn make_key(model: &Model<'_>) -> Option<TokenStream> {
    let made: Vec<_> = model
        .key()
        .iter()
        .filter_map(|column| {
            let (field, default) = (column.field, column.options.default.as_ref()?);
            let unmade = is_default(column);
            Some(quote_spanned! {at(default)=>
                if #unmade {
                    self.#field = #default();
                }
            })
        })
        .collect();
    (!made.is_empty()).then(|| {
        quote! {
            fn make_key(&mut self) {
                #(#made)*
            }
        }
    })
}

/// `Some(3)`
fn optional(column: Option<usize>) -> TokenStream {
    let none = || quote!(::core::option::Option::None);
    column
        .map(number)
        .map_or_else(none, |column| quote!(::core::option::Option::Some(#column)))
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

fn version_of<'a>(model: &'a Model<'_>) -> Option<&'a Version> {
    model.fields.columns[model.version()?].options.version.as_ref()
}

fn version(model: &Model<'_>) -> Option<TokenStream> {
    let column = &model.fields.columns[model.version()?];
    let (field, unset) = (column.field, is_default(column));
    let (first, next) = match &version_of(model)?.kind {
        VersionKind::Counted => (Some(quote!(1)), Some(quote!(loaded.#field.wrapping_add(1)))),
        VersionKind::Function(path) => (
            Some(quote_spanned!(at(path)=> #path(::core::option::Option::None))),
            Some(quote_spanned!(at(path)=> #path(::core::option::Option::Some(&loaded.#field)))),
        ),
        VersionKind::Manual | VersionKind::Server => (None, None),
    };
    let advance = first.map(|first| {
        quote! {
            fn advance_version(&mut self, loaded: ::core::option::Option<&Self>) {
                match loaded {
                    ::core::option::Option::None if #unset => self.#field = #first,
                    ::core::option::Option::Some(loaded) if self.#field == loaded.#field => self.#field = #next,
                    _ => {}
                }
            }
        }
    });
    Some(quote! {
        #advance

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
