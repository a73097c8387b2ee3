//! How a transaction runs, beside what it does: its isolation level, whether it may write, whether it may wait to begin.
//!
//! The values are closed enums; [`steering`] has what is sent for them.

use std::fmt;

use super::Dialect;
use crate::classify::Flavour;
use crate::error::{Error, Result};

mod steering;

pub use steering::Beginning;
pub(super) use steering::{beginning, settings, settings_put_back};

/// Isolation levels, as the SQL standard names them, and SQLAlchemy's `AUTOCOMMIT`, which is none: no transaction at all.
///
/// MariaDB, MySQL and PostgreSQL have all four; SQLite has `Serializable` (its default) and `ReadUncommitted` (which
/// acts only in shared-cache mode). A level that a database does not have is refused where it is set.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::{Engine, IsolationLevel};
/// use diesel::SqliteConnection;
///
/// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
///     .isolation_level(IsolationLevel::Serializable)
///     .build()?;
/// # drop(engine.raw_connection()?);
/// assert_eq!(IsolationLevel::Serializable.sql(), "SERIALIZABLE");
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IsolationLevel {
    /// Dirty reads are possible.
    ReadUncommitted,
    /// Each statement sees what was committed before it began.
    ReadCommitted,
    /// Each transaction sees what was committed before its first read.
    RepeatableRead,
    /// As if transactions ran one after the other.
    Serializable,
    /// No transaction is begun: each statement stands for itself and is committed when it has been answered. For what a
    /// server refuses inside a transaction (`VACUUM`, `CREATE INDEX CONCURRENTLY`), and for single reads.
    ///
    /// Sessions refuse to pretend: `begin`, `begin_nested`, Diesel's `transaction()` and `#[retry]` are errors there,
    /// where SQLAlchemy lets them run without a transaction.
    Autocommit,
}

impl IsolationLevel {
    /// The level in SQL; `AUTOCOMMIT` is SQLAlchemy's word and nothing that a server knows.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "READ UNCOMMITTED",
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
            Self::Autocommit => "AUTOCOMMIT",
        }
    }

    /// Reads the level out of a configuration, in any case and with `_` for a blank.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::IsolationLevel;
    /// use diesel::SqliteConnection;
    ///
    /// let level = IsolationLevel::parse::<SqliteConnection>("read_uncommitted")?;
    /// assert_eq!(level, IsolationLevel::ReadUncommitted);
    /// let error = IsolationLevel::parse::<SqliteConnection>("REPEATABLE READ").unwrap_err();
    /// assert!(error.to_string().ends_with("valid are SERIALIZABLE, READ UNCOMMITTED, AUTOCOMMIT"));
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the database has no such level; the text names those it has.
    pub fn parse<C: Dialect>(text: &str) -> Result<Self> {
        let levels = isolation_levels(C::FLAVOUR);
        let wanted = normalized(text);
        let found = levels.iter().find(|level| level.sql() == wanted);
        found.copied().ok_or_else(|| {
            invalid(
                "isolation_level",
                text,
                C::FLAVOUR,
                levels.iter().map(|level| level.sql()),
            )
        })
    }
}

impl fmt::Display for IsolationLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.sql())
    }
}

/// Whether a transaction may write. The server enforces it; on SQLite `PRAGMA query_only` does.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::{AccessMode, Engine};
/// use diesel::SqliteConnection;
/// use diesel::connection::SimpleConnection;
///
/// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:").access_mode(AccessMode::ReadOnly).build()?;
/// let refused = engine.raw_connection()?.batch_execute("CREATE TABLE t (a INTEGER)").unwrap_err();
/// assert_eq!(refused.to_string(), "attempt to write a readonly database");
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessMode {
    /// It may.
    ReadWrite,
    /// It may not.
    ReadOnly,
}

impl AccessMode {
    /// The mode in SQL.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::ReadWrite => "READ WRITE",
            Self::ReadOnly => "READ ONLY",
        }
    }

    /// Reads the mode out of a configuration, in any case and with `_` for a blank.
    ///
    /// ```
    /// use aludel_core::AccessMode;
    ///
    /// assert_eq!(AccessMode::parse("read_only")?, AccessMode::ReadOnly);
    /// assert!(AccessMode::parse("reading").is_err());
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When it is neither of the two.
    pub fn parse(text: &str) -> Result<Self> {
        let modes = [Self::ReadWrite, Self::ReadOnly];
        let found = modes.into_iter().find(|mode| mode.sql() == normalized(text));
        found.ok_or_else(|| {
            Error::configuration(format!(
                "invalid value `{text}` for access_mode; valid are READ WRITE, READ ONLY"
            ))
        })
    }
}

impl fmt::Display for AccessMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.sql())
    }
}

/// Whether a transaction that is serializable and read-only may wait until it can run without ever being aborted.
/// PostgreSQL alone knows it, and without the other two it has no effect there
/// (<https://www.postgresql.org/docs/current/sql-set-transaction.html>).
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::{Deferrable, Engine};
/// use diesel::SqliteConnection;
///
/// let refused = Engine::<SqliteConnection>::builder("sqlite://:memory:").deferrable(Deferrable::Deferrable).build();
/// assert_eq!(
///     refused.unwrap_err().to_string(),
///     "SQLite has no DEFERRABLE transactions; PostgreSQL alone does"
/// );
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deferrable {
    /// It may wait.
    Deferrable,
    /// It begins at once.
    NotDeferrable,
}

impl Deferrable {
    /// The mode in SQL.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Deferrable => "DEFERRABLE",
            Self::NotDeferrable => "NOT DEFERRABLE",
        }
    }
}

impl fmt::Display for Deferrable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.sql())
    }
}

/// What was said of a transaction, by whoever may say something of it; `None` leaves it to whoever is further out, and
/// in the end to the server.
///
/// ```
/// use aludel_core::dialect::Characteristics;
/// use aludel_core::{AccessMode, IsolationLevel};
///
/// let mut engine = Characteristics::default();
/// engine.isolation_level = Some(IsolationLevel::ReadCommitted);
/// engine.access_mode = Some(AccessMode::ReadOnly);
/// let mut transaction = Characteristics::default();
/// transaction.isolation_level = Some(IsolationLevel::Serializable);
///
/// let both = transaction.over(engine); // inner beats outer
/// assert_eq!(both.isolation_level, Some(IsolationLevel::Serializable));
/// assert_eq!(both.access_mode, Some(AccessMode::ReadOnly));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Characteristics {
    /// Its isolation level, or that there is to be none.
    pub isolation_level: Option<IsolationLevel>,
    /// Whether it may write.
    pub access_mode: Option<AccessMode>,
    /// Whether it may wait to begin.
    pub deferrable: Option<Deferrable>,
}

impl Characteristics {
    /// These, and what `outer` says of the rest.
    #[must_use]
    pub const fn over(self, outer: Self) -> Self {
        Self {
            isolation_level: if self.isolation_level.is_some() {
                self.isolation_level
            } else {
                outer.isolation_level
            },
            access_mode: if self.access_mode.is_some() {
                self.access_mode
            } else {
                outer.access_mode
            },
            deferrable: if self.deferrable.is_some() {
                self.deferrable
            } else {
                outer.deferrable
            },
        }
    }

    /// What a server must be told, given what it was told when it was connected to: the difference.
    ///
    /// ```
    /// use aludel_core::dialect::Characteristics;
    /// use aludel_core::{AccessMode, IsolationLevel};
    ///
    /// let mut connected = Characteristics::default();
    /// connected.isolation_level = Some(IsolationLevel::Serializable);
    /// let mut wanted = connected;
    /// wanted.access_mode = Some(AccessMode::ReadOnly);
    /// let told = wanted.beyond(connected);
    /// assert_eq!((told.isolation_level, told.access_mode), (None, Some(AccessMode::ReadOnly)));
    /// ```
    #[must_use]
    #[inline]
    pub fn beyond(self, connected: Self) -> Self {
        if self.is_empty() {
            return self;
        }
        let (told, connected) = (self.for_server(), connected.for_server());
        Self {
            isolation_level: told
                .isolation_level
                .filter(|_| told.isolation_level != connected.isolation_level),
            access_mode: told.access_mode.filter(|_| told.access_mode != connected.access_mode),
            deferrable: told.deferrable.filter(|_| told.deferrable != connected.deferrable),
        }
    }

    /// Whether nothing is said.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.isolation_level.is_none() && self.access_mode.is_none() && self.deferrable.is_none()
    }

    /// Whether there is to be no transaction.
    pub fn is_autocommit(self) -> bool {
        self.isolation_level == Some(IsolationLevel::Autocommit)
    }

    /// What of it a server has words for: AUTOCOMMIT is a way of not sending BEGIN.
    #[must_use]
    pub fn for_server(self) -> Self {
        Self {
            isolation_level: self
                .isolation_level
                .filter(|level| *level != IsolationLevel::Autocommit),
            ..self
        }
    }

    /// Checks that a database has what is asked for.
    ///
    /// ```
    /// use aludel_core::Flavour;
    /// use aludel_core::dialect::Characteristics;
    /// use aludel_core::IsolationLevel;
    ///
    /// let mut wanted = Characteristics::default();
    /// wanted.isolation_level = Some(IsolationLevel::RepeatableRead);
    /// assert!(wanted.check(Flavour::MySql).is_ok());
    /// let error = wanted.check(Flavour::Sqlite).unwrap_err().to_string();
    /// assert_eq!(
    ///     error,
    ///     "SQLite has no isolation level REPEATABLE READ; valid are SERIALIZABLE, READ UNCOMMITTED, AUTOCOMMIT"
    /// );
    /// ```
    ///
    /// # Errors
    ///
    /// When it does not; the text names what it has.
    pub fn check(self, flavour: Flavour) -> Result<()> {
        let levels = isolation_levels(flavour);
        if let Some(level) = self.isolation_level.filter(|level| !levels.contains(level)) {
            let valid: Vec<&str> = levels.iter().map(|level| level.sql()).collect();
            return Err(Error::configuration(format!(
                "{} has no isolation level {level}; valid are {}",
                name(flavour),
                valid.join(", ")
            )));
        }
        match self.deferrable {
            Some(deferrable) if flavour != Flavour::PostgreSql => Err(Error::configuration(format!(
                "{} has no {deferrable} transactions; PostgreSQL alone does",
                name(flavour)
            ))),
            _ => Ok(()),
        }
    }
}

/// The levels that a family of servers has.
pub(crate) fn isolation_levels(flavour: Flavour) -> &'static [IsolationLevel] {
    use IsolationLevel::{Autocommit, ReadCommitted, ReadUncommitted, RepeatableRead, Serializable};
    match flavour {
        Flavour::MySql | Flavour::PostgreSql => {
            &[Serializable, RepeatableRead, ReadCommitted, ReadUncommitted, Autocommit]
        }
        Flavour::Sqlite => &[Serializable, ReadUncommitted, Autocommit],
    }
}

/// What people call it.
fn name(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::MySql => "MariaDB or MySQL",
        Flavour::PostgreSql => "PostgreSQL",
        Flavour::Sqlite => "SQLite",
    }
}

fn normalized(text: &str) -> String {
    text.trim().replace('_', " ").to_uppercase()
}

fn invalid<'a>(option: &str, text: &str, flavour: Flavour, valid: impl Iterator<Item = &'a str>) -> Error {
    let valid: Vec<&str> = valid.collect();
    Error::configuration(format!(
        "invalid value `{text}` for {option} of {}; valid are {}",
        name(flavour),
        valid.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(isolation_level: Option<IsolationLevel>) -> Characteristics {
        Characteristics {
            isolation_level,
            ..Characteristics::default()
        }
    }

    #[test]
    fn autocommit_is_nothing_that_a_server_is_told() {
        let connected = of(Some(IsolationLevel::Autocommit));
        assert!(connected.beyond(Characteristics::default()).is_empty());
        let serializable = of(Some(IsolationLevel::Serializable));
        assert_eq!(serializable.beyond(connected), serializable);
        assert!(serializable.over(connected).beyond(serializable).is_empty());
        assert!(connected.over(serializable).is_autocommit());
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn underscore_replacement_and_casing_replacement() {
        use diesel::SqliteConnection as Sqlite;
        for text in ["read_uncommitted", "READ UNCOMMITTED", " Read Uncommitted"] {
            assert_eq!(
                IsolationLevel::parse::<Sqlite>(text).unwrap(),
                IsolationLevel::ReadUncommitted,
                "{text}"
            );
        }
        let error = IsolationLevel::parse::<Sqlite>("foo").unwrap_err().to_string();
        assert_eq!(
            error,
            "invalid value `foo` for isolation_level of SQLite; valid are SERIALIZABLE, READ UNCOMMITTED, AUTOCOMMIT"
        );
    }
}
