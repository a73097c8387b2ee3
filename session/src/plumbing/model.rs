//! The macro behind `#[derive(Model)]`.
//!
//! The derive checks and says what the columns are; everything that depends on a backend is written here, once, and
//! instantiated for each backend that is compiled in. That choice falls inside this crate, so that no feature of ours is
//! visible in a user's.

/// Implements `Model`, and `Persist` for each backend.
#[doc(hidden)]
#[macro_export]
macro_rules! __model {
    (
        model: $model:ident,
        name: $name:literal,
        table: $($table:ident)::+,
        key: $key:tt,
        generated: $generated:tt,
        version: $version:tt,
        columns: $columns:tt,
    ) => {
        const _: () = {
            use $($table)::+ as aludel_table;

            $crate::__model_keys! { $model, $name, $key, $generated }
            $crate::__model_sqlite! { $model, $key, $generated, $version, $columns }
            $crate::__model_mysql! { $model, $key, $generated, $version, $columns }
            $crate::__model_postgres! { $model, $key, $generated, $version, $columns }
        };
    };
}

/// `Model` itself.
#[doc(hidden)]
#[macro_export]
macro_rules! __model_keys {
    // One key that the database makes: 0 stands for "not yet".
    ($model:ident, $name:literal, [$field:ident: $type:ty => $column:ident], [$generated:ident]) => {
        #[automatically_derived]
        impl $crate::Model for $model {
            type Key = $type;
            const NAME: &'static str = $name;
            fn table() -> &'static str {
                ::core::any::type_name::<aludel_table::table>()
            }
            fn key(&self) -> ::core::option::Option<$type> {
                (self.$field != 0).then_some(self.$field)
            }
        }
    };
    ($model:ident, $name:literal, [$field:ident: $type:ty => $column:ident], []) => {
        #[automatically_derived]
        impl $crate::Model for $model {
            type Key = $type;
            const NAME: &'static str = $name;
            fn table() -> &'static str {
                ::core::any::type_name::<aludel_table::table>()
            }
            fn key(&self) -> ::core::option::Option<$type> {
                ::core::option::Option::Some(::core::clone::Clone::clone(&self.$field))
            }
        }
    };
    ($model:ident, $name:literal, [$($field:ident: $type:ty => $column:ident),+], []) => {
        #[automatically_derived]
        impl $crate::Model for $model {
            type Key = ($($type,)+);
            const NAME: &'static str = $name;
            fn table() -> &'static str {
                ::core::any::type_name::<aludel_table::table>()
            }
            fn key(&self) -> ::core::option::Option<($($type,)+)> {
                ::core::option::Option::Some(($(::core::clone::Clone::clone(&self.$field),)+))
            }
        }
    };
}

macro_rules! per_backend {
    ($dollar:tt $feature:literal, $macro:ident, $backend:ident) => {
        /// `Persist` for one backend, or nothing when it is not compiled in.
        #[cfg(feature = $feature)]
        #[doc(hidden)]
        #[macro_export]
        macro_rules! $macro {
            ($dollar($dollar tokens:tt)*) => { $dollar crate::__model_persist! { $backend, $dollar($dollar tokens)* } };
        }

        /// `Persist` for one backend, or nothing when it is not compiled in.
        #[cfg(not(feature = $feature))]
        #[doc(hidden)]
        #[macro_export]
        macro_rules! $macro {
            ($dollar($dollar tokens:tt)*) => {};
        }
    };
}
per_backend!($ "sqlite", __model_sqlite, Sqlite);
per_backend!($ "mysql", __model_mysql, Mysql);
per_backend!($ "postgres", __model_postgres, Pg);

/// The path of a backend.
#[doc(hidden)]
#[macro_export]
macro_rules! __backend {
    (Sqlite) => {
        $crate::plumbing::diesel::sqlite::Sqlite
    };
    (Mysql) => {
        $crate::plumbing::diesel::mysql::Mysql
    };
    (Pg) => {
        $crate::plumbing::diesel::pg::Pg
    };
}

/// `Persist` for one backend.
#[doc(hidden)]
#[macro_export]
macro_rules! __model_persist {
    (
        $backend:ident,
        $model:ident,
        [$($key:ident: $key_type:ty => $key_column:ident),+],
        $generated:tt,
        [$($version:ident: $version_type:ty => $version_column:ident)?],
        [$($field:ident: $type:ty => $column:ident),*]
    ) => {
        #[automatically_derived]
        impl $crate::Persist<$crate::__backend!($backend)> for $model {
            fn find<C>(
                connection: &mut $crate::Connection<C>,
                key: &<Self as $crate::Model>::Key,
            ) -> $crate::plumbing::diesel::QueryResult<::core::option::Option<Self>>
            where
                C: $crate::Dialect<Backend = $crate::__backend!($backend)>,
            {
                use $crate::plumbing::diesel::prelude::*;
                let $crate::__key_pattern!($($key),+) = ::core::clone::Clone::clone(key);
                aludel_table::table
                    $(.filter(aludel_table::$key_column.eq($key)))+
                    .select(<Self as $crate::plumbing::diesel::SelectableHelper<_>>::as_select())
                    .first(connection)
                    .optional()
            }

            fn insert<C>(
                &mut self,
                connection: &mut $crate::Connection<C>,
            ) -> $crate::plumbing::diesel::QueryResult<()>
            where
                C: $crate::Dialect<Backend = $crate::__backend!($backend)>,
            {
                #[allow(unused_imports)]
                use $crate::plumbing::diesel::prelude::*;
                $(
                    // A version that nobody has set starts at 1.
                    if self.$version == 0 {
                        self.$version = 1;
                    }
                )?
                $crate::__model_insert!(
                    $backend, self, connection,
                    [$($key => $key_column),+], $generated,
                    [$($field => $column,)* $($version => $version_column,)?]
                )
            }

            #[allow(unused_variables)]
            fn update<C>(
                &mut self,
                connection: &mut $crate::Connection<C>,
                loaded: &Self,
            ) -> $crate::plumbing::diesel::QueryResult<$crate::Written>
            where
                C: $crate::Dialect<Backend = $crate::__backend!($backend)>,
            {
                $crate::__model_update!(
                    self, connection, loaded,
                    [$($key => $key_column),+], [$($version => $version_column)?], [$($field => $column),*]
                )
            }

            fn delete<C>(
                &self,
                connection: &mut $crate::Connection<C>,
            ) -> $crate::plumbing::diesel::QueryResult<$crate::Written>
            where
                C: $crate::Dialect<Backend = $crate::__backend!($backend)>,
            {
                use $crate::plumbing::diesel::prelude::*;
                let rows = aludel_table::table
                    $(.filter(aludel_table::$key_column.eq(&self.$key)))+
                    $(.filter(aludel_table::$version_column.eq(&self.$version)))?;
                $crate::plumbing::diesel::delete(rows).execute(connection).map($crate::Written::from_count)
            }

            fn version(&self) -> ::core::option::Option<i64> {
                $(return ::core::convert::TryInto::try_into(self.$version).ok();)?
                #[allow(unreachable_code)]
                ::core::option::Option::None
            }
        }
    };
}

/// A pattern that takes a key apart.
#[doc(hidden)]
#[macro_export]
macro_rules! __key_pattern {
    ($key:ident) => { $key };
    ($($key:ident),+) => { ($($key,)+) };
}

/// INSERT of one row.
#[doc(hidden)]
#[macro_export]
macro_rules! __model_insert {
    // The client makes the key.
    (
        $backend:ident, $self:ident, $connection:ident,
        [$($key:ident => $key_column:ident),+], [], [$($field:ident => $column:ident,)*]
    ) => {
        $crate::plumbing::diesel::insert_into(aludel_table::table)
            .values(($(aludel_table::$key_column.eq(&$self.$key),)+ $(aludel_table::$column.eq(&$self.$field),)*))
            .execute($connection)
            .map(|_| ())
    };
    // The database makes it, and MySQL says so afterwards.
    (
        Mysql, $self:ident, $connection:ident,
        [$key:ident => $key_column:ident], [$generated:ident], [$($field:ident => $column:ident,)*]
    ) => {{
        let given = ($self.$key != 0).then(|| aludel_table::$key_column.eq($self.$key));
        let generated = given.is_none();
        $crate::plumbing::diesel::insert_into(aludel_table::table)
            .values((given, $(aludel_table::$column.eq(&$self.$field),)*))
            .execute($connection)?;
        if generated {
            $self.$key = $crate::plumbing::last_insert_id($connection)?;
        }
        ::core::result::Result::Ok(())
    }};
    // The database makes it, and gives it back at once.
    (
        $backend:ident, $self:ident, $connection:ident,
        [$key:ident => $key_column:ident], [$generated:ident], [$($field:ident => $column:ident,)*]
    ) => {{
        let given = ($self.$key != 0).then(|| aludel_table::$key_column.eq($self.$key));
        let key = $crate::plumbing::diesel::insert_into(aludel_table::table)
            .values((given, $(aludel_table::$column.eq(&$self.$field),)*))
            .returning(aludel_table::$key_column)
            .get_result($connection)?;
        $self.$key = key;
        ::core::result::Result::Ok(())
    }};
}

/// UPDATE of the columns that differ.
#[doc(hidden)]
#[macro_export]
macro_rules! __model_update {
    // Nothing but the key: there is nothing to update.
    ($self:ident, $connection:ident, $loaded:ident, [$($key:tt)+], [$($version:tt)*], []) => {
        ::core::result::Result::Ok($crate::Written::Unchanged)
    };
    (
        $self:ident, $connection:ident, $loaded:ident,
        [$($key:ident => $key_column:ident),+],
        [$($version:ident => $version_column:ident)?],
        [$($field:ident => $column:ident),+]
    ) => {{
        use $crate::plumbing::diesel::prelude::*;
        if true $(&& $self.$field == $loaded.$field)+ {
            return ::core::result::Result::Ok($crate::Written::Unchanged);
        }
        let rows = aludel_table::table
            $(.filter(aludel_table::$key_column.eq(&$loaded.$key)))+
            $(.filter(aludel_table::$version_column.eq(&$loaded.$version)))?;
        let changes = (
            $(($self.$field != $loaded.$field).then(|| aludel_table::$column.eq(&$self.$field)),)+
            $(::core::option::Option::Some(aludel_table::$version_column.eq($loaded.$version + 1)),)?
        );
        let count = $crate::plumbing::diesel::update(rows).set(changes).execute($connection)?;
        if count > 0 {
            $($self.$version = $loaded.$version + 1;)?
        }
        ::core::result::Result::Ok($crate::Written::from_count(count))
    }};
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
            }

            #[automatically_derived]
            impl<DB: $crate::plumbing::diesel::backend::Backend> $crate::Persist<DB> for $model
            where
                Self: ::core::clone::Clone + ::core::marker::Send + 'static,
            {
                fn find<C: $crate::Dialect<Backend = DB>>(
                    _: &mut $crate::Connection<C>,
                    _: &i32,
                ) -> $crate::plumbing::diesel::QueryResult<::core::option::Option<Self>> {
                    ::core::unimplemented!()
                }
                fn insert<C: $crate::Dialect<Backend = DB>>(
                    &mut self,
                    _: &mut $crate::Connection<C>,
                ) -> $crate::plumbing::diesel::QueryResult<()> {
                    ::core::unimplemented!()
                }
                fn update<C: $crate::Dialect<Backend = DB>>(
                    &mut self,
                    _: &mut $crate::Connection<C>,
                    _: &Self,
                ) -> $crate::plumbing::diesel::QueryResult<$crate::Written> {
                    ::core::unimplemented!()
                }
                fn delete<C: $crate::Dialect<Backend = DB>>(
                    &self,
                    _: &mut $crate::Connection<C>,
                ) -> $crate::plumbing::diesel::QueryResult<$crate::Written> {
                    ::core::unimplemented!()
                }
                fn version(&self) -> ::core::option::Option<i64> {
                    ::core::option::Option::None
                }
            }
        };
    };
}
