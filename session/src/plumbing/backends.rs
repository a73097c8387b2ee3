//! What is written once for each backend.
//!
//! Which ones are compiled in is decided inside this crate, so that no feature of ours is visible in a user's.

/// Repeats items for each backend that is compiled in. They call it `AludelBackend`.
#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_backend {
    ($($items:tt)*) => {
        $crate::__for_sqlite! { $($items)* }
        $crate::__for_mysql! { $($items)* }
        $crate::__for_postgres! { $($items)* }
    };
}

macro_rules! per_backend {
    ($dollar:tt $feature:literal, $macro:ident, $backend:ident) => {
        /// The items for one backend, or none when it is not compiled in.
        #[cfg(feature = $feature)]
        #[doc(hidden)]
        #[macro_export]
        macro_rules! $macro {
            ($dollar($dollar items:tt)*) => { $dollar crate::__for_backend! { $backend: $dollar($dollar items)* } };
        }

        /// The items for one backend, or none when it is not compiled in.
        #[cfg(not(feature = $feature))]
        #[doc(hidden)]
        #[macro_export]
        macro_rules! $macro {
            ($dollar($dollar items:tt)*) => {};
        }
    };
}
per_backend!($ "sqlite", __for_sqlite, Sqlite);
per_backend!($ "mysql", __for_mysql, Mysql);
per_backend!($ "postgres", __for_postgres, Pg);

/// The items for one backend.
#[doc(hidden)]
#[macro_export]
macro_rules! __for_backend {
    (Sqlite: $($items:tt)*) => {
        const _: () = {
            use $crate::plumbing::diesel::sqlite::Sqlite as AludelBackend;
            $($items)*
        };
    };
    (Mysql: $($items:tt)*) => {
        const _: () = {
            use $crate::plumbing::diesel::mysql::Mysql as AludelBackend;
            $($items)*
        };
    };
    (Pg: $($items:tt)*) => {
        const _: () = {
            use $crate::plumbing::diesel::pg::Pg as AludelBackend;
            $($items)*
        };
    };
}
