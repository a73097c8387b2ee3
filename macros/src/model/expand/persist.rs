//! `impl Persist`: what is said with a backend's types.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;

use super::{at, children, fields, key_type, number};
use crate::model::valid::{Column, Model};

/// For the backend that is called `AludelBackend` where this is expanded.
pub(super) fn implementation(model: &Model<'_>) -> TokenStream {
    let ident = model.ident;
    let find = find(model);
    let select = select(model);
    let insert_returning = insert_returning(model);
    let bind = fields::bind(&model.fields, &ident.unraw().to_string());
    let (bind_key, cascade) = (bind_key(model), children::cascade(model));
    quote! {
        #[automatically_derived]
        impl ::aludel::Persist<AludelBackend> for #ident {
            #find
            #select
            #insert_returning
            #bind
            #bind_key
            #cascade

            fn walk_table(pass: ::aludel::plumbing::AstPass<'_, '_, AludelBackend>) -> ::aludel::plumbing::QueryResult<()> {
                ::aludel::plumbing::QueryFragment::<AludelBackend>::walk_ast(&aludel_table::table, pass)
            }
        }
    }
}

fn find(model: &Model<'_>) -> TokenStream {
    let ident = model.ident;
    let alive = alive(model);
    let filters = model.key().iter().enumerate().map(|(index, Column { name, ty, .. })| {
        let part = key_part(model, index);
        quote_spanned!(at(ty)=> .filter(aludel_table::#name.eq(#part)))
    });
    let selection = quote_spanned!(at(ident)=> <Self as ::aludel::plumbing::diesel::SelectableHelper<_>>::as_select());
    quote! {
        fn find<C>(
            connection: &mut ::aludel::Connection<C>,
            key: &<Self as ::aludel::Model>::Key,
        ) -> ::aludel::plumbing::QueryResult<::core::option::Option<Self>>
        where
            C: ::aludel::Dialect<Backend = AludelBackend>,
        {
            use ::aludel::plumbing::diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _};
            aludel_table::table
                #(#filters)*
                #alive
                .select(#selection)
                .first(connection)
                .optional()
        }
    }
}

/// What is not marked as deleted.
fn alive(model: &Model<'_>) -> Option<TokenStream> {
    let Column { name, ty, .. } = &model.fields.columns[model.soft_delete()?];
    Some(if crate::types::is_bool(ty) {
        quote_spanned!(at(ty)=> .filter(aludel_table::#name.eq(false)))
    } else {
        quote_spanned!(at(ty)=> .filter(aludel_table::#name.is_null()))
    })
}

fn select(model: &Model<'_>) -> TokenStream {
    let selection = quote_spanned! {at(model.ident)=>
        <Self as ::aludel::plumbing::diesel::Selectable<AludelBackend>>::construct_selection()
    };
    quote! {
        fn select<C, F>(
            connection: &mut ::aludel::Connection<C>,
            rows: F,
        ) -> ::aludel::plumbing::QueryResult<::aludel::plumbing::Vec<Self>>
        where
            C: ::aludel::Dialect<Backend = AludelBackend>,
            F: ::aludel::plumbing::QueryFragment<AludelBackend>,
        {
            use ::aludel::plumbing::diesel::RunQueryDsl as _;
            ::aludel::plumbing::Select::new(#selection, rows).load(connection)
        }
    }
}

fn insert_returning(model: &Model<'_>) -> Option<TokenStream> {
    let ([Column { name, ty, .. }], true) = (model.key(), model.generated) else {
        return None;
    };
    let load = quote_spanned!(at(ty)=> ::aludel::plumbing::answering(aludel_table::#name, insert).load(connection));
    Some(quote! {
        fn insert_returning<C, F>(
            connection: &mut ::aludel::Connection<C>,
            insert: F,
        ) -> ::aludel::plumbing::QueryResult<::aludel::plumbing::Vec<Self::Key>>
        where
            C: ::aludel::Dialect<Backend = AludelBackend>,
            F: ::aludel::plumbing::QueryFragment<AludelBackend>,
        {
            use ::aludel::plumbing::diesel::RunQueryDsl as _;
            #load
        }
    })
}

fn bind_key(model: &Model<'_>) -> TokenStream {
    let key_type = key_type(model);
    let arms = model.key().iter().enumerate().map(|(index, Column { ty, name, .. })| {
        let part = key_part(model, index);
        let index = number(index);
        quote_spanned!(at(ty)=> #index => ::aludel::plumbing::bind(aludel_table::#name, #part, pass),)
    });
    quote! {
        fn bind_key<'b>(
            key: &'b #key_type,
            column: usize,
            pass: ::aludel::plumbing::AstPass<'_, 'b, AludelBackend>,
        ) -> ::aludel::plumbing::QueryResult<()> {
            match column {
                #(#arms)*
                _ => ::aludel::plumbing::no_column(<Self as ::aludel::Model>::NAME, column),
            }
        }
    }
}

/// A column of `key`, by reference.
fn key_part(model: &Model<'_>, index: usize) -> TokenStream {
    if model.keys == 1 {
        return quote!(key);
    }
    let index = number(index);
    quote!((&key.#index))
}
