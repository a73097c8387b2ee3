//! SQLite, compiled in.

use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection;
use diesel::query_builder::QueryFragment;
use diesel::result::{Error as DieselError, QueryResult};
use diesel::sqlite::{Sqlite, SqliteConnection};
use secrecy::SecretString;

use super::render::render;
use super::{AccessMode, Dialect, IsolationLevel, ServerTransaction, Setup};
use crate::classify::Flavour;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::url::Url;

mod shared_cache;

/// How long SQLite waits for a lock before it answers BUSY, in milliseconds; `?busy_timeout=` in the URL changes it.
///
/// SQLite itself does not wait at all, which turns every overlap of two writers into an error. Much longer than this,
/// and a forgotten transaction would stall its neighbours instead of failing them.
const BUSY_TIMEOUT_MS: u32 = 5_000;

/// Query arguments that SQLite itself understands in a file URI (<https://www.sqlite.org/uri.html>).
const FILE_ARGUMENTS: &[&str] = &["mode", "cache", "immutable", "nolock", "psow", "vfs"];

impl Dialect for SqliteConnection {
    const FLAVOUR: Flavour = Flavour::Sqlite;
    const SCHEMES: &'static [&'static str] = &["sqlite"];

    fn driver_url(url: &Url) -> Result<SecretString> {
        busy_timeout(url)?;
        let mut arguments = Vec::new();
        for (key, value) in url.query().iter().filter(|(key, _)| key != "busy_timeout") {
            if !FILE_ARGUMENTS.contains(&key.as_str()) {
                return Err(Error::configuration(format!(
                    "unknown argument `{key}` in the SQLite URL; known are busy_timeout (milliseconds) and SQLite's \
                     own {}",
                    FILE_ARGUMENTS.join(", ")
                )));
            }
            arguments.push(format!("{key}={}", percent_encode(value)));
        }
        // A named database in memory (`mode=memory`) has a path, too; an unnamed one has none.
        let path = url.sqlite_path().unwrap_or(":memory:");
        if arguments.is_empty() && !path.starts_with("file:") {
            return Ok(path.to_owned().into());
        }
        Ok(format!("file:{}?{}", percent_encode(path), arguments.join("&")).into())
    }

    fn prepare(&mut self, setup: &Setup) -> Result<()> {
        self.batch_execute(&format!("PRAGMA busy_timeout = {}", busy_timeout(&setup.url)?))?;
        for setting in Self::settings(setup.characteristics) {
            self.batch_execute(&setting)?;
        }
        Ok(())
    }

    fn control(&mut self, control: Control) -> QueryResult<()> {
        self.batch_execute(&control.sql())
    }

    fn isolation_level(&mut self, _own: Option<IsolationLevel>) -> QueryResult<IsolationLevel> {
        Ok(match pragma(self, "read_uncommitted")? {
            0 => IsolationLevel::Serializable,
            _ => IsolationLevel::ReadUncommitted,
        })
    }

    fn access_mode(&mut self, _own: Option<AccessMode>) -> QueryResult<AccessMode> {
        Ok(match pragma(self, "query_only")? {
            0 => AccessMode::ReadWrite,
            _ => AccessMode::ReadOnly,
        })
    }

    fn end_transaction(&mut self, with: Control) -> QueryResult<()> {
        match self.control(with) {
            Ok(()) => Ok(()),
            Err(_) if matches!(self.server_transaction(), Ok(ServerTransaction::None)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn server_transaction(&mut self) -> QueryResult<ServerTransaction> {
        // SQLite can end a transaction by itself (INSERT OR ROLLBACK, RAISE(ROLLBACK), a full disk), and Diesel offers
        // no way to read its autocommit flag. A second BEGIN tells, and costs no I/O.
        match self.batch_execute("BEGIN") {
            Ok(()) => {
                self.batch_execute("ROLLBACK")?;
                Ok(ServerTransaction::None)
            }
            Err(DieselError::DatabaseError(_, information))
                if information.message().contains("within a transaction") =>
            {
                Ok(ServerTransaction::Open)
            }
            Err(error) => Err(error),
        }
    }

    fn backend_id(&mut self) -> QueryResult<Option<i64>> {
        Ok(None)
    }

    fn sql<T: QueryFragment<Sqlite>>(query: &T) -> QueryResult<String> {
        render(query, &Sqlite)
    }

    fn sql_with_values<T: QueryFragment<Sqlite>>(query: &T) -> String {
        diesel::debug_query::<Sqlite, _>(query).to_string()
    }
}

/// The value of a pragma that is a number. The table-valued form gives its column a name of ours.
fn pragma(connection: &mut SqliteConnection, name: &str) -> QueryResult<i32> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Integer)]
        value: i32,
    }
    let query = format!("SELECT {name} AS value FROM pragma_{name}");
    Ok(diesel::sql_query(query).get_result::<Row>(connection)?.value)
}

fn busy_timeout(url: &Url) -> Result<u32> {
    match url.query_value("busy_timeout") {
        None => Ok(BUSY_TIMEOUT_MS),
        Some(value) => value.parse().map_err(|_| {
            Error::configuration("busy_timeout in the SQLite URL must be a whole number of milliseconds, as in 5000")
        }),
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

    fn driver_url(text: &str) -> Result<String> {
        let url = Url::parse(text)?;
        Ok(SqliteConnection::driver_url(&url)?.expose_secret().to_owned())
    }

    #[test]
    fn paths_reach_sqlite_as_they_are_and_arguments_as_a_uri() {
        assert_eq!(driver_url("sqlite://bank.db").unwrap(), "bank.db");
        assert_eq!(driver_url("sqlite:///var/bank.db").unwrap(), "/var/bank.db");
        assert_eq!(driver_url("sqlite://").unwrap(), ":memory:");
        assert_eq!(
            driver_url("sqlite://shop?mode=memory&cache=shared").unwrap(),
            "file:shop?mode=memory&cache=shared"
        );
        assert_eq!(driver_url("sqlite://bank.db?busy_timeout=10").unwrap(), "bank.db");
        assert_eq!(
            driver_url("sqlite://bank.db?mode=ro&busy_timeout=10").unwrap(),
            "file:bank.db?mode=ro"
        );
    }

    #[test]
    fn an_unknown_argument_is_refused_and_the_known_ones_are_named() {
        let error = driver_url("sqlite://bank.db?timeout=3").unwrap_err().to_string();
        assert!(error.contains("`timeout`") && error.contains("busy_timeout"), "{error}");
        assert!(driver_url("sqlite://bank.db?busy_timeout=5s").is_err());
    }
}
