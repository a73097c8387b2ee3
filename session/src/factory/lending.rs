//! Sessions on a connection that somebody has already, and in the transaction that it may be in.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use aludel_core::{Dialect, Result};

use super::SessionFactory;
use crate::connection::Connection;
use crate::session::Session;
use crate::transaction::Rule;

impl<C: Dialect> SessionFactory<C> {
    /// A session on this connection, which it takes (`Session(bind=connection)` in SQLAlchemy);
    /// [`into_connection`](Session::into_connection) gives it back. The connection's engine is the session's.
    ///
    /// Where the connection is in a transaction, the session joins it as
    /// [`join_transaction_mode`](Self::join_transaction_mode) has it. Where it is in none, the session's transactions are as
    /// ever, and the connection keeps its raw connection between them. Whichever it is, [`close`](Session::close) ends nothing
    /// that is not the session's. A session that is dropped takes its connection along, which rolls everything back; use
    /// [`on`](Self::on) where the connection is only lent.
    ///
    /// Inside somebody else's transaction nothing runs again: `#[retry]` and [`retry`](Session::retry) run once, and pass a
    /// failure up. What has spoilt the whole transaction (a lost connection, a deadlock on MariaDB) is told to whoever uses it
    /// next, session or owner, and it cannot be committed.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use aludel::{JoinTransactionMode, SessionFactory};
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut connection = engine.connect();
    /// diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(&mut connection)?; // a transaction begins
    ///
    /// let factory = SessionFactory::new(&engine).join_transaction_mode(JoinTransactionMode::CreateSavepoint);
    /// let mut session = factory.session_on(connection);
    /// session.begin(|session| Ok(diesel::sql_query("INSERT INTO t VALUES (1)").execute(session)?))?;
    /// let refused: aludel::Result<()> = session.begin(|session| {
    ///     diesel::sql_query("INSERT INTO t VALUES (2)").execute(session)?;
    ///     Err(aludel::Error::other("changed my mind"))
    /// });
    /// assert!(refused.is_err());
    ///
    /// let mut connection = session.into_connection();
    /// assert!(connection.in_transaction());
    /// assert_eq!(diesel::sql_query("DELETE FROM t").execute(&mut connection)?, 1);
    /// connection.commit()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// See "Joining a Session into an External Transaction" in
    /// [SQLAlchemy's documentation](https://docs.sqlalchemy.org/en/20/orm/session_transaction.html).
    pub fn session_on(&self, connection: Connection<C>) -> Session<C> {
        let mut session = Session::on_connection(connection, Some(Arc::clone(&self.recipe)));
        session.connection_mut().settle();
        session.connection_mut().transaction.lend(Rule::Join(self.recipe.join));
        session
    }

    /// Lends this connection to a session for as long as the closure runs: [`session_on`](Self::session_on) with the connection
    /// put back, whichever way the closure is left. What the session has begun itself and not committed is rolled back then.
    ///
    /// It is how a session is put into a transaction that a scope of the connection's has begun.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::SessionFactory;
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let factory = SessionFactory::new(&engine);
    /// engine.connect().begin(|connection| {
    ///     diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(connection)?;
    ///     factory.on(connection, |session| {
    ///         session.on_commit(|| println!("told when the outer transaction has committed"));
    ///         session.begin(|session| Ok(diesel::sql_query("INSERT INTO t VALUES (1)").execute(session)?))
    ///     })?;
    ///     Ok(())
    /// })?; // COMMIT
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The closure's.
    ///
    /// # Panics
    ///
    /// Only with the closure's own panic. If it comes in the middle of what the session has begun, the raw connection is closed,
    /// and the transaction is lost with it.
    pub fn on<T>(&self, connection: &mut Connection<C>, f: impl FnOnce(&mut Session<C>) -> Result<T>) -> Result<T> {
        self.on_with(connection, f)
    }

    /// [`on`](Self::on) for closures that answer something else.
    pub fn on_with<R>(&self, connection: &mut Connection<C>, f: impl FnOnce(&mut Session<C>) -> R) -> R {
        let stand_in = Connection::new(connection.engine().clone(), false);
        let mut session = self.session_on(std::mem::replace(connection, stand_in));
        // Unwind safety: what is left of the session is thrown away, and its transaction with it.
        let result = catch_unwind(AssertUnwindSafe(|| f(&mut session)));
        if result.is_err() {
            session.connection_mut().is_left_by_a_panic();
        }
        *connection = session.leave(true);
        result.unwrap_or_else(|payload| resume_unwind(payload))
    }
}

impl<C: Dialect> Session<C> {
    /// The connection that this session is on, with whatever is still open on it: a transaction that the session has begun, and
    /// one that it was put into. A savepoint of the session's is not left behind: what was not committed in it is rolled back.
    /// Hooks that wait for a commit or a rollback wait on; those before a commit go with the session, and so do its objects.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut session = engine.session();
    /// diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(&mut session)?;
    /// let mut connection = session.into_connection();
    /// connection.commit()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn into_connection(mut self) -> Connection<C> {
        self.leave(false)
    }

    pub(crate) fn leave(&mut self, closes: bool) -> Connection<C> {
        self.connection_mut().is_left(closes);
        let stand_in = Connection::new(self.engine().clone(), false);
        let mut connection = std::mem::replace(self.connection_mut(), stand_in);
        connection.keep();
        if let Some(before) = self.take_before() {
            connection.put_down(before);
        }
        connection
    }
}
