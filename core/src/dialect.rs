//! What differs between databases, and nothing else.
//!
//! A [`Dialect`] is implemented for a Diesel connection type. Everything above is generic over that type.

use diesel::connection::{LoadConnection, TransactionManager, TransactionManagerStatus};
use diesel::query_builder::QueryFragment;
use diesel::r2d2::R2D2Connection;
use diesel::result::QueryResult;
use secrecy::SecretString;

use crate::classify::Flavour;
use crate::control::Control;
use crate::error::Result;
use crate::url::Url;

#[cfg(feature = "mysql")]
pub(crate) mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
pub(crate) mod render;
#[cfg(feature = "sqlite")]
mod sqlite;

/// Isolation levels, as the SQL standard names them.
///
/// MariaDB, MySQL and PostgreSQL have all four; SQLite has `Serializable` (its default) and `ReadUncommitted` (which
/// acts only in shared-cache mode).
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
}

impl IsolationLevel {
    /// The level in SQL.
    pub fn sql(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "READ UNCOMMITTED",
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
        }
    }
}

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
    /// The level that every transaction on it has, if not the server's default.
    pub isolation_level: Option<IsolationLevel>,
}

impl Setup {
    /// What a connection to `url` is set up with.
    pub fn new(url: Url, isolation_level: Option<IsolationLevel>) -> Self {
        Self { url, isolation_level }
    }
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
pub trait Dialect: LoadConnection + R2D2Connection + Sized + Send + 'static {
    /// Whose rules and texts the server follows.
    const FLAVOUR: Flavour;

    /// The schemes of its URLs, the preferred one first.
    const SCHEMES: &'static [&'static str];

    /// Checks the URL and renders it for the driver.
    ///
    /// # Errors
    ///
    /// When a part of the URL cannot act as its writer expects; the text names what can.
    fn driver_url(url: &Url) -> Result<SecretString>;

    /// Makes a raw connection.
    ///
    /// # Errors
    ///
    /// Whatever the driver answers.
    fn connect(driver_url: &SecretString) -> diesel::ConnectionResult<Self> {
        use secrecy::ExposeSecret as _;
        Self::establish(driver_url.expose_secret())
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

    /// Whether the driver knows already that the transaction takes nothing but ROLLBACK. Asked before every COMMIT, so it
    /// may not cost a round trip.
    fn is_aborted(&mut self) -> bool {
        false
    }

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

    /// A query's text with its placeholders, without its values.
    ///
    /// # Errors
    ///
    /// When the query cannot be built.
    fn sql<T: QueryFragment<Self::Backend>>(query: &T) -> QueryResult<String>;

    /// A query's text together with its values, for those who asked to see them (`hide_parameters(false)`).
    fn sql_with_values<T: QueryFragment<Self::Backend>>(query: &T) -> String;

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
