//! What differs between databases, and nothing else.
//!
//! A [`Dialect`] is implemented for a Diesel connection type. Everything above is generic over that type.

use std::borrow::Cow;
use std::time::Duration;

use diesel::backend::Backend;
use diesel::connection::{LoadConnection, TransactionManager, TransactionManagerStatus};
use diesel::query_builder::QueryFragment;
use diesel::r2d2::R2D2Connection;
use diesel::result::QueryResult;
use secrecy::SecretString;

use crate::classify::Flavour;
use crate::control::Control;
use crate::error::Result;
use crate::once::{Kept, ResultTable};
use crate::url::Url;
use crate::verify::{CommitTable, CommitToken, KnownTable, Mark, Recorded, ServerWord};

pub(crate) mod characteristics;
mod connect_args;
#[cfg(feature = "mysql")]
pub(crate) mod mysql;
mod once;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "mysql", feature = "sqlite"))]
mod prepared;
pub(crate) mod render;
#[cfg(feature = "sqlite")]
mod sqlite;
mod verify;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod wire;

pub use characteristics::{AccessMode, Beginning, Characteristics, Deferrable, IsolationLevel};
pub use connect_args::ConnectArgs;
#[cfg(feature = "mysql")]
pub use mysql::{MysqlConnectArgs, MysqlSslMode};
#[cfg(feature = "postgres")]
pub use postgres::{PgConnectArgs, PgSslMode};
#[cfg(feature = "sqlite")]
pub use sqlite::{JournalMode, SqliteConnectArgs, Synchronous, TempStore};

/// Whether the server still has our transaction open.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::dialect::ServerTransaction;
/// use aludel_core::{Dialect, Engine};
/// use diesel::SqliteConnection;
/// use diesel::connection::SimpleConnection;
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let mut raw = engine.raw_connection()?;
/// assert_eq!(raw.server_transaction()?, ServerTransaction::None);
/// raw.batch_execute("BEGIN")?;
/// assert_eq!(raw.server_transaction()?, ServerTransaction::Open);
/// # raw.batch_execute("ROLLBACK")?;
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerTransaction {
    /// Open and usable.
    Open,
    /// Open, but the server takes nothing but ROLLBACK (PostgreSQL after any error).
    Aborted,
    /// There is none: the server has rolled it back or committed it.
    None,
    /// The server cannot be asked.
    Unknown,
}

/// What a new connection is set up with.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::Engine;
/// use diesel::SqliteConnection;
/// use diesel::connection::SimpleConnection;
///
/// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:?busy_timeout=100")
///     .on_connect(|connection, info| {
///         assert_eq!(info.setup.url.query_value("busy_timeout"), Some("100"));
///         Ok(connection.batch_execute("PRAGMA foreign_keys = ON")?)
///     })
///     .build()?;
/// drop(engine.raw_connection()?); // connects, and so runs the hook
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Setup {
    /// The URL it was connected with.
    pub url: Url,
    /// What every transaction on it has unless it says otherwise, where that is not the server's default.
    pub characteristics: Characteristics,
}

impl Setup {
    /// What a connection to `url` is set up with.
    pub fn new(url: Url, characteristics: Characteristics) -> Self {
        Self { url, characteristics }
    }
}

/// How a full reset has gone (`ResetOnReturn::Full`).
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::dialect::{Characteristics, FullReset, Setup};
/// use aludel_core::{Dialect, Engine};
/// use diesel::SqliteConnection;
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let setup = Setup::new(engine.url().clone(), Characteristics::default());
/// // SQLite cannot be asked for everything that a borrower may have left: settings, ATTACHed files, temporary tables.
/// assert_eq!(engine.raw_connection()?.full_reset(&setup)?, FullReset::Replace);
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullReset {
    /// The connection is as `prepare` had left it.
    Done,
    /// Only a new connection is free of what the last borrower did.
    Replace,
}

/// A Diesel connection that Aludel can drive.
///
/// It is implemented for `SqliteConnection`, `MysqlConnection` and `PgConnection`, each behind its feature, and for
/// [`Mock`](crate::mock::Mock) of any of them; it may be implemented for others that speak one of their protocols.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::{Control, Dialect, Engine};
/// use diesel::SqliteConnection;
///
/// /// Generic over the database, as everything above this trait is.
/// fn begin_and_leave<C: Dialect>(engine: &Engine<C>) -> aludel_core::Result<()> {
///     let mut raw = engine.raw_connection()?;
///     raw.control(Control::Begin)?;
///     raw.set_dirty(true); // so that the pool rolls back when it comes home
///     Ok(())
/// }
///
/// begin_and_leave(&Engine::<SqliteConnection>::new("sqlite://:memory:")?)?;
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no connection that engines and sessions are for",
    label = "no connection of a database that is compiled in",
    note = "compile `aludel` with the feature of the database (`sqlite`, `mysql`, `postgres`), and name Diesel's own connection: the engine has a pool, and a session is a connection itself"
)]
pub trait Dialect: LoadConnection + R2D2Connection + Sized + Send + 'static {
    /// Whose rules and texts the server follows.
    const FLAVOUR: Flavour;

    /// The schemes of its URLs, the preferred one first.
    const SCHEMES: &'static [&'static str];

    /// Rows of one statement of a flush, unless the engine was told otherwise: enough for the round trip and the parsing to be shared
    /// by many, few enough for a server's packet.
    #[doc(hidden)]
    const PAGE_SIZE: usize = 1000;

    /// Whether rows of `INSERT .. RETURNING` can be read.
    #[doc(hidden)]
    const HAS_RETURNING: bool = true;

    /// How many parameters one statement may have.
    #[doc(hidden)]
    const MAX_PARAMETERS: usize = 65_535;

    /// Checks the URL and renders it for the driver.
    ///
    /// # Errors
    ///
    /// When a part of the URL cannot act as its writer expects; the text names what can.
    fn driver_url(url: &Url) -> Result<SecretString>;

    /// What the URL says of transactions, in arguments that other characteristics are put back to when they have ended.
    #[doc(hidden)]
    fn characteristics_of(url: &Url) -> Characteristics {
        let _ = url;
        Characteristics::default()
    }

    /// Whether an argument of the URL is served by [`prepare`](Self::prepare), and so acts on a connection that a
    /// [`creator`](crate::EngineBuilder::creator) has made as well. Default: none is.
    fn acts_after_connecting(argument: &str) -> bool {
        let _ = argument;
        false
    }

    /// Whether an argument demands what only the one who connects can see to, so that it must not be left to a
    /// [`creator`](crate::EngineBuilder::creator). Default: none does.
    #[doc(hidden)]
    fn must_connect_itself(argument: &str, value: &str) -> bool {
        let _ = (argument, value);
        false
    }

    /// Makes a raw connection.
    ///
    /// # Errors
    ///
    /// Whatever the driver answers.
    fn connect(driver_url: &SecretString) -> diesel::ConnectionResult<Self> {
        use secrecy::ExposeSecret as _;
        Self::establish(driver_url.expose_secret())
    }

    /// Makes a raw connection without a password in the URL that Diesel shows its default instrumentation; `None` where
    /// that cannot be done.
    #[doc(hidden)]
    fn connect_discreetly(url: &Url, driver_url: &SecretString) -> Option<diesel::ConnectionResult<Self>> {
        let _ = (url, driver_url);
        None
    }

    /// Prepares a raw connection that was just made: the language of messages, time-outs, the isolation level.
    ///
    /// # Errors
    ///
    /// Whatever the server answers, or that something the URL demanded is not so (TLS).
    fn prepare(&mut self, setup: &Setup) -> Result<()>;

    /// Sends a transaction control statement, in one round trip where the backend can.
    ///
    /// # Errors
    ///
    /// Whatever the server answers.
    fn control(&mut self, control: Control) -> QueryResult<()>;

    /// Sends a statement that says how transactions run: one of [`beginning`](Self::beginning) or
    /// [`settings`](Self::settings).
    ///
    /// # Errors
    ///
    /// Whatever the server answers.
    fn steer(&mut self, statement: Cow<'static, str>) -> QueryResult<()> {
        self.batch_execute(&statement)
    }

    /// The statements that begin a transaction with characteristics of its own, in as few round trips as the server
    /// allows; those of [`FLAVOUR`](Self::FLAVOUR) unless a dialect knows better.
    fn beginning(with: Characteristics, begin: Control) -> Beginning {
        characteristics::beginning(Self::FLAVOUR, with, begin)
    }

    /// The statements that make characteristics hold for everything that follows on the connection.
    fn settings(with: Characteristics) -> Vec<Cow<'static, str>> {
        characteristics::settings(Self::FLAVOUR, with)
    }

    /// The statements that undo [`settings`](Self::settings): back to what the connection was set up with, or else to
    /// the server's default.
    fn settings_put_back(set: Characteristics, connected: Characteristics) -> Vec<Cow<'static, str>> {
        characteristics::settings_put_back(Self::FLAVOUR, set, connected)
    }

    /// Asks for the isolation level: of the transaction that is open, or of the next one. `own` is the level that was
    /// asked for that transaction alone, for servers that tell only what holds for the connection.
    ///
    /// # Errors
    ///
    /// Whatever the server answers; and where a dialect has no way to ask.
    fn isolation_level(&mut self, own: Option<IsolationLevel>) -> QueryResult<IsolationLevel> {
        let _ = own;
        Err(cannot_tell("its isolation level"))
    }

    /// Asks for the access mode, in the same way.
    ///
    /// # Errors
    ///
    /// The same.
    fn access_mode(&mut self, own: Option<AccessMode>) -> QueryResult<AccessMode> {
        let _ = own;
        Err(cannot_tell("its access mode"))
    }

    /// Puts the connection back to how [`prepare`](Self::prepare) left it: no transaction, and nothing of what its last
    /// borrower has set, created, locked or prepared. Where only a new connection is free of that, it says so.
    ///
    /// # Errors
    ///
    /// Whatever the server answers: the connection must be closed then.
    fn full_reset(&mut self, setup: &Setup) -> Result<FullReset> {
        let _ = setup;
        Ok(FullReset::Replace)
    }

    /// Whether the driver knows already that the transaction takes nothing but ROLLBACK. Asked before every COMMIT, so it
    /// may not cost a round trip.
    fn is_aborted(&mut self) -> bool {
        false
    }

    /// A query that gives rows has failed, maybe after some of them. For drivers whose prepared statements do not survive
    /// that. It sends nothing that is waited for.
    fn after_failed_query(&mut self) {}

    /// Ends whatever transaction is open, and does not mind if there is none (SQLite would).
    ///
    /// # Errors
    ///
    /// When the transaction could not be ended: the connection must be closed then.
    fn end_transaction(&mut self, with: Control) -> QueryResult<()> {
        self.control(with)
    }

    /// Asks whether the server still has our transaction open. Called on the error path only.
    ///
    /// # Errors
    ///
    /// When the question itself fails, which says that the connection is gone.
    fn server_transaction(&mut self) -> QueryResult<ServerTransaction>;

    /// The number by which the server knows this connection (`KILL`, `pg_terminate_backend`), if it has one.
    ///
    /// # Errors
    ///
    /// Whatever the server answers.
    fn backend_id(&mut self) -> QueryResult<Option<i64>>;

    /// The key that the database has made for the row that was inserted last on this connection; 0 for none since the last call
    /// of this or of [`forget_last_insert_id`](Self::forget_last_insert_id), where the database would tell an older one.
    #[doc(hidden)]
    fn last_insert_id(&mut self) -> QueryResult<i64> {
        Err(diesel::result::Error::NotFound)
    }

    /// So that [`inserted_ids`](Self::inserted_ids) and [`last_insert_id`](Self::last_insert_id) tell of nothing that was before.
    #[doc(hidden)]
    fn forget_last_insert_id(&mut self) -> QueryResult<()> {
        Ok(())
    }

    /// The first key that the last INSERT was given, and the distance to the next one, if as many rows as it had are there;
    /// for databases without RETURNING that count without gaps.
    #[doc(hidden)]
    fn inserted_ids(&mut self, table: &str, key: &str, rows: usize) -> QueryResult<Option<(i64, i64)>> {
        let _ = (table, key, rows);
        Ok(None)
    }

    /// Whether a table has triggers, where that decides in which order the keys of a batch are made. Default: it has none.
    #[doc(hidden)]
    fn has_triggers(&mut self, table: &str) -> QueryResult<bool> {
        let _ = table;
        Ok(false)
    }

    /// How long a statement may take on this connection as it is (on SQLite: wait for a lock); `None` for no limit.
    #[doc(hidden)]
    fn statement_limit(&mut self) -> QueryResult<Option<Duration>> {
        Ok(None)
    }

    /// What begins a transaction whose statements may each take this long, where `begin` would begin one; `None` where
    /// [`bound_statements`](Self::bound_statements) is what bounds them.
    #[doc(hidden)]
    fn begin_within(begin: &str, limit: Duration) -> Option<String> {
        let _ = (begin, limit);
        None
    }

    /// Lets each statement from now on take this long at most; a smaller limit stays. `None` where nothing was set, otherwise
    /// what [`put_statements_back`](Self::put_statements_back) has to be told.
    #[doc(hidden)]
    fn bound_statements(&mut self, limit: Duration) -> QueryResult<Option<Duration>> {
        let _ = limit;
        Ok(None)
    }

    /// Undoes [`bound_statements`](Self::bound_statements).
    #[doc(hidden)]
    fn put_statements_back(&mut self, was: Duration) -> QueryResult<()> {
        let _ = was;
        Ok(())
    }

    /// Looks for the table of commit tokens. It may not fail where the table is missing, since a transaction may be open.
    #[doc(hidden)]
    fn find_commit_table(&mut self) -> QueryResult<Option<KnownTable>> {
        Err(verify::keeps_no_tokens())
    }

    /// Makes the table of commit tokens, outside a transaction.
    #[doc(hidden)]
    fn make_commit_table(&mut self) -> QueryResult<()> {
        self.batch_execute(CommitTable::sql(Self::FLAVOUR))
    }

    /// Writes the token with this key as `committed`. It may not read the table: under SERIALIZABLE that would set every
    /// verified transaction against every other.
    #[doc(hidden)]
    fn record_commit(&mut self, key: &str, table: KnownTable) -> QueryResult<Recorded> {
        let _ = (key, table);
        Err(verify::keeps_no_tokens())
    }

    /// Whether the open transaction has written anything; `None` where the server cannot tell.
    #[doc(hidden)]
    fn has_written(&mut self, table: KnownTable) -> QueryResult<Option<bool>> {
        let _ = table;
        Ok(None)
    }

    /// Writes the token with this key as `fenced`, and waits for whoever is writing the same one; false where it is there
    /// already.
    #[doc(hidden)]
    fn fence_commit(&mut self, key: &str) -> QueryResult<bool> {
        let _ = key;
        Err(verify::keeps_no_tokens())
    }

    /// What is committed under this key.
    #[doc(hidden)]
    fn read_commit(&mut self, key: &str) -> QueryResult<Option<Mark>> {
        let _ = key;
        Err(verify::keeps_no_tokens())
    }

    /// The server's clock: microseconds since 1970.
    #[doc(hidden)]
    fn server_clock(&mut self) -> QueryResult<i64> {
        Err(verify::keeps_no_tokens())
    }

    /// What the server knows of the transaction by its own number, if this is still the server that gave it.
    #[doc(hidden)]
    fn ask_by_number(&mut self, token: &CommitToken, table: KnownTable) -> QueryResult<ServerWord> {
        let _ = (token, table);
        Ok(ServerWord::Unsure)
    }

    /// Ends the connection that wrote the token, if it is known to be that one; whether there was one to end.
    #[doc(hidden)]
    fn end_backend_of(&mut self, token: &CommitToken) -> QueryResult<bool> {
        let _ = token;
        Ok(false)
    }

    /// Removes up to `limit` tokens that were written before this time.
    #[doc(hidden)]
    fn purge_commits(&mut self, before: i64, limit: i64) -> QueryResult<usize> {
        let _ = (before, limit);
        Err(verify::keeps_no_tokens())
    }

    /// Waits for locks for this long at most; answers how long it was before, in the server's words.
    #[doc(hidden)]
    fn bound_lock_waits(&mut self, limit: Duration) -> QueryResult<String> {
        let _ = limit;
        Err(verify::keeps_no_tokens())
    }

    /// Undoes [`bound_lock_waits`](Self::bound_lock_waits).
    #[doc(hidden)]
    fn put_lock_waits_back(&mut self, was: &str) -> QueryResult<()> {
        let _ = was;
        Ok(())
    }

    /// Whether the table of results is there. It may not fail where the table is missing, since a transaction may be open.
    #[doc(hidden)]
    fn find_result_table(&mut self) -> QueryResult<bool> {
        Err(once::keeps_no_results())
    }

    /// Makes the table of results, outside a transaction.
    #[doc(hidden)]
    fn make_result_table(&mut self) -> QueryResult<()> {
        self.batch_execute(ResultTable::sql(Self::FLAVOUR))
    }

    /// Writes the key without a result, and waits for whoever is writing the same one; false where it is there already. It
    /// may not read the table: under SERIALIZABLE that would set every such transaction against every other.
    #[doc(hidden)]
    fn claim_key(&mut self, key: &str, scope: &str) -> QueryResult<bool> {
        let _ = (key, scope);
        Err(once::keeps_no_results())
    }

    /// What is committed under this key, or written by this very transaction.
    #[doc(hidden)]
    fn kept_result(&mut self, key: &str) -> QueryResult<Option<Kept>> {
        let _ = key;
        Err(once::keeps_no_results())
    }

    /// Writes the result beside its key; false where the key is not there.
    #[doc(hidden)]
    fn keep_result(&mut self, key: &str, result: &str) -> QueryResult<bool> {
        let _ = (key, result);
        Err(once::keeps_no_results())
    }

    /// Removes up to `limit` results that were written before this time.
    #[doc(hidden)]
    fn purge_results(&mut self, before: i64, limit: i64) -> QueryResult<usize> {
        let _ = (before, limit);
        Err(once::keeps_no_results())
    }

    /// A query's text with its placeholders, without its values.
    ///
    /// # Errors
    ///
    /// When the query cannot be built.
    fn sql<T: QueryFragment<Self::Backend>>(query: &T) -> QueryResult<String>;

    /// A query's text together with its values, for those who asked to see them (`hide_parameters(false)`); long values
    /// are shortened, and long lists of them cut.
    fn sql_with_values<T: QueryFragment<Self::Backend>>(query: &T) -> String;

    /// A value of a row as a log may show it: its size where values are to be hidden, and where nothing better is known.
    /// By default nothing is known at all.
    fn show_value(value: <Self::Backend as Backend>::RawValue<'_>, hide: bool) -> String {
        let _ = (value, hide);
        "(a value)".to_owned()
    }

    /// Tells Diesel's own manager of the raw connection that a transaction is open, or that none is.
    ///
    /// Diesel's PostgreSQL connection compares libpq's state with it, and its pool traits ask it whether the connection
    /// is broken.
    fn mirror(&mut self, open: bool) {
        use diesel::connection::{TransactionDepthChange, ValidTransactionManagerStatus};
        let status = <Self::TransactionManager as TransactionManager<Self>>::transaction_manager_status_mut(self);
        let mut valid = ValidTransactionManagerStatus::default();
        if open {
            valid
                .change_transaction_depth(TransactionDepthChange::IncreaseDepth)
                .expect("a status that is in no transaction can enter one");
        }
        *status = TransactionManagerStatus::Valid(valid);
    }
}

fn cannot_tell(what: &str) -> diesel::result::Error {
    diesel::result::Error::QueryBuilderError(format!("this kind of connection cannot tell {what}").into())
}
