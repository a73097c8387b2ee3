//! Reading that survives its connections: SELECTs in AUTOCOMMIT, each repeated after a disconnect.

use std::fmt;
use std::time::Duration;

use aludel_core::{CancelToken, Dialect, Engine, Error, Result};
use diesel::dsl::Limit;
use diesel::query_dsl::methods::LimitDsl;
use diesel::result::{Error as DieselError, QueryResult};

mod query;
mod read_only;
mod repeat;

pub use query::ReadQuery;
pub use read_only::ReadOnlyQuery;

/// Reads that a restart of the database does not disturb: each SELECT stands for itself, and is repeated on another
/// connection when it loses its own (SQLAlchemy's recipe `reconnecting_engine`, made from an engine by
/// [`reconnecting`](crate::EngineExt::reconnecting)).
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use std::time::Duration;
///
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, } }
///
/// #[derive(Queryable, Debug, PartialEq)]
/// struct Account { id: i32, owner: String, balance: i64 }
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// # engine.begin(|session| {
/// #     diesel::sql_query("CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, balance BIGINT NOT NULL)")
/// #         .execute(session)?;
/// #     diesel::sql_query("INSERT INTO accounts VALUES (1, 'Ann', 500), (2, 'Bob', 0)").execute(session)?;
/// #     Ok(())
/// # })?;
/// let reader = engine.reconnecting().num_retries(10).retry_interval(Duration::from_millis(500));
/// let rich: Vec<Account> = reader.load(accounts::table.filter(accounts::balance.gt(100)))?;
/// assert_eq!(rich[0].owner, "Ann");
/// let count: i64 = reader.get_result(accounts::table.count())?;
/// assert_eq!(count, 2);
/// let nobody: Option<Account> = reader.first(accounts::table.find(3)).optional()?;
/// assert_eq!(nobody, None);
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
///
/// **What is repeated.** One statement, from its start, where its connection was lost, where the server said that it cannot
/// serve any more, or where no connection could be made because the server is down, is coming up, or has too many: up to
/// [`num_retries`](Self::num_retries) times, with a pause of [`retry_interval`](Self::retry_interval) before each. Every
/// other error is the caller's at once: a wrong password, a query that the server refuses, a lock that was not to be had, a
/// pool whose connections are all in use. When all is used up the *first* error comes out, with what failed last
/// ([`Error::later`]), how often it was tried ([`Error::attempts`]), and all that went wrong ([`Error::retry_report`]).
///
/// **What is handed out once.** `load`, `get_result` and `first` hand out nothing before they have everything, so they may
/// start again in the middle of the rows. [`load_iter`](Self::load_iter) hands out rows one by one, and after the first one
/// nothing is repeated.
///
/// **Only reading.** The type of a query must show that it only reads and locks nothing ([`ReadOnlyQuery`]); and the server
/// is told to refuse writes, for a function that is called in a SELECT may do anything. So a reader is not a Diesel
/// connection: who is handed one may write.
///
/// **Connections.** A reader has none between two calls, and may be shared and cloned as its engine is. Each call takes one
/// from the pool, in AUTOCOMMIT and read-only, and puts back what it has set before anybody else has it. That is two round
/// trips on PostgreSQL, MariaDB and MySQL; they are saved by an engine that was built for reading
/// ([`access_mode`](crate::EngineBuilder::access_mode)). What a session has written and not committed a reader does not see,
/// since it has another connection; where there is only one, as for SQLite in memory, it finds that one in use.
///
/// **What is told.** Before each pause [`Event::Reconnecting`](crate::Event::Reconnecting), and the same as a warning in the
/// log: "disconnection error, retrying operation", with the cause; and how it has ended
/// ([`Event::RetryEnded`](crate::Event::RetryEnded)). A pause ends early when the engine's cancel token, or
/// the reader's own, is cancelled. A connection that had died in the pool is replaced without a word.
///
/// Reading several times in one consistent state, and everything that writes, is a transaction:
/// [`begin`](crate::EngineExt::begin), `#[retry]`.
#[must_use = "a reader does nothing until it is asked to read"]
pub struct Reconnecting<C: Dialect> {
    engine: Engine<C>,
    num_retries: u32,
    retry_interval: Duration,
    /// The engine's where there is none.
    cancel_token: Option<CancelToken>,
}

impl<C: Dialect> Reconnecting<C> {
    pub(crate) fn new(engine: Engine<C>) -> Self {
        Self {
            engine,
            num_retries: 5,
            retry_interval: Duration::from_secs(2),
            cancel_token: None,
        }
    }

    /// How often a statement is repeated: one that fails each time is tried `retries + 1` times. 5 unless it is said; 0
    /// repeats nothing.
    pub fn num_retries(mut self, retries: u32) -> Self {
        self.num_retries = retries;
        self
    }

    /// The pause before each repetition, on the engine's clock. 2 s unless it is said.
    ///
    /// All repetitions together should last longer than the restart that they are to survive: 5 of 2 s last 10 s.
    pub fn retry_interval(mut self, interval: Duration) -> Self {
        self.retry_interval = interval;
        self
    }

    /// The token that stops it, in the place of the engine's; see [`CancelToken`].
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let request = engine.cancel_token().child_token();
    /// let reader = engine.reconnecting().cancel_token(request.clone());
    /// request.cancel("the client has gone");
    /// let one = diesel::select(1.into_sql::<diesel::sql_types::Integer>());
    /// assert!(reader.get_result::<i32, _>(one).unwrap_err().is_exit());
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn cancel_token(mut self, token: CancelToken) -> Self {
        self.cancel_token = Some(token);
        self
    }

    /// The engine that it reads with.
    pub fn engine(&self) -> &Engine<C> {
        &self.engine
    }

    /// All rows (`RunQueryDsl::load` in Diesel).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let one = diesel::select(1.into_sql::<diesel::sql_types::Integer>());
    /// assert_eq!(engine.reconnecting().load::<i32, _>(one)?, [1]);
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The first disconnect, once all retries are used up; every other error of the query or of connecting at once; and
    /// [`Exit`](crate::Exit), when the token is cancelled.
    #[track_caller]
    pub fn load<U, Q>(&self, query: Q) -> Result<Vec<U>>
    where
        Q: ReadQuery<C, U>,
        Q::Query: ReadOnlyQuery,
    {
        self.rows(query, |rows| rows.collect())
    }

    /// [`load`](Self::load) under Diesel's other name for it.
    ///
    /// # Errors
    ///
    /// The same.
    #[track_caller]
    pub fn get_results<U, Q>(&self, query: Q) -> Result<Vec<U>>
    where
        Q: ReadQuery<C, U>,
        Q::Query: ReadOnlyQuery,
    {
        self.load(query)
    }

    /// The first row (`RunQueryDsl::get_result` in Diesel).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let one = diesel::select(1.into_sql::<diesel::sql_types::Integer>());
    /// assert_eq!(engine.reconnecting().get_result::<i32, _>(one)?, 1);
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load); and [`Error::is_not_found`] where there is no row, of which
    /// [`optional`](crate::ResultExt::optional) makes `None`.
    #[track_caller]
    pub fn get_result<U, Q>(&self, query: Q) -> Result<U>
    where
        Q: ReadQuery<C, U>,
        Q::Query: ReadOnlyQuery,
    {
        self.rows(query, |rows| rows.next().unwrap_or(Err(DieselError::NotFound)))
    }

    /// The first row of the query with `LIMIT 1` (`RunQueryDsl::first` in Diesel).
    ///
    /// # Errors
    ///
    /// As [`get_result`](Self::get_result).
    #[track_caller]
    pub fn first<U, Q>(&self, query: Q) -> Result<U>
    where
        Q: LimitDsl,
        Limit<Q>: ReadQuery<C, U, Query: ReadOnlyQuery>,
    {
        self.get_result(query.limit(1))
    }

    /// Rows one by one, for `look` to look at as they come (`RunQueryDsl::load_iter` in Diesel). `look` is called once, with
    /// the first row at hand: until then the statement is repeated, and from then on an error of the connection is one of
    /// the rows.
    ///
    /// `B` is Diesel's loading mode: on PostgreSQL `PgRowByRowLoadingMode` keeps a large result out of memory, and
    /// `DefaultLoadingMode` has all of it there before the first row; the others have only the latter.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::connection::DefaultLoadingMode;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let one = diesel::select(1.into_sql::<diesel::sql_types::Integer>());
    /// let sum = engine.reconnecting().load_iter::<i32, DefaultLoadingMode, _, _>(one, |rows| {
    ///     let mut sum = 0;
    ///     for number in rows {
    ///         sum += number?;
    ///     }
    ///     Ok(sum)
    /// })?;
    /// assert_eq!(sum, 1);
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load), before the first row; after that, those of `look`, which is handed every error of a row.
    ///
    /// # Panics
    ///
    /// Only with the closure's own panic; the connection is then closed.
    #[track_caller]
    pub fn load_iter<U, B, Q, T>(
        &self,
        query: Q,
        look: impl FnOnce(&mut dyn Iterator<Item = Result<U>>) -> Result<T>,
    ) -> Result<T>
    where
        Q: ReadQuery<C, U, B>,
        Q::Query: ReadOnlyQuery,
    {
        let query = query.as_query();
        let mut look = Some(look);
        self.repeat(|connection| {
            Q::read(&query, connection, |rows| {
                let first = match rows.next() {
                    Some(Err(error)) => return Err(error),
                    Some(Ok(first)) => Some(first),
                    None => None,
                };
                let look = look
                    .take()
                    .expect("a try that gets here answers Ok, and is the last one");
                let rest = rows.map(|row| row.map_err(Error::from));
                Ok(look(&mut first.map(Ok).into_iter().chain(rest)))
            })?
        })
    }

    /// Rows that are handed out when all of them are there.
    #[track_caller]
    fn rows<U, Q, T>(
        &self,
        query: Q,
        mut take: impl FnMut(&mut dyn Iterator<Item = QueryResult<U>>) -> QueryResult<T>,
    ) -> Result<T>
    where
        Q: ReadQuery<C, U>,
        Q::Query: ReadOnlyQuery,
    {
        let query = query.as_query();
        self.repeat(|connection| Q::read(&query, connection, &mut take)?.map(Ok))
    }
}

impl<C: Dialect> Clone for Reconnecting<C> {
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            num_retries: self.num_retries,
            retry_interval: self.retry_interval,
            cancel_token: self.cancel_token.clone(),
        }
    }
}

impl<C: Dialect> fmt::Debug for Reconnecting<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnecting")
            .field("engine", &self.engine)
            .field("num_retries", &self.num_retries)
            .field("retry_interval", &self.retry_interval)
            .finish_non_exhaustive()
    }
}
