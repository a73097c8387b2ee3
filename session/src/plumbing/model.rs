//! What the code of `#[derive(Model)]` calls.

use std::fmt::Debug;

use diesel::backend::Backend;
use diesel::expression::Expression;
use diesel::query_builder::AstPass;
use diesel::query_source::Column as TableColumn;
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::HasSqlType;

use crate::model::{Column, Role};
use crate::sql::Answering;

/// A column of a model. By its value, so that one that the table has not is one mistake at one place.
pub fn column<T: TableColumn>(_: T, field: &'static str, role: Role) -> Column {
    Column {
        name: T::NAME,
        field,
        role,
    }
}

/// The value of a field, as a bind parameter of its column's type.
///
/// # Errors
///
/// When it cannot be written as that.
pub fn bind<'b, T, V, DB>(_: T, value: &'b V, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()>
where
    T: Expression,
    V: ToSql<T::SqlType, DB>,
    DB: Backend + HasSqlType<T::SqlType>,
{
    pass.push_bind_param::<T::SqlType, V>(value)
}

/// A statement of ours that answers values of a column.
pub fn answering<T: Expression, F>(_: T, statement: F) -> Answering<F, T::SqlType> {
    Answering::new(statement)
}

/// A version in words.
pub fn text(version: &impl Debug) -> String {
    format!("{version:?}")
}

/// Columns are counted by the model's own shape.
///
/// # Panics
///
/// Always.
pub fn no_column(model: &str, column: usize) -> ! {
    unreachable!("{model} has no column {column}")
}

/// What stands in for a model that was refused, so that its mistake is one error and not ten.
/// It is written only beside that error, so nothing of it ever runs.
#[doc(hidden)]
#[macro_export]
macro_rules! __model_fallback {
    (model: $model:ident, key: $key:ty) => {
        const _: () = {
            #[automatically_derived]
            impl $crate::Model for $model
            where
                Self: ::core::clone::Clone + ::core::marker::Send + 'static,
            {
                type Key = $key;
                const NAME: &'static str = "";
                fn table() -> &'static str {
                    ""
                }
                fn key(&self) -> ::core::option::Option<$key> {
                    ::core::option::Option::None
                }
                fn shape() -> &'static $crate::plumbing::Shape {
                    ::core::unimplemented!()
                }
                fn changes(&self, _: &Self) -> $crate::plumbing::Columns {
                    ::core::unimplemented!()
                }
                fn set_key(&mut self, _: $key) {}
                fn copy_column(&mut self, _: &Self, _: usize) {}
            }

            #[automatically_derived]
            impl<DB: $crate::plumbing::diesel::backend::Backend> $crate::Persist<DB> for $model
            where
                Self: ::core::clone::Clone + ::core::marker::Send + 'static,
            {
                fn find<C: $crate::Dialect<Backend = DB>>(
                    _: &mut $crate::Connection<C>,
                    _: &$key,
                ) -> $crate::plumbing::QueryResult<::core::option::Option<Self>> {
                    ::core::unimplemented!()
                }
                fn select<C, F>(
                    _: &mut $crate::Connection<C>,
                    _: F,
                ) -> $crate::plumbing::QueryResult<$crate::plumbing::Vec<Self>>
                where
                    C: $crate::Dialect<Backend = DB>,
                    F: $crate::plumbing::QueryFragment<DB>,
                {
                    ::core::unimplemented!()
                }
                fn bind<'b>(
                    &'b self,
                    _: usize,
                    _: $crate::plumbing::AstPass<'_, 'b, DB>,
                ) -> $crate::plumbing::QueryResult<()> {
                    ::core::unimplemented!()
                }
                fn bind_key<'b>(
                    _: &'b $key,
                    _: usize,
                    _: $crate::plumbing::AstPass<'_, 'b, DB>,
                ) -> $crate::plumbing::QueryResult<()> {
                    ::core::unimplemented!()
                }
                fn walk_table(_: $crate::plumbing::AstPass<'_, '_, DB>) -> $crate::plumbing::QueryResult<()> {
                    ::core::unimplemented!()
                }
            }
        };
    };
}

/// What stands in for an embedded struct that was refused.
#[doc(hidden)]
#[macro_export]
macro_rules! __embedded_fallback {
    (embedded: $embedded:ident) => {
        const _: () = {
            #[automatically_derived]
            impl $crate::Embedded for $embedded
            where
                Self: ::core::clone::Clone + ::core::marker::Send + 'static,
            {
                const COLUMNS: usize = 0;
                fn columns() -> $crate::plumbing::Vec<$crate::plumbing::Column> {
                    ::core::unimplemented!()
                }
                fn changes(&self, _: &Self) -> $crate::plumbing::Columns {
                    ::core::unimplemented!()
                }
                fn copy_column(&mut self, _: &Self, _: usize) {}
            }

            #[automatically_derived]
            impl<DB: $crate::plumbing::diesel::backend::Backend> $crate::plumbing::BindEmbedded<DB> for $embedded
            where
                Self: ::core::clone::Clone + ::core::marker::Send + 'static,
            {
                fn bind<'b>(
                    &'b self,
                    _: usize,
                    _: $crate::plumbing::AstPass<'_, 'b, DB>,
                ) -> $crate::plumbing::QueryResult<()> {
                    ::core::unimplemented!()
                }
            }
        };
    };
}
