//! What a connection is told beside its URL.

use std::fmt;
use std::marker::PhantomData;

/// Arguments of a connection (`connect_args` in SQLAlchemy), for the backend `B` of its connection type.
///
/// They are what could stand in the URL's query as well, and are checked by the same reader; on a clash they win. Each
/// database has typed ones: see `MysqlConnectArgs`, `PgConnectArgs` and `SqliteConnectArgs`. [`set`](Self::set) takes
/// any by its name.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::Engine;
/// use aludel_core::dialect::{JournalMode, SqliteConnectArgs};
/// use diesel::SqliteConnection;
/// use std::time::Duration;
///
/// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:?busy_timeout=100")
///     .connect_args(SqliteConnectArgs::new().busy_timeout(Duration::from_secs(1)).foreign_keys(true))
///     .build()?;
/// drop(engine.raw_connection()?);
/// # let _ = JournalMode::Wal;
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
pub struct ConnectArgs<B> {
    pairs: Vec<(String, String)>,
    backend: PhantomData<fn() -> B>,
}

impl<B> ConnectArgs<B> {
    /// None yet.
    pub fn new() -> Self {
        Self {
            pairs: Vec::new(),
            backend: PhantomData,
        }
    }

    /// Sets an argument by its name, as the URL's query would; the last one wins. A name that this database does not
    /// have is told by [`build`](crate::EngineBuilder::build).
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.pairs.retain(|(other, _)| *other != name);
        self.pairs.push((name, value.into()));
        self
    }
}

/// The pairs, as they would stand in a query.
impl<B> IntoIterator for ConnectArgs<B> {
    type Item = (String, String);
    type IntoIter = std::vec::IntoIter<(String, String)>;

    fn into_iter(self) -> Self::IntoIter {
        self.pairs.into_iter()
    }
}

impl<B> Default for ConnectArgs<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Clone for ConnectArgs<B> {
    fn clone(&self) -> Self {
        Self {
            pairs: self.pairs.clone(),
            backend: PhantomData,
        }
    }
}

/// Names only: a value may be a secret.
impl<B> fmt::Debug for ConnectArgs<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.pairs.iter().map(|(name, _)| name)).finish()
    }
}

/// Whole seconds, the part of one that is left over counted as one: a limit of 300 ms must not become none.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(super) fn seconds(duration: std::time::Duration) -> String {
    let left_over = u64::from(duration.subsec_nanos() > 0);
    duration.as_secs().saturating_add(left_over).to_string()
}

/// Whole milliseconds, rounded up in the same way.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(super) fn milliseconds(duration: std::time::Duration) -> String {
    duration.as_nanos().div_ceil(1_000_000).to_string()
}
