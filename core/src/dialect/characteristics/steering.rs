//! What is sent for characteristics, by family of servers.

use std::borrow::Cow;

use super::{AccessMode, Characteristics, IsolationLevel};
use crate::classify::Flavour;
use crate::control::Control;

/// What begins a transaction with characteristics of its own.
///
/// ```
/// use std::borrow::Cow;
///
/// use aludel_core::dialect::{Beginning, Characteristics};
///
/// let plain = Beginning::new(vec![Cow::Borrowed("BEGIN")], Characteristics::default());
/// assert!(plain.standing.is_empty()); // nothing outlives the transaction
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Beginning {
    /// The statements, in their order. A borrowed text is one of a small, fixed set, and may be kept prepared.
    pub statements: Vec<Cow<'static, str>>,
    /// What they have set on the connection itself, and what must therefore be put back when the transaction has ended.
    pub standing: Characteristics,
}

impl Beginning {
    /// These statements, after which this has to be put back.
    pub fn new(statements: Vec<Cow<'static, str>>, standing: Characteristics) -> Self {
        Self { statements, standing }
    }
}

/// Begins a transaction: PostgreSQL takes everything in BEGIN; MariaDB and MySQL take the level in a statement of its own,
/// which holds for the next transaction alone; SQLite has no words for one transaction, so the connection is changed.
pub(in crate::dialect) fn beginning(flavour: Flavour, with: Characteristics, begin: Control) -> Beginning {
    let with = with.for_server();
    if flavour == Flavour::Sqlite {
        let mut statements = settings(flavour, with);
        statements.push(begin.sql());
        return Beginning::new(statements, with);
    }
    let begin = match begin {
        Control::BeginImmediate => Control::Begin.sql(),
        begin => begin.sql(),
    };
    let statements = if flavour == Flavour::PostgreSql {
        match modes(with) {
            modes if modes.is_empty() => vec![begin],
            modes => vec![Cow::Owned(format!("{begin} {modes}"))],
        }
    } else {
        let level = with.isolation_level.map(|level| Cow::Borrowed(next_transaction(level)));
        let start = match with.access_mode {
            None => begin,
            Some(AccessMode::ReadOnly) => Cow::Borrowed("START TRANSACTION READ ONLY"),
            Some(AccessMode::ReadWrite) => Cow::Borrowed("START TRANSACTION READ WRITE"),
        };
        level.into_iter().chain([start]).collect()
    };
    Beginning::new(statements, Characteristics::default())
}

/// Makes characteristics hold for everything that follows on the connection.
pub(in crate::dialect) fn settings(flavour: Flavour, with: Characteristics) -> Vec<Cow<'static, str>> {
    let with = with.for_server();
    match flavour {
        _ if with.is_empty() => Vec::new(),
        Flavour::PostgreSql => vec![Cow::Owned(format!(
            "SET SESSION CHARACTERISTICS AS TRANSACTION {}",
            modes(with)
        ))],
        Flavour::MySql => {
            let level = with.isolation_level.map(|level| Cow::Borrowed(session(level)));
            let access = with.access_mode.map(|mode| match mode {
                AccessMode::ReadOnly => Cow::Borrowed("SET SESSION TRANSACTION READ ONLY"),
                AccessMode::ReadWrite => Cow::Borrowed("SET SESSION TRANSACTION READ WRITE"),
            });
            level.into_iter().chain(access).collect()
        }
        Flavour::Sqlite => {
            let level = with.isolation_level.map(|level| match level {
                IsolationLevel::ReadUncommitted => Cow::Borrowed("PRAGMA read_uncommitted = 1"),
                _ => Cow::Borrowed("PRAGMA read_uncommitted = 0"),
            });
            let access = with.access_mode.map(|mode| match mode {
                AccessMode::ReadOnly => Cow::Borrowed("PRAGMA query_only = 1"),
                AccessMode::ReadWrite => Cow::Borrowed("PRAGMA query_only = 0"),
            });
            level.into_iter().chain(access).collect()
        }
    }
}

/// Puts back what [`settings`] has set: to what the connection was set up with, or else to the server's default.
pub(in crate::dialect) fn settings_put_back(
    flavour: Flavour,
    set: Characteristics,
    connected: Characteristics,
) -> Vec<Cow<'static, str>> {
    let (set, connected) = (set.for_server(), connected.for_server());
    let mut again = Characteristics::default();
    let mut defaults = Vec::new();
    if set.isolation_level.is_some() {
        again.isolation_level = connected.isolation_level;
        if again.isolation_level.is_none() {
            defaults.push(Cow::Borrowed(match flavour {
                Flavour::PostgreSql => "SET SESSION default_transaction_isolation TO DEFAULT",
                Flavour::MySql => "SET SESSION /*M! tx_isolation */ /*!80000 transaction_isolation */ = DEFAULT",
                Flavour::Sqlite => "PRAGMA read_uncommitted = 0",
            }));
        }
    }
    if set.access_mode.is_some() {
        again.access_mode = connected.access_mode;
        if again.access_mode.is_none() {
            defaults.push(Cow::Borrowed(match flavour {
                Flavour::PostgreSql => "SET SESSION default_transaction_read_only TO DEFAULT",
                // MariaDB skips comments of this version, MySQL those of the other kind, and each knows one of the names.
                Flavour::MySql => "SET SESSION /*M! tx_read_only */ /*!80000 transaction_read_only */ = DEFAULT",
                Flavour::Sqlite => "PRAGMA query_only = 0",
            }));
        }
    }
    if set.deferrable.is_some() {
        again.deferrable = connected.deferrable;
        if again.deferrable.is_none() {
            defaults.push(Cow::Borrowed("SET SESSION default_transaction_deferrable TO DEFAULT"));
        }
    }
    let mut statements = settings(flavour, again);
    statements.append(&mut defaults);
    statements
}

/// As PostgreSQL's BEGIN and SET SESSION CHARACTERISTICS take them.
fn modes(with: Characteristics) -> String {
    let level = with.isolation_level.map(|level| format!("ISOLATION LEVEL {level}"));
    let access = with.access_mode.map(|mode| mode.sql().to_owned());
    let deferrable = with.deferrable.map(|deferrable| deferrable.sql().to_owned());
    let modes: Vec<String> = level.into_iter().chain(access).chain(deferrable).collect();
    modes.join(", ")
}

/// Static, so that each is prepared once a connection.
fn next_transaction(level: IsolationLevel) -> &'static str {
    match level {
        IsolationLevel::ReadUncommitted => "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
        IsolationLevel::ReadCommitted => "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        IsolationLevel::RepeatableRead => "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        IsolationLevel::Serializable | IsolationLevel::Autocommit => "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    }
}

fn session(level: IsolationLevel) -> &'static str {
    match level {
        IsolationLevel::ReadUncommitted => "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
        IsolationLevel::ReadCommitted => "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        IsolationLevel::RepeatableRead => "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        IsolationLevel::Serializable | IsolationLevel::Autocommit => {
            "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Deferrable;
    use super::*;

    const ALL: Characteristics = Characteristics {
        isolation_level: Some(IsolationLevel::Serializable),
        access_mode: Some(AccessMode::ReadOnly),
        deferrable: Some(Deferrable::Deferrable),
    };

    #[test]
    fn postgres_takes_everything_in_begin() {
        let beginning = beginning(Flavour::PostgreSql, ALL, Control::BeginImmediate);
        assert_eq!(
            beginning.statements,
            ["BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE"]
        );
        assert!(beginning.standing.is_empty());
    }

    #[test]
    fn mariadb_takes_the_level_for_the_next_transaction_alone() {
        let beginning = beginning(Flavour::MySql, ALL, Control::Begin);
        assert_eq!(
            beginning.statements,
            [
                "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                "START TRANSACTION READ ONLY"
            ]
        );
        assert!(beginning.statements.iter().all(|text| matches!(text, Cow::Borrowed(_))));
        assert!(beginning.standing.is_empty());
    }

    #[test]
    fn sqlite_changes_the_connection_and_says_so() {
        let begun = beginning(Flavour::Sqlite, ALL, Control::BeginImmediate);
        assert_eq!(
            begun.statements,
            [
                "PRAGMA read_uncommitted = 0",
                "PRAGMA query_only = 1",
                "BEGIN IMMEDIATE"
            ]
        );
        assert_eq!(begun.standing, ALL);
    }

    #[test]
    fn what_was_set_goes_back_to_what_was_connected_with_or_to_the_default() {
        let nothing = Characteristics::default();
        assert_eq!(
            settings_put_back(Flavour::Sqlite, ALL, nothing)[..2],
            ["PRAGMA read_uncommitted = 0", "PRAGMA query_only = 0"]
        );
        let connected = Characteristics {
            access_mode: Some(AccessMode::ReadWrite),
            ..nothing
        };
        assert_eq!(
            settings_put_back(Flavour::PostgreSql, ALL, connected),
            [
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
                "SET SESSION default_transaction_isolation TO DEFAULT",
                "SET SESSION default_transaction_deferrable TO DEFAULT",
            ]
        );
        assert!(settings_put_back(Flavour::MySql, nothing, ALL).is_empty());
    }
}
