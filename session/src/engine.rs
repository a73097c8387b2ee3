//! What sessions add to the engine.

use std::panic::Location;
use std::time::Duration;

use aludel_core::once::ResultTable;
use aludel_core::verify::{CommitTable, CommitToken, Resolution};
use aludel_core::{Dialect, Engine, Error, Result};

use crate::connection::Connection;
use crate::reconnecting::Reconnecting;
use crate::session::Session;
use crate::testing::Sandbox;
use crate::{once, own_table, verification};

/// Sessions and connections of an [`Engine`]; in the prelude, so that they read like methods of its own.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let two = engine.begin(|session| {
///     Ok(diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("1 + 1")).get_result::<i32>(session)?)
/// })?;
/// assert_eq!(two, 2);
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
pub trait EngineExt<C: Dialect> {
    /// A session. It takes a connection when it needs one.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let session = engine.session();
    /// assert!(!session.in_transaction());
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    #[track_caller]
    fn session(&self) -> Session<C>;

    /// A connection without objects (`Engine.connect` in SQLAlchemy). It takes a raw connection when it needs one.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut connection = engine.connect();
    /// diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(&mut connection)?;
    /// connection.commit()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    #[track_caller]
    fn connect(&self) -> Connection<C>;

    /// Runs the closure with a new session in a transaction: committed on `Ok`, rolled back on `Err` and on a panic
    /// (`Engine.begin` in SQLAlchemy).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// engine.begin(|session| {
    ///     diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(session)?;
    ///     Ok(())
    /// })?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The closure's, those of connecting, of BEGIN and of COMMIT.
    #[track_caller]
    fn begin<T>(&self, f: impl FnOnce(&mut Session<C>) -> Result<T>) -> Result<T>;

    /// [`begin`](Self::begin) for closures with an error type of their own.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// #[derive(Debug)]
    /// enum Refusal {
    ///     NotEnough,
    ///     Database(aludel::Error),
    /// }
    ///
    /// impl From<aludel::Error> for Refusal {
    ///     fn from(error: aludel::Error) -> Self {
    ///         Self::Database(error)
    ///     }
    /// }
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let refused: Result<(), Refusal> = engine.begin_with(|_session| Err(Refusal::NotEnough));
    /// assert!(matches!(refused, Err(Refusal::NotEnough))); // rolled back, and given back as it is
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same.
    #[track_caller]
    fn begin_with<T, E>(&self, f: impl FnOnce(&mut Session<C>) -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error> + 'static;

    /// A reader whose SELECTs survive a restart of the database: each stands for itself, and is repeated on another connection
    /// when it loses its own (SQLAlchemy's recipe `reconnecting_engine`). It cannot write.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let reader = engine.reconnecting(); // 5 retries, 2 s before each
    /// let one = diesel::select(1.into_sql::<diesel::sql_types::Integer>());
    /// assert_eq!(reader.load::<i32, _>(one)?, [1]);
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    fn reconnecting(&self) -> Reconnecting<C>;

    /// Runs the closure with an *ambient* session: [`current`](crate::current) lends it to whatever the closure calls on this
    /// thread, and `#[retry]` and `#[transactional]` functions without a session parameter run on it.
    ///
    /// The session is one as [`session`](Self::session) makes it: it takes a connection when it needs one, and what is not
    /// committed at the end of the scope is rolled back, with a warning if it had written. Scopes nest; the session of the
    /// innermost one is the one that is found first.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// fn note(text: &str) -> aludel::Result<usize> {
    ///     aludel::current(|session: &mut Session<SqliteConnection>| {
    ///         Ok(diesel::sql_query(format!("INSERT INTO notes VALUES ('{text}')")).execute(session)?)
    ///     })
    /// }
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// engine.scope(|| {
    ///     aludel::current(|session: &mut Session<SqliteConnection>| {
    ///         diesel::sql_query("CREATE TABLE notes (text TEXT NOT NULL)").execute(session)?;
    ///         Ok(())
    ///     })?;
    ///     note("hello")?;
    ///     aludel::current(|session: &mut Session<SqliteConnection>| session.commit())
    /// })?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Only with the closure's own panic.
    #[track_caller]
    fn scope<R>(&self, f: impl FnOnce() -> R) -> R;

    /// An engine for a test, whose work is seen by everything that is done through it and is never committed; see [`Sandbox`].
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://never?mode=memory&cache=shared")?;
    /// let sandbox = engine.sandbox()?;
    /// sandbox.begin(|session| Ok(diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(session)?))?;
    /// diesel::sql_query("INSERT INTO t VALUES (1)").execute(&mut sandbox.session())?;
    /// drop(sandbox);
    /// assert!(diesel::sql_query("SELECT * FROM t").execute(&mut engine.session()).is_err());
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of connecting and of BEGIN; in AUTOCOMMIT; in a sandbox.
    #[track_caller]
    fn sandbox(&self) -> Result<Sandbox<C>>;

    /// Finds out what has become of a transaction whose COMMIT was never answered: by its token alone, from any process, on
    /// a new connection to the same database; see [`when_commit_is_lost`](crate::when_commit_is_lost).
    ///
    /// A transaction that is still in flight is waited for, `deadline` at most. One that turns out not to be committed never
    /// will be, wherever its COMMIT is: so it may run again.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use std::time::Duration;
    ///
    /// use aludel::prelude::*;
    /// use aludel::verify::Resolution;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// engine.create_commit_table()?;
    /// let token = engine.begin(|session| session.commit_token())?;
    /// assert_eq!(engine.resolve(&token, Duration::from_secs(5))?, Resolution::Committed);
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::is_commit_unknown`], with the token, when nobody could say in time: the transaction is still in flight, or
    /// the database could not be asked. What a server that stops answering in the middle of a statement costs is not
    /// bounded. At once, when the token was written into another table than the one that this engine finds.
    #[track_caller]
    fn resolve(&self, token: &CommitToken, deadline: Duration) -> Result<Resolution>;

    /// [`resolve`](Self::resolve) for those who cannot wait: where the transaction is still in flight, its connection is
    /// ended (`KILL`, `pg_terminate_backend`), which rolls it back if its COMMIT has not arrived. A client that was cut off
    /// in the dark can hold its rows for hours otherwise. Only the very connection that wrote the token is ended, and only
    /// on the server on which it did; SQLite has nothing to end.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use std::time::Duration;
    ///
    /// use aludel::prelude::*;
    /// use aludel::verify::Resolution;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// engine.create_commit_table()?;
    /// let token = engine.begin(|session| session.commit_token())?;
    /// assert_eq!(engine.resolve_by_force(&token, Duration::from_secs(5))?, Resolution::Committed);
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same; and when the user of this engine may not end the connection.
    #[track_caller]
    fn resolve_by_force(&self, token: &CommitToken, deadline: Duration) -> Result<Resolution>;

    /// Makes the table of commit tokens, if it is not there. The first verified transaction does so by itself; call this
    /// where the first thing is a [`commit_token`](Session::commit_token) inside a transaction, or use
    /// [`CommitTable::sql`](crate::verify::CommitTable::sql) in a migration.
    ///
    /// # Errors
    ///
    /// When it may not be made, or no connection can be had.
    #[track_caller]
    fn create_commit_table(&self) -> Result<()>;

    /// Removes commit tokens that cannot be resolved any more, a thousand in a transaction, and says how many: those older
    /// than [`commit_token_retention`](crate::EngineBuilder::commit_token_retention) and an eighth of it. Nobody does this
    /// by itself; call it now and then.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// assert_eq!(engine.purge_commit_tokens()?, 0);
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of connecting and of deleting; what was removed by then stays removed.
    #[track_caller]
    fn purge_commit_tokens(&self) -> Result<u64>;

    /// Makes the table of results, if it is not there. The first transaction with an idempotency key does so by itself; call
    /// this where the first one is a part of a transaction that is open already, or use
    /// [`ResultTable::sql`](crate::once::ResultTable::sql) in a migration.
    ///
    /// # Errors
    ///
    /// When it may not be made, or no connection can be had.
    #[track_caller]
    fn create_result_table(&self) -> Result<()>;

    /// Removes the results that were kept longer ago than this by the server's clock, a thousand in a transaction, and says how
    /// many. Their keys are free again: who comes with one of them later runs. Keep them for longer than any client goes on
    /// asking (Stripe: a day at least). Nobody does this by itself; call it now and then.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use std::time::Duration;
    ///
    /// use aludel::prelude::*;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// engine.session().once("order-42", |_| Ok(()))?;
    /// assert_eq!(engine.purge_results(Duration::from_hours(24))?, 0); // it was done just now
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of connecting and of deleting; what was removed by then stays removed.
    #[track_caller]
    fn purge_results(&self, older_than: Duration) -> Result<u64>;
}

impl<C: Dialect> EngineExt<C> for Engine<C> {
    #[track_caller]
    fn session(&self) -> Session<C> {
        Session::new(self.clone())
    }

    #[track_caller]
    fn connect(&self) -> Connection<C> {
        Connection::new(self.clone(), false)
    }

    #[track_caller]
    fn begin<T>(&self, f: impl FnOnce(&mut Session<C>) -> Result<T>) -> Result<T> {
        self.session().begin(f)
    }

    #[track_caller]
    fn begin_with<T, E>(&self, f: impl FnOnce(&mut Session<C>) -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error> + 'static,
    {
        self.session().begin_with(f)
    }

    fn reconnecting(&self) -> Reconnecting<C> {
        Reconnecting::new(self.clone())
    }

    #[track_caller]
    fn scope<R>(&self, f: impl FnOnce() -> R) -> R {
        crate::ambient::scope(self.session(), Location::caller(), f)
    }

    #[track_caller]
    fn sandbox(&self) -> Result<Sandbox<C>> {
        Sandbox::open(self)
    }

    #[track_caller]
    fn resolve(&self, token: &CommitToken, deadline: Duration) -> Result<Resolution> {
        verification::resolve(self, token, deadline, false, &self.cancel_token())
    }

    #[track_caller]
    fn resolve_by_force(&self, token: &CommitToken, deadline: Duration) -> Result<Resolution> {
        verification::resolve(self, token, deadline, true, &self.cancel_token())
    }

    #[track_caller]
    fn create_commit_table(&self) -> Result<()> {
        own_table::create::<CommitTable, C>(self)
    }

    #[track_caller]
    fn purge_commit_tokens(&self) -> Result<u64> {
        verification::purge(self)
    }

    #[track_caller]
    fn create_result_table(&self) -> Result<()> {
        own_table::create::<ResultTable, C>(self)
    }

    #[track_caller]
    fn purge_results(&self, older_than: Duration) -> Result<u64> {
        once::purge(self, older_than)
    }
}
