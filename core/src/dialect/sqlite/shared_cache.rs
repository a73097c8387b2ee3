//! A database in memory that several connections share.

use std::fmt::Write as _;

use diesel::sqlite::SqliteConnection;

use crate::engine::{Engine, EngineBuilder};
use crate::error::{Error, Result};
use crate::url::Url;

impl Engine<SqliteConnection> {
    /// An engine on a named database in memory, which any number of connections share: those of this engine, and those of
    /// every other engine of this name in the process. The pool is that of a database in a file, with its defaults.
    ///
    /// The database lives as long as an engine that has connected to it, or a connection taken from one: the engine keeps
    /// a connection of its own beside the pool, made with the first and closed last. `dispose` does not lose it. The same
    /// is true for a URL that says it, `sqlite://name?mode=memory&cache=shared`.
    ///
    /// # Locks
    ///
    /// Connections of a shared cache lock each table, reading as well as writing, and **do not wait for each other**:
    /// `busy_timeout` has no effect on `database table is locked` (`SQLITE_LOCKED`,
    /// <https://www.sqlite.org/sharedcache.html>). Such an error is a conflict, so `#[retry]` runs the transaction again.
    /// A file, or one connection to an unnamed database (`sqlite://:memory:`), has no such locks.
    ///
    /// ```
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    /// use diesel::connection::SimpleConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::shared_cache("shop").pool_size(2).build()?;
    /// engine.raw_connection()?.batch_execute("CREATE TABLE notes (text TEXT)")?;
    /// engine.dispose(); // closes every connection of the pool
    /// engine.raw_connection()?.batch_execute("INSERT INTO notes VALUES ('still here')")?;
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`build`](EngineBuilder::build) refuses an empty name, `:memory:`, and one with a `/` or a NUL in it.
    pub fn shared_cache(name: &str) -> EngineBuilder<SqliteConnection> {
        Self::builder(SharedCache(name))
    }
}

/// The name of a shared database, on its way to a URL.
struct SharedCache<'a>(&'a str);

impl TryFrom<SharedCache<'_>> for Url {
    type Error = Error;

    fn try_from(SharedCache(name): SharedCache<'_>) -> Result<Self> {
        if name.is_empty() || name == ":memory:" || name.contains(['/', '\0']) {
            return Err(Error::configuration(
                "a shared database in memory needs a name that is not `:memory:` and has no `/` or NUL in it",
            ));
        }
        let encoded = name.bytes().fold(String::new(), |mut text, byte| {
            if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
                text.push(char::from(byte));
            } else {
                let _ = write!(text, "%{byte:02X}");
            }
            text
        });
        Ok(Self::parse(&format!("sqlite://{encoded}?mode=memory&cache=shared"))?)
    }
}
