//! SQLite, compiled in.

use std::time::Duration;

use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::query_builder::QueryFragment;
use diesel::result::{Error as DieselError, QueryResult};
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::{Sqlite, SqliteConnection, SqliteType, SqliteValue};
use secrecy::SecretString;

use super::render::{render, render_with_values};
use super::{AccessMode, Characteristics, Dialect, IsolationLevel, ServerTransaction, Setup, prepared};
use crate::classify::Flavour;
use crate::control::Control;
use crate::error::Result;
use crate::log::{show_bytes, show_text};
use crate::once::Kept;
use crate::url::Url;
use crate::verify::{KnownTable, Mark, Recorded};

mod arguments;
mod connect_args;
mod limit;
mod once;
mod shared_cache;
mod verify;

use arguments::Arguments;
pub use connect_args::{JournalMode, SqliteConnectArgs, Synchronous, TempStore};

diesel::define_sql_function! { fn last_insert_rowid() -> BigInt; }

impl Dialect for SqliteConnection {
    const FLAVOUR: Flavour = Flavour::Sqlite;
    /// More make a statement that costs more to run than it saves.
    const PAGE_SIZE: usize = 250;

    /// `SQLITE_MAX_VARIABLE_NUMBER` since 3.32.
    const MAX_PARAMETERS: usize = 32_766;

    const SCHEMES: &'static [&'static str] = &["sqlite"];

    fn driver_url(url: &Url) -> Result<SecretString> {
        arguments::driver_url(url)
    }

    fn characteristics_of(url: &Url) -> Characteristics {
        arguments::characteristics(url)
    }

    fn acts_after_connecting(argument: &str) -> bool {
        arguments::acts_after_connecting(argument)
    }

    fn prepare(&mut self, setup: &Setup) -> Result<()> {
        Arguments::read(&setup.url)?.apply(self)?;
        for setting in Self::settings(setup.characteristics) {
            self.batch_execute(&setting)?;
        }
        Ok(())
    }

    fn control(&mut self, control: Control) -> QueryResult<()> {
        prepared::run(self, control)
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

    fn statement_limit(&mut self) -> QueryResult<Option<Duration>> {
        limit::busy_timeout(self).map(Some)
    }

    fn bound_statements(&mut self, limit: Duration) -> QueryResult<Option<Duration>> {
        limit::bound(self, limit)
    }

    fn put_statements_back(&mut self, was: Duration) -> QueryResult<()> {
        limit::set_busy_timeout(self, was)
    }

    fn find_commit_table(&mut self) -> QueryResult<Option<KnownTable>> {
        verify::find_table(self)
    }

    fn record_commit(&mut self, key: &str, table: KnownTable) -> QueryResult<Recorded> {
        verify::record(self, key, table)
    }

    fn fence_commit(&mut self, key: &str) -> QueryResult<bool> {
        verify::fence(self, key)
    }

    fn read_commit(&mut self, key: &str) -> QueryResult<Option<Mark>> {
        verify::read(self, key)
    }

    fn last_insert_id(&mut self) -> QueryResult<i64> {
        diesel::select(last_insert_rowid()).get_result(self)
    }

    fn has_triggers(&mut self, table: &str) -> QueryResult<bool> {
        let found = sql::<BigInt>(
            "(SELECT count(*) FROM (SELECT type, tbl_name FROM sqlite_master UNION ALL SELECT type, tbl_name FROM \
             sqlite_temp_master) WHERE type = 'trigger' AND lower(tbl_name) = lower(",
        );
        let count: i64 = diesel::select(found.bind::<Text, _>(table).sql("))")).get_result(self)?;
        Ok(count > 0)
    }

    fn server_clock(&mut self) -> QueryResult<i64> {
        verify::clock(self)
    }

    fn purge_commits(&mut self, before: i64, limit: i64) -> QueryResult<usize> {
        verify::purge(self, before, limit)
    }

    fn bound_lock_waits(&mut self, limit: Duration) -> QueryResult<String> {
        verify::bound_lock_waits(self, limit)
    }

    fn put_lock_waits_back(&mut self, was: &str) -> QueryResult<()> {
        verify::put_lock_waits_back(self, was)
    }

    fn find_result_table(&mut self) -> QueryResult<bool> {
        once::find_table(self)
    }

    fn claim_key(&mut self, key: &str, scope: &str) -> QueryResult<bool> {
        once::claim(self, key, scope)
    }

    fn kept_result(&mut self, key: &str) -> QueryResult<Option<Kept>> {
        once::read(self, key)
    }

    fn keep_result(&mut self, key: &str, result: &str) -> QueryResult<bool> {
        once::keep(self, key, result)
    }

    fn purge_results(&mut self, before: i64, limit: i64) -> QueryResult<usize> {
        once::purge(self, before, limit)
    }

    fn sql<T: QueryFragment<Sqlite>>(query: &T) -> QueryResult<String> {
        render(query, &Sqlite)
    }

    fn sql_with_values<T: QueryFragment<Sqlite>>(query: &T) -> String {
        render_with_values(query, &Sqlite)
    }

    fn show_value(value: SqliteValue<'_, '_, '_>, hide: bool) -> String {
        show(value, hide)
    }
}

/// A value as a log may show it.
fn show(mut value: SqliteValue<'_, '_, '_>, hide: bool) -> String {
    match value.value_type() {
        None => "NULL".to_owned(),
        Some(SqliteType::SmallInt | SqliteType::Integer | SqliteType::Long) if hide => "(integer)".to_owned(),
        Some(SqliteType::Float | SqliteType::Double) if hide => "(float)".to_owned(),
        Some(SqliteType::SmallInt | SqliteType::Integer | SqliteType::Long) => value.read_long().to_string(),
        Some(SqliteType::Float | SqliteType::Double) => value.read_double().to_string(),
        Some(SqliteType::Text) if hide => format!("(text of {} bytes)", value.read_text().len()),
        Some(SqliteType::Text) => show_text(&format!("{:?}", value.read_text())),
        Some(SqliteType::Binary) if hide => format!("({} bytes)", value.read_blob().len()),
        Some(SqliteType::Binary) => show_bytes(value.read_blob()),
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
