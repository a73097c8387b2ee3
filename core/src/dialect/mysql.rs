//! MariaDB and MySQL, through whichever client library the program was linked with.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel::RunQueryDsl as _;
use diesel::connection::{CacheSize, Connection as _, SimpleConnection};
use diesel::dsl::sql;
use diesel::mysql::{Mysql, MysqlConnection, MysqlType, MysqlValue};
use diesel::query_builder::QueryFragment;
use diesel::result::{Error as DieselError, QueryResult};
use diesel::sql_types::{BigInt, Text, Unsigned};
use secrecy::SecretString;

use super::prepared::Prepared;
use super::render::{render, render_with_values};
use super::wire::{hidden, number, text_or_bytes};
use super::{AccessMode, Dialect, IsolationLevel, ServerTransaction, Setup, prepared};
use crate::classify::Flavour;
use crate::control::Control;
use crate::error::Result;
use crate::once::Kept;
use crate::url::Url;
use crate::verify::{CommitToken, KnownTable, Mark, Recorded};

mod arguments;
mod connect_args;
mod ids;
mod limit;
mod once;
mod verify;

use arguments::Arguments;
pub use connect_args::{MysqlConnectArgs, MysqlSslMode};

/// Set once a server has refused to prepare a control statement (Oracle MySQL, error 1295).
///
/// One flag for the process: the price of asking again would be a failing round trip on each new connection, the price
/// of remembering is three round trips instead of one on a MariaDB used beside a MySQL.
static CONTROL_NOT_PREPARABLE: AtomicBool = AtomicBool::new(false);

impl Dialect for MysqlConnection {
    const FLAVOUR: Flavour = Flavour::MySql;
    /// MariaDB has it, and sends the columns of the answer with the answer; Diesel asks for them before (`MysqlConnection::load`)
    /// and says "No metadata exists".
    const HAS_RETURNING: bool = false;

    const SCHEMES: &'static [&'static str] = &["mysql", "mariadb"];

    fn driver_url(url: &Url) -> Result<SecretString> {
        arguments::driver_url(url)
    }

    fn acts_after_connecting(argument: &str) -> bool {
        arguments::acts_after_connecting(argument)
    }

    fn must_connect_itself(argument: &str, value: &str) -> bool {
        argument == "ssl_mode" && value.starts_with("verify_")
    }

    fn prepare(&mut self, setup: &Setup) -> Result<()> {
        // The classifier knows English texts; any user may set this. And outside a transaction of ours every statement
        // stands for itself, whatever the server's default is.
        self.batch_execute("SET SESSION lc_messages = 'en_US', autocommit = 1")?;
        for setting in Self::settings(setup.characteristics) {
            self.batch_execute(&setting)?;
        }
        Arguments::read(&setup.url)?.apply(self)
    }

    fn control(&mut self, control: Control) -> QueryResult<()> {
        let control = if control == Control::BeginImmediate {
            Control::Begin
        } else {
            control
        };
        prepared_if_possible(self, &control.sql(), |raw| prepared::run(raw, control))
    }

    fn steer(&mut self, statement: Cow<'static, str>) -> QueryResult<()> {
        let statement = Prepared(statement);
        prepared_if_possible(self, &statement.0, |raw| {
            raw.execute_returning_count(&statement).map(drop)
        })
    }

    /// A prepared statement whose error came after its first row: libmariadb takes its result for one that is still to be
    /// read, and its next execution waits for the rest for ever. Closing it is safe; Diesel closes all or none, and does
    /// so with a cache of another size.
    fn after_failed_query(&mut self) {
        self.set_prepared_statement_cache_size(CacheSize::Disabled);
        self.set_prepared_statement_cache_size(CacheSize::Unbounded);
    }

    fn isolation_level(&mut self, own: Option<IsolationLevel>) -> QueryResult<IsolationLevel> {
        // Of one transaction's own level the server knows, and has no words for it.
        if let Some(own) = own {
            return Ok(own);
        }
        let shown = variable(self, ["tx_isolation", "transaction_isolation"])?;
        IsolationLevel::parse::<Self>(&shown.replace('-', " ")).map_err(DieselError::from)
    }

    fn access_mode(&mut self, own: Option<AccessMode>) -> QueryResult<AccessMode> {
        if let Some(own) = own {
            return Ok(own);
        }
        let shown = variable(self, ["tx_read_only", "transaction_read_only"])?;
        Ok(match shown.as_str() {
            "ON" | "1" => AccessMode::ReadOnly,
            _ => AccessMode::ReadWrite,
        })
    }

    fn server_transaction(&mut self) -> QueryResult<ServerTransaction> {
        // MariaDB only: Oracle MySQL has no such variable, and nothing else to ask.
        match diesel::select(sql::<BigInt>("@@in_transaction")).get_result::<i64>(self) {
            Ok(1) => Ok(ServerTransaction::Open),
            Ok(_) => Ok(ServerTransaction::None),
            Err(DieselError::DatabaseError(_, information))
                if information.message().starts_with("Unknown system variable") =>
            {
                Ok(ServerTransaction::Unknown)
            }
            Err(error) => Err(error),
        }
    }

    fn backend_id(&mut self) -> QueryResult<Option<i64>> {
        let id: u64 = diesel::select(sql::<Unsigned<BigInt>>("CONNECTION_ID()")).get_result(self)?;
        Ok(i64::try_from(id).ok())
    }

    fn statement_limit(&mut self) -> QueryResult<Option<Duration>> {
        limit::asked(self)
    }

    fn bound_statements(&mut self, limit: Duration) -> QueryResult<Option<Duration>> {
        // What it was the server remembers by itself.
        Ok(limit::bound(self, limit)?.then_some(Duration::ZERO))
    }

    fn put_statements_back(&mut self, _was: Duration) -> QueryResult<()> {
        limit::put_back(self)
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

    fn forget_last_insert_id(&mut self) -> QueryResult<()> {
        ids::forget(self)
    }

    fn inserted_ids(&mut self, table: &str, key: &str, rows: usize) -> QueryResult<Option<(i64, i64)>> {
        ids::inserted(self, table, key, rows)
    }

    fn last_insert_id(&mut self) -> QueryResult<i64> {
        ids::take_last(self)
    }

    fn server_clock(&mut self) -> QueryResult<i64> {
        verify::clock(self)
    }

    fn end_backend_of(&mut self, token: &CommitToken) -> QueryResult<bool> {
        verify::end_backend(self, token)
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

    fn sql<T: QueryFragment<Mysql>>(query: &T) -> QueryResult<String> {
        render(query, &Mysql)
    }

    fn sql_with_values<T: QueryFragment<Mysql>>(query: &T) -> String {
        render_with_values(query, &Mysql)
    }

    fn show_value(value: MysqlValue<'_>, hide: bool) -> String {
        show(value, hide)
    }
}

/// A value of the binary protocol as a log may show it: numbers (little-endian) and texts are shown, what is packed (dates,
/// bits) is shown in bytes.
fn show(value: MysqlValue<'_>, hide: bool) -> String {
    let bytes = value.as_bytes();
    if hide {
        return hidden(bytes);
    }
    let shown = match value.value_type() {
        MysqlType::Tiny => number(bytes, i8::from_le_bytes),
        MysqlType::UnsignedTiny => number(bytes, u8::from_le_bytes),
        MysqlType::Short => number(bytes, i16::from_le_bytes),
        MysqlType::UnsignedShort => number(bytes, u16::from_le_bytes),
        MysqlType::Long => number(bytes, i32::from_le_bytes),
        MysqlType::UnsignedLong => number(bytes, u32::from_le_bytes),
        MysqlType::LongLong => number(bytes, i64::from_le_bytes),
        MysqlType::UnsignedLongLong => number(bytes, u64::from_le_bytes),
        MysqlType::Float => number(bytes, f32::from_le_bytes),
        MysqlType::Double => number(bytes, f64::from_le_bytes),
        MysqlType::Date | MysqlType::Time | MysqlType::DateTime | MysqlType::Timestamp => None,
        _ => Some(text_or_bytes(bytes)),
    };
    shown.unwrap_or_else(|| hidden(bytes))
}

/// Runs a statement prepared, in one round trip, or as text where the server does not take it so.
fn prepared_if_possible(
    raw: &mut MysqlConnection,
    text: &str,
    run: impl FnOnce(&mut MysqlConnection) -> QueryResult<()>,
) -> QueryResult<()> {
    if CONTROL_NOT_PREPARABLE.load(Ordering::Relaxed) {
        return raw.batch_execute(text);
    }
    let result = run(raw);
    let Err(DieselError::DatabaseError(_, information)) = &result else {
        return result;
    };
    let says = |start| information.message().starts_with(start);
    if says("This command is not supported in the prepared statement") {
        CONTROL_NOT_PREPARABLE.store(true, Ordering::Relaxed);
    } else if !says("Can't create more than max_prepared_stmt_count statements") {
        return result;
    }
    // It was not even prepared, so nothing of it has happened. (The limit, 1461, is one for all clients of the server, and
    // holds only until some of them have closed theirs.)
    raw.batch_execute(text)
}

/// A variable that MariaDB and MySQL have under different names.
fn variable(connection: &mut MysqlConnection, [mariadb, mysql]: [&str; 2]) -> QueryResult<String> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text, column_name = "Value")]
        value: String,
    }
    let query = format!("SHOW SESSION VARIABLES WHERE Variable_name IN ('{mariadb}', '{mysql}')");
    Ok(diesel::sql_query(query).get_result::<Row>(connection)?.value)
}
