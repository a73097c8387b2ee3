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

// Each is written out, since a macro that a macro has made cannot be named by a path in the crate that it is of.

/// The items for one backend, or none when it is not compiled in.
#[cfg(feature = "sqlite")]
#[doc(hidden)]
#[macro_export]
macro_rules! __for_sqlite {
    ($($items:tt)*) => { $crate::__for_backend! { Sqlite: $($items)* } };
}

/// The items for one backend, or none when it is not compiled in.
#[cfg(not(feature = "sqlite"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __for_sqlite {
    ($($items:tt)*) => {};
}

/// The items for one backend, or none when it is not compiled in.
#[cfg(feature = "mysql")]
#[doc(hidden)]
#[macro_export]
macro_rules! __for_mysql {
    ($($items:tt)*) => { $crate::__for_backend! { Mysql: $($items)* } };
}

/// The items for one backend, or none when it is not compiled in.
#[cfg(not(feature = "mysql"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __for_mysql {
    ($($items:tt)*) => {};
}

/// The items for one backend, or none when it is not compiled in.
#[cfg(feature = "postgres")]
#[doc(hidden)]
#[macro_export]
macro_rules! __for_postgres {
    ($($items:tt)*) => { $crate::__for_backend! { Pg: $($items)* } };
}

/// The items for one backend, or none when it is not compiled in.
#[cfg(not(feature = "postgres"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __for_postgres {
    ($($items:tt)*) => {};
}

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
