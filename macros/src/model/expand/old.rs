//! The statements of one row that the flush was written with first.

use proc_macro2::TokenStream;
use quote::quote;

use crate::model::valid::{Column, Model};

pub(super) fn methods(model: &Model<'_>) -> TokenStream {
    let (insert, update, delete, version) = (insert(model), update(model), delete(model), version(model));
    quote! {
        fn insert<C>(&mut self, connection: &mut ::aludel::Connection<C>) -> ::aludel::plumbing::QueryResult<()>
        where
            C: ::aludel::Dialect<Backend = AludelBackend>,
        {
            #[allow(unused_imports)]
            use ::aludel::plumbing::diesel::{ExpressionMethods as _, RunQueryDsl as _};
            ::aludel::Model::advance_version(self, ::core::option::Option::None);
            #insert
        }

        #[allow(unused_variables)]
        fn update<C>(
            &mut self,
            connection: &mut ::aludel::Connection<C>,
            loaded: &Self,
        ) -> ::aludel::plumbing::QueryResult<::aludel::Written>
        where
            C: ::aludel::Dialect<Backend = AludelBackend>,
        {
            #update
        }

        fn delete<C>(&self, connection: &mut ::aludel::Connection<C>) -> ::aludel::plumbing::QueryResult<::aludel::Written>
        where
            C: ::aludel::Dialect<Backend = AludelBackend>,
        {
            use ::aludel::plumbing::diesel::{ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _};
            #delete
        }

        fn version(&self) -> ::core::option::Option<i64> {
            #version
        }
    }
}

fn others<'a>(model: &'a Model<'a>) -> impl Iterator<Item = &'a Column<'a>> {
    let columns = model.columns.iter().enumerate().skip(model.keys);
    columns
        .filter(|(index, _)| Some(*index) != model.version)
        .map(|(_, column)| column)
}

fn insert(model: &Model<'_>) -> TokenStream {
    let version = model.version.map(|version| &model.columns[version]);
    let values = others(model)
        .chain(version)
        .map(|Column { field, name, .. }| quote!(aludel_table::#name.eq(&self.#field),));
    match (model.key(), model.generated) {
        ([Column { field, ty, name }], true) => quote! {
            let given = (self.#field != <#ty as ::core::default::Default>::default())
                .then(|| aludel_table::#name.eq(::core::clone::Clone::clone(&self.#field)));
            let made = given.is_none();
            let insert = ::aludel::plumbing::diesel::insert_into(aludel_table::table).values((given, #(#values)*));
            let keys = if ::aludel::plumbing::old_asks_by_id::<AludelBackend>() {
                insert.execute(connection)?;
                if !made {
                    return ::core::result::Result::Ok(());
                }
                Self::insert_returning(connection, ::aludel::plumbing::OldLastInsertId)?
            } else {
                Self::insert_returning(connection, ::aludel::plumbing::OldReturning(insert, aludel_table::#name))?
            };
            self.#field = ::aludel::plumbing::old_only(keys)?;
            ::core::result::Result::Ok(())
        },
        (key, _) => {
            let key = key
                .iter()
                .map(|Column { field, name, .. }| quote!(aludel_table::#name.eq(&self.#field),));
            quote! {
                ::aludel::plumbing::diesel::insert_into(aludel_table::table)
                    .values((#(#key)* #(#values)*))
                    .execute(connection)
                    .map(|_| ())
            }
        }
    }
}

fn update(model: &Model<'_>) -> TokenStream {
    let fields: Vec<_> = others(model).map(|column| column.field).collect();
    let names = others(model).map(|column| column.name);
    if fields.is_empty() {
        return quote!(::core::result::Result::Ok(::aludel::Written::Unchanged));
    }
    let key = model
        .key()
        .iter()
        .map(|Column { field, name, .. }| quote!(.filter(aludel_table::#name.eq(&loaded.#field))));
    let version: Vec<_> = model.version.iter().map(|version| &model.columns[*version]).collect();
    let (version, version_name): (Vec<_>, Vec<_>) = version.iter().map(|column| (column.field, column.name)).unzip();
    quote! {
        use ::aludel::plumbing::diesel::{ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _};
        if true #(&& self.#fields == loaded.#fields)* {
            return ::core::result::Result::Ok(::aludel::Written::Unchanged);
        }
        let rows = aludel_table::table
            #(#key)*
            #(.filter(aludel_table::#version_name.eq(&loaded.#version)))*;
        let changes = (
            #((self.#fields != loaded.#fields).then(|| aludel_table::#names.eq(&self.#fields)),)*
            #(::core::option::Option::Some(aludel_table::#version_name.eq(loaded.#version + 1)),)*
        );
        let count = ::aludel::plumbing::diesel::update(rows).set(changes).execute(connection)?;
        if count > 0 {
            #(self.#version = loaded.#version + 1;)*
        }
        ::core::result::Result::Ok(::aludel::Written::from_count(count))
    }
}

fn delete(model: &Model<'_>) -> TokenStream {
    let version = model.version.map(|version| &model.columns[version]);
    let filters = model.key().iter().chain(version);
    let filters = filters.map(|Column { field, name, .. }| quote!(.filter(aludel_table::#name.eq(&self.#field))));
    quote! {
        let rows = aludel_table::table #(#filters)*;
        ::aludel::plumbing::diesel::delete(rows).execute(connection).map(::aludel::Written::from_count)
    }
}

fn version(model: &Model<'_>) -> TokenStream {
    let Some(version) = model.version else {
        return quote!(::core::option::Option::None);
    };
    let field = model.columns[version].field;
    quote!(::core::convert::TryInto::try_into(self.#field).ok())
}
