//! What a SQLite connection can be told, with types.

use std::time::Duration;

use diesel::sqlite::Sqlite;

use crate::dialect::connect_args::{ConnectArgs, milliseconds};

/// Arguments of a connection to SQLite: its [pragmas](https://www.sqlite.org/pragma.html), set on each new connection.
/// SQLite's own arguments of a [file URI](https://www.sqlite.org/uri.html) are set by their [name](ConnectArgs::set).
///
/// ```
/// use aludel_core::Engine;
/// use aludel_core::dialect::{JournalMode, SqliteConnectArgs, Synchronous};
/// use diesel::SqliteConnection;
/// use std::time::Duration;
///
/// let engine = Engine::<SqliteConnection>::builder("sqlite://bank.db")
///     .connect_args(
///         SqliteConnectArgs::new()
///             .journal_mode(JournalMode::Wal)
///             .synchronous(Synchronous::Normal)
///             .foreign_keys(true)
///             .busy_timeout(Duration::from_secs(10))
///             .set("mode", "rw"),
///     )
///     .build()?;
/// # Ok::<(), aludel_core::Error>(())
/// ```
pub type SqliteConnectArgs = ConnectArgs<Sqlite>;

/// How SQLite keeps what it needs to undo a transaction (`PRAGMA journal_mode`). It stays with the file.
///
/// ```
/// use aludel_core::dialect::{JournalMode, SqliteConnectArgs};
///
/// let arguments = SqliteConnectArgs::new().journal_mode(JournalMode::Wal);
/// assert_eq!(arguments.into_iter().collect::<Vec<_>>(), [("journal_mode".to_owned(), "wal".to_owned())]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalMode {
    /// A journal that is deleted with each commit; SQLite's default.
    Delete,
    /// A journal that is emptied with each commit.
    Truncate,
    /// A journal whose header is overwritten with each commit.
    Persist,
    /// A journal in memory: a crash may destroy the file.
    Memory,
    /// A write-ahead log: readers and one writer do not wait for each other.
    Wal,
    /// None: ROLLBACK is undefined, so no transaction of a session's can be kept.
    Off,
}

/// When SQLite waits for the disk (`PRAGMA synchronous`).
///
/// ```
/// use aludel_core::dialect::{SqliteConnectArgs, Synchronous};
///
/// let arguments = SqliteConnectArgs::new().synchronous(Synchronous::Normal);
/// assert_eq!(arguments.into_iter().collect::<Vec<_>>(), [("synchronous".to_owned(), "normal".to_owned())]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// Never: a power failure may destroy the file.
    Off,
    /// At the most critical moments; with a write-ahead log the last commits may be lost, and nothing else.
    Normal,
    /// With each commit; SQLite's default.
    Full,
    /// With each commit, and for the folder of the journal.
    Extra,
}

/// Where SQLite keeps temporary tables (`PRAGMA temp_store`).
///
/// ```
/// use aludel_core::dialect::{SqliteConnectArgs, TempStore};
///
/// let arguments = SqliteConnectArgs::new().temp_store(TempStore::Memory);
/// assert_eq!(arguments.into_iter().collect::<Vec<_>>(), [("temp_store".to_owned(), "memory".to_owned())]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TempStore {
    /// As SQLite was compiled.
    Default,
    /// In a file.
    File,
    /// In memory.
    Memory,
}

impl ConnectArgs<Sqlite> {
    /// How long a statement waits for a lock before it fails; default 5 s. Rounded up to whole milliseconds.
    pub fn busy_timeout(self, limit: Duration) -> Self {
        self.set("busy_timeout", milliseconds(limit))
    }

    /// How SQLite keeps what it needs to undo a transaction; default: as the file has it. The connect fails if SQLite
    /// does not do it (a database in memory has no write-ahead log).
    pub fn journal_mode(self, mode: JournalMode) -> Self {
        self.set(
            "journal_mode",
            match mode {
                JournalMode::Delete => "delete",
                JournalMode::Truncate => "truncate",
                JournalMode::Persist => "persist",
                JournalMode::Memory => "memory",
                JournalMode::Wal => "wal",
                JournalMode::Off => "off",
            },
        )
    }

    /// Whether foreign keys are enforced; default: SQLite's, which is not.
    pub fn foreign_keys(self, enforced: bool) -> Self {
        self.set("foreign_keys", on_off(enforced))
    }

    /// When SQLite waits for the disk; default: SQLite's, [`Synchronous::Full`].
    pub fn synchronous(self, mode: Synchronous) -> Self {
        self.set(
            "synchronous",
            match mode {
                Synchronous::Off => "off",
                Synchronous::Normal => "normal",
                Synchronous::Full => "full",
                Synchronous::Extra => "extra",
            },
        )
    }

    /// How much of the file is kept in memory: pages, or as a negative number KiB. Default: SQLite's, 2000 KiB.
    pub fn cache_size(self, pages_or_negative_kib: i32) -> Self {
        self.set("cache_size", pages_or_negative_kib.to_string())
    }

    /// Where temporary tables are kept; default: as SQLite was compiled, in files.
    pub fn temp_store(self, place: TempStore) -> Self {
        self.set(
            "temp_store",
            match place {
                TempStore::Default => "default",
                TempStore::File => "file",
                TempStore::Memory => "memory",
            },
        )
    }

    /// How many bytes of the file are mapped into memory; default: SQLite's, none.
    pub fn mmap_size(self, bytes: u32) -> Self {
        self.set("mmap_size", bytes.to_string())
    }

    /// Refuses every change through this connection; default: no. What decides is `mode=ro`, this is a seat belt.
    pub fn query_only(self, only: bool) -> Self {
        self.set("query_only", on_off(only))
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
