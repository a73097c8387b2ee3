//! What the code of `#[derive(Model)]` calls.

use std::fmt::Debug;

use diesel::backend::Backend;
use diesel::expression::Expression;
use diesel::query_builder::{AstPass, QueryFragment};
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

/// Whether the first flush asks for a key by `LAST_INSERT_ID()`.
pub fn old_asks_by_id<DB: 'static>() -> bool {
    std::any::type_name::<DB>().contains("::Mysql")
}

/// The one key in an answer.
///
/// # Errors
///
/// When there is none.
pub fn old_only<K>(keys: Vec<K>) -> QueryResult<K> {
    keys.into_iter().next().ok_or(diesel::result::Error::NotFound)
}

/// `SELECT LAST_INSERT_ID()`
#[derive(Debug)]
pub struct OldLastInsertId;

impl<DB: Backend> QueryFragment<DB> for OldLastInsertId {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("SELECT LAST_INSERT_ID()");
        Ok(())
    }
}

/// INSERT with RETURNING
#[derive(Debug)]
pub struct OldReturning<I, T>(pub I, pub T);

impl<DB: Backend, I: QueryFragment<DB>, T: QueryFragment<DB> + TableColumn> QueryFragment<DB> for OldReturning<I, T> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(pass.reborrow())?;
        pass.push_sql(" RETURNING ");
        // As Diesel has it.
        if std::any::type_name::<DB>().contains("::Sqlite") {
            return pass.push_identifier(T::NAME);
        }
        self.1.walk_ast(pass)
    }
}

/// What stands in for a model that was refused, so that its mistake is one error and not ten.
/// It is written only beside that error, so nothing of it ever runs.
#[doc(hidden)]
#[macro_export]
macro_rules! __model_fallback {
    (model: $model:ident) => {
        const _: () = {
            #[automatically_derived]
            impl $crate::Model for $model
            where
                Self: ::core::clone::Clone + ::core::marker::Send + 'static,
            {
                type Key = i32;
                const NAME: &'static str = "";
                fn table() -> &'static str {
                    ""
                }
                fn key(&self) -> ::core::option::Option<i32> {
                    ::core::option::Option::None
                }
                fn shape() -> &'static $crate::plumbing::Shape {
                    ::core::unimplemented!()
                }
                fn changes(&self, _: &Self) -> $crate::plumbing::Columns {
                    ::core::unimplemented!()
                }
                fn set_key(&mut self, _: i32) {}
                fn copy_column(&mut self, _: &Self, _: usize) {}
            }

            #[automatically_derived]
            impl<DB: $crate::plumbing::diesel::backend::Backend> $crate::Persist<DB> for $model
            where
                Self: ::core::clone::Clone + ::core::marker::Send + 'static,
            {
                fn find<C: $crate::Dialect<Backend = DB>>(
                    _: &mut $crate::Connection<C>,
                    _: &i32,
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
                    _: &'b i32,
                    _: usize,
                    _: $crate::plumbing::AstPass<'_, 'b, DB>,
                ) -> $crate::plumbing::QueryResult<()> {
                    ::core::unimplemented!()
                }
                fn walk_table(_: $crate::plumbing::AstPass<'_, '_, DB>) -> $crate::plumbing::QueryResult<()> {
                    ::core::unimplemented!()
                }
                fn insert<C: $crate::Dialect<Backend = DB>>(
                    &mut self,
                    _: &mut $crate::Connection<C>,
                ) -> $crate::plumbing::QueryResult<()> {
                    ::core::unimplemented!()
                }
                fn update<C: $crate::Dialect<Backend = DB>>(
                    &mut self,
                    _: &mut $crate::Connection<C>,
                    _: &Self,
                ) -> $crate::plumbing::QueryResult<$crate::Written> {
                    ::core::unimplemented!()
                }
                fn delete<C: $crate::Dialect<Backend = DB>>(
                    &self,
                    _: &mut $crate::Connection<C>,
                ) -> $crate::plumbing::QueryResult<$crate::Written> {
                    ::core::unimplemented!()
                }
                fn version(&self) -> ::core::option::Option<i64> {
                    ::core::option::Option::None
                }
            }
        };
    };
}
