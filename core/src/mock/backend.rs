//! The backends that a mock can stand for.

use diesel::backend::{Backend, DieselReserveSpecialization};
use diesel::query_builder::QueryBuilder;

use crate::classify::Flavour;

/// One of Diesel's backends, as far as a [`Mock`](super::Mock) must know it. It is sealed: the mock plays a server's
/// rules, and there are three of those.
pub trait MockBackend:
    Backend<QueryBuilder: QueryBuilder<Self> + Default> + DieselReserveSpecialization + Default + sealed::Sealed + 'static
{
    /// Whose rules are played.
    const FLAVOUR: Flavour;
    /// The schemes of its URLs, the preferred one first.
    const SCHEMES: &'static [&'static str];
    /// Where a mock says that it is.
    const URL: &'static str;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! backend {
    ($feature:literal, $backend:path, $flavour:ident, $schemes:expr, $url:literal) => {
        #[cfg(feature = $feature)]
        impl sealed::Sealed for $backend {}

        #[cfg(feature = $feature)]
        impl MockBackend for $backend {
            const FLAVOUR: Flavour = Flavour::$flavour;
            const SCHEMES: &'static [&'static str] = &$schemes;
            const URL: &'static str = $url;
        }
    };
}

// A path for SQLite: a database in memory would be bound to a single connection.
backend!("sqlite", diesel::sqlite::Sqlite, Sqlite, ["sqlite"], "sqlite://mock");
backend!(
    "mysql",
    diesel::mysql::Mysql,
    MySql,
    ["mysql", "mariadb"],
    "mysql://mock/mock"
);
backend!(
    "postgres",
    diesel::pg::Pg,
    PostgreSql,
    ["postgres", "postgresql"],
    "postgres://mock/mock"
);
