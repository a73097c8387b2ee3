//! A text that is nothing but one statement of transaction control, as an order that the session can follow.

use aludel_core::dialect::Characteristics;
use aludel_core::{AccessMode, Deferrable, Flavour, IsolationLevel};

use super::lexer::{self, Conditional};
use super::words_of;

/// What raw SQL wants of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// To begin one.
    Begin {
        /// What was asked for it.
        own: Characteristics,
        /// SQLite's write lock, at once.
        immediate: bool,
    },
    /// To commit the one that there is.
    Commit,
    /// To roll back the one that there is.
    Rollback,
}

/// The order in a text, if it is one that can be followed; `Err` has the words that cannot be.
pub(crate) fn order(flavour: Flavour, sql: &str) -> Result<Option<Order>, String> {
    if lexer::has_conditional(flavour, sql) {
        return Ok(None);
    }
    let statements = lexer::statements(flavour, sql, Conditional::Runs);
    let [statement] = statements.as_slice() else {
        return Ok(None);
    };
    let words = words_of(statement);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let elsewhere = flavour != Flavour::MySql;
    let (verb, rest) = match words.as_slice() {
        ["BEGIN", "NOT", ..] => return Ok(None),
        ["BEGIN", rest @ ..] | ["START", "TRANSACTION", rest @ ..] => return begin(flavour, rest).map(Some),
        ["COMMIT", rest @ ..] => (Order::Commit, rest),
        ["END", rest @ ..] if elsewhere => (Order::Commit, rest),
        ["ROLLBACK", rest @ ..] => (Order::Rollback, rest),
        ["ABORT", rest @ ..] if flavour == Flavour::PostgreSql => (Order::Rollback, rest),
        _ => return Ok(None),
    };
    match rest {
        [] | ["WORK" | "TRANSACTION"] => Ok(Some(verb)),
        // To a savepoint, of a prepared transaction.
        ["TO" | "PREPARED", ..] | ["WORK" | "TRANSACTION", "TO", ..] => Ok(None),
        ["WORK" | "TRANSACTION", rest @ ..] | rest => Err(rest.join(" ")),
    }
}

fn begin(flavour: Flavour, words: &[&str]) -> Result<Order, String> {
    let mut own = Characteristics::default();
    let mut immediate = false;
    let mut rest = words;
    while !rest.is_empty() {
        rest = match rest {
            ["WORK" | "TRANSACTION", rest @ ..] => rest,
            ["DEFERRED", rest @ ..] if flavour == Flavour::Sqlite => rest,
            ["IMMEDIATE", rest @ ..] if flavour == Flavour::Sqlite => {
                immediate = true;
                rest
            }
            ["READ", "ONLY", rest @ ..] if flavour != Flavour::Sqlite => {
                own.access_mode = Some(AccessMode::ReadOnly);
                rest
            }
            ["READ", "WRITE", rest @ ..] if flavour != Flavour::Sqlite => {
                own.access_mode = Some(AccessMode::ReadWrite);
                rest
            }
            ["ISOLATION", "LEVEL", rest @ ..] if flavour == Flavour::PostgreSql => {
                let (level, rest) = level(rest)?;
                own.isolation_level = Some(level);
                rest
            }
            ["DEFERRABLE", rest @ ..] if flavour == Flavour::PostgreSql => {
                own.deferrable = Some(Deferrable::Deferrable);
                rest
            }
            ["NOT", "DEFERRABLE", rest @ ..] if flavour == Flavour::PostgreSql => {
                own.deferrable = Some(Deferrable::NotDeferrable);
                rest
            }
            unknown => return Err(unknown.join(" ")),
        };
    }
    Ok(Order::Begin { own, immediate })
}

fn level<'a, 'b>(words: &'a [&'b str]) -> Result<(IsolationLevel, &'a [&'b str]), String> {
    match words {
        ["SERIALIZABLE", rest @ ..] => Ok((IsolationLevel::Serializable, rest)),
        ["REPEATABLE", "READ", rest @ ..] => Ok((IsolationLevel::RepeatableRead, rest)),
        ["READ", "COMMITTED", rest @ ..] => Ok((IsolationLevel::ReadCommitted, rest)),
        ["READ", "UNCOMMITTED", rest @ ..] => Ok((IsolationLevel::ReadUncommitted, rest)),
        unknown => Err(unknown.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begins(flavour: Flavour, sql: &str) -> Characteristics {
        match order(flavour, sql) {
            Ok(Some(Order::Begin { own, immediate: false })) => own,
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn a_begin_is_read_with_all_that_it_asks_for() {
        let everything = begins(
            Flavour::PostgreSql,
            "/* go */ start transaction isolation level serializable, read only, deferrable; -- now",
        );
        assert_eq!(everything.isolation_level, Some(IsolationLevel::Serializable));
        assert_eq!(everything.access_mode, Some(AccessMode::ReadOnly));
        assert_eq!(everything.deferrable, Some(Deferrable::Deferrable));
        for (flavour, sql) in [
            (Flavour::PostgreSql, "BEGIN"),
            (Flavour::PostgreSql, "begin work"),
            (Flavour::MySql, "START TRANSACTION"),
            (Flavour::MySql, "BEGIN WORK;"),
            (Flavour::Sqlite, "BEGIN DEFERRED TRANSACTION"),
        ] {
            assert!(begins(flavour, sql).is_empty(), "{sql}");
        }
        let mode = begins(Flavour::MySql, "START TRANSACTION READ WRITE").access_mode;
        assert_eq!(mode, Some(AccessMode::ReadWrite));
        let now = order(Flavour::Sqlite, "BEGIN IMMEDIATE").unwrap();
        assert!(matches!(now, Some(Order::Begin { immediate: true, .. })));
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        for (flavour, sql, named) in [
            (
                Flavour::MySql,
                "START TRANSACTION WITH CONSISTENT SNAPSHOT",
                "WITH CONSISTENT SNAPSHOT",
            ),
            (Flavour::Sqlite, "BEGIN EXCLUSIVE", "EXCLUSIVE"),
            (Flavour::PostgreSql, "COMMIT AND CHAIN", "AND CHAIN"),
            (Flavour::MySql, "ROLLBACK WORK RELEASE", "RELEASE"),
        ] {
            assert_eq!(order(flavour, sql), Err(named.to_owned()), "{sql}");
        }
    }

    #[test]
    fn what_is_no_single_order_is_none() {
        for (flavour, sql) in [
            (Flavour::PostgreSql, "BEGIN; SELECT 1"),
            (Flavour::PostgreSql, "ROLLBACK TO SAVEPOINT a"),
            (Flavour::PostgreSql, "COMMIT PREPARED 'a'"),
            (Flavour::Sqlite, "ROLLBACK TRANSACTION TO a"),
            (Flavour::MySql, "BEGIN NOT ATOMIC COMMIT"),
            (Flavour::MySql, "/*! COMMIT */"),
            (Flavour::MySql, "END"),
            (Flavour::Sqlite, "SAVEPOINT a"),
            (Flavour::Sqlite, "SELECT 1"),
            (Flavour::Sqlite, ""),
        ] {
            assert_eq!(order(flavour, sql), Ok(None), "{sql}");
        }
        assert_eq!(order(Flavour::Sqlite, "end"), Ok(Some(Order::Commit)));
        assert_eq!(order(Flavour::PostgreSql, "abort work"), Ok(Some(Order::Rollback)));
    }
}
