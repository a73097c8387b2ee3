//! The arguments of a SQLite URL: pragmas that are set on each new connection, and what SQLite itself reads from a file
//! URI.

use std::fmt::Write as _;

use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection as _;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use secrecy::SecretString;

use crate::dialect::{AccessMode, Characteristics};
use crate::error::{Error, Result};
use crate::mistakes::Mistakes;
use crate::names::{Component, unknown_argument};
use crate::url::Url;

/// How long SQLite waits for a lock before it answers BUSY, in milliseconds; `busy_timeout` changes it.
///
/// SQLite itself does not wait at all, which turns every overlap of two writers into an error. Much longer than this,
/// and a forgotten transaction would stall its neighbours instead of failing them.
const BUSY_TIMEOUT_MS: u32 = 5_000;

/// What SQLite itself reads, with what may stand there.
const FILE_ARGUMENTS: &[(&str, Values)] = &[
    ("mode", Values::Exactly(&["ro", "rw", "rwc", "memory"])),
    ("cache", Values::Exactly(&["shared", "private"])),
    ("immutable", Values::Switch),
    ("nolock", Values::Switch),
    ("psow", Values::Switch),
    ("vfs", Values::Name),
];

/// Pragmas, with what may stand there, in the order in which they are set: nothing can be changed after `query_only`.
const PRAGMAS: &[(&str, Values)] = &[
    ("busy_timeout", Values::Number { negative: false }),
    ("locking_mode", Values::OneOf(&["normal", "exclusive"])),
    (
        "journal_mode",
        Values::OneOf(&["delete", "truncate", "persist", "memory", "wal", "off"]),
    ),
    ("synchronous", Values::OneOf(&["off", "normal", "full", "extra"])),
    ("foreign_keys", Values::Switch),
    ("cache_size", Values::Number { negative: true }),
    ("temp_store", Values::OneOf(&["default", "file", "memory"])),
    ("mmap_size", Values::Number { negative: false }),
    ("wal_autocheckpoint", Values::Number { negative: false }),
    ("recursive_triggers", Values::Switch),
    ("secure_delete", Values::Switch),
    ("trusted_schema", Values::Switch),
    ("query_only", Values::Switch),
];

/// What an argument may be. Nothing else ever stands in a pragma's text.
#[derive(Clone, Copy)]
enum Values {
    OneOf(&'static [&'static str]),
    /// The same, in these letters: SQLite itself reads it.
    Exactly(&'static [&'static str]),
    Switch,
    Number {
        negative: bool,
    },
    /// Anything: it stands only in the file URI, percent-encoded.
    Name,
}

/// What a URL asks of its connections: the pragmas, in their order.
#[derive(Debug)]
pub(super) struct Arguments(Vec<(&'static str, String)>);

/// Whether an argument acts on a connection that somebody else has made.
pub(super) fn acts_after_connecting(name: &str) -> bool {
    PRAGMAS.iter().any(|(known, _)| *known == name)
}

/// What they say of transactions.
pub(super) fn characteristics(url: &Url) -> Characteristics {
    let only = url
        .query_value("query_only")
        .and_then(|value| Values::Switch.check("query_only", value).ok());
    Characteristics {
        access_mode: match only.as_deref() {
            Some("1") => Some(AccessMode::ReadOnly),
            _ => None,
        },
        ..Characteristics::default()
    }
}

/// Checks a URL, and renders it for SQLite.
pub(super) fn driver_url(url: &Url) -> Result<SecretString> {
    Arguments::read(url)?;
    let arguments: Vec<String> = url
        .query()
        .iter()
        .filter(|(name, _)| FILE_ARGUMENTS.iter().any(|(known, _)| known == name))
        .map(|(name, value)| format!("{name}={}", percent_encode(value)))
        .collect();
    // A named database in memory (`mode=memory`) has a path, too; an unnamed one has none.
    let path = url.sqlite_path().unwrap_or(":memory:");
    if arguments.is_empty() && !path.starts_with("file:") {
        return Ok(path.to_owned().into());
    }
    Ok(format!("file:{}?{}", percent_encode(path), arguments.join("&")).into())
}

impl Arguments {
    pub(super) fn read(url: &Url) -> Result<Self> {
        let mut mistakes = Mistakes::default();
        for (name, value) in url.query() {
            let known = PRAGMAS.iter().chain(FILE_ARGUMENTS).find(|(known, _)| known == name);
            match known {
                Some((_, values)) => {
                    mistakes.take(values.check(name, value));
                }
                None => mistakes.add(unknown_argument(name, Component::Sqlite)),
            }
        }
        let pragmas = PRAGMAS.iter().filter_map(|(name, values)| {
            let given = url.query_value(name).and_then(|value| values.check(name, value).ok());
            let value = match *name {
                "busy_timeout" => Some(given.unwrap_or_else(|| BUSY_TIMEOUT_MS.to_string())),
                _ => given,
            };
            Some((*name, value?))
        });
        let pragmas = pragmas.collect();
        mistakes.finish(Self(pragmas))
    }

    /// Sets the pragmas on a new connection.
    pub(super) fn apply(&self, connection: &mut SqliteConnection) -> Result<()> {
        let mut statements = String::new();
        for (name, value) in &self.0 {
            if *name == "journal_mode" {
                // It may wait for a lock, so what comes before it counts.
                connection.batch_execute(&std::mem::take(&mut statements))?;
                set_journal_mode(connection, value)?;
            } else {
                let _ = write!(statements, "PRAGMA {name} = {value};");
            }
        }
        Ok(connection.batch_execute(&statements)?)
    }
}

/// SQLite answers with the mode that it then has, and does not call it an error when that is another one.
fn set_journal_mode(connection: &mut SqliteConnection, mode: &str) -> Result<()> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        journal_mode: String,
    }
    let row: Row = diesel::sql_query(format!("PRAGMA journal_mode = {mode}")).get_result(connection)?;
    if row.journal_mode == mode {
        return Ok(());
    }
    Err(Error::configuration(format!(
        "journal_mode={mode} was asked for, and this database has and keeps `{}`; leave it out (a database in memory has \
         no other than memory or off)",
        row.journal_mode
    )))
}

impl Values {
    /// The value as it stands in a pragma.
    fn check(self, name: &str, value: &str) -> std::result::Result<String, String> {
        let lower = value.to_ascii_lowercase();
        match self {
            Self::OneOf(known) if known.contains(&lower.as_str()) => Ok(lower),
            Self::Exactly(known) if known.contains(&value) => Ok(lower),
            Self::OneOf(known) | Self::Exactly(known) => Err(format!("{name} must be one of {}", known.join(", "))),
            Self::Switch => match lower.as_str() {
                "1" | "on" | "true" | "yes" => Ok("1".to_owned()),
                "0" | "off" | "false" | "no" => Ok("0".to_owned()),
                _ => Err(format!("{name} must be on or off")),
            },
            // 32 bits, as SQLite has them here: it takes a larger number for another one.
            Self::Number { negative } => match value.parse::<i32>() {
                Ok(number) if negative || number >= 0 => Ok(number.to_string()),
                _ if name == "busy_timeout" => {
                    Err("busy_timeout must be a whole number of milliseconds, as in 5000".to_owned())
                }
                _ => Err(format!("{name} must be a whole number")),
            },
            Self::Name => Ok(value.to_owned()),
        }
    }
}

/// Escapes what has a meaning in a file URI.
fn percent_encode(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '%' => "%25".to_owned(),
            '?' => "%3f".to_owned(),
            '#' => "%23".to_owned(),
            '&' => "%26".to_owned(),
            ' ' => "%20".to_owned(),
            other => other.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn rendered(text: &str) -> Result<String> {
        Ok(driver_url(&Url::parse(text)?)?.expose_secret().to_owned())
    }

    #[test]
    fn paths_reach_sqlite_as_they_are_and_arguments_as_a_uri() {
        assert_eq!(rendered("sqlite://bank.db").unwrap(), "bank.db");
        assert_eq!(rendered("sqlite:///var/bank.db").unwrap(), "/var/bank.db");
        assert_eq!(rendered("sqlite://").unwrap(), ":memory:");
        assert_eq!(
            rendered("sqlite://shop?mode=memory&cache=shared").unwrap(),
            "file:shop?mode=memory&cache=shared"
        );
        assert_eq!(rendered("sqlite://bank.db?busy_timeout=10").unwrap(), "bank.db");
        assert_eq!(
            rendered("sqlite://bank.db?mode=ro&busy_timeout=10&foreign_keys=on").unwrap(),
            "file:bank.db?mode=ro"
        );
    }

    #[test]
    fn an_argument_that_is_unknown_or_cannot_be_is_refused_with_what_can() {
        for (argument, fix) in [
            ("timeout=3", "busy_timeout"),
            ("check_same_thread=false", "leave it out"),
            ("busy_timout=3", "did you mean `busy_timeout`?"),
            ("foreign_key=on", "did you mean `foreign_keys`?"),
            ("busy_timeout=5s", "milliseconds"),
            ("busy_timeout=-1", "milliseconds"),
            ("busy_timeout=3000000000", "milliseconds"),
            ("journal_mode=wal2", "truncate"),
            ("journal_mode=wal%3BDROP%20TABLE%20t", "truncate"),
            ("foreign_keys=maybe", "on or off"),
            ("cache_size=2%20MB", "whole number"),
            ("mmap_size=-1", "whole number"),
            ("mode=rx", "rwc"),
            ("mode=MEMORY", "rwc, memory"),
            ("charset=utf8", "MariaDB"),
        ] {
            let error = rendered(&format!("sqlite://bank.db?{argument}"))
                .expect_err(argument)
                .to_string();
            assert!(error.contains(fix), "{argument}: {error}");
        }
        let error = rendered("sqlite://bank.db?mode=rx&foreign_keys=2")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("2 mistakes:"), "{error}");
    }

    #[test]
    fn the_pragmas_are_set_in_their_order() {
        let url = Url::parse("sqlite://bank.db?query_only=yes&cache_size=-64&synchronous=NORMAL&mode=ro").unwrap();
        assert_eq!(
            Arguments::read(&url).unwrap().0,
            [
                ("busy_timeout", "5000".to_owned()),
                ("synchronous", "normal".to_owned()),
                ("cache_size", "-64".to_owned()),
                ("query_only", "1".to_owned())
            ]
        );
    }

    #[test]
    fn what_is_known_is_one_list() {
        let listed: Vec<&str> = Component::Sqlite.names().iter().map(|(name, _)| *name).collect();
        for (name, _) in PRAGMAS.iter().chain(FILE_ARGUMENTS) {
            assert!(listed.contains(name), "{name}");
        }
        assert_eq!(listed.len(), PRAGMAS.len() + FILE_ARGUMENTS.len());
    }
}
