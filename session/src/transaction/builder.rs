//! One transaction with an isolation level and a mode of its own.

use std::fmt;

use aludel_core::{AccessMode, Deferrable, Dialect, Error, IsolationLevel, Result};

use super::scope;
use super::stage::Asked;
use crate::connection::Connection;
use crate::retry::IntoRetryPolicy;
use crate::session::Session;

/// Builds one transaction: made by [`Session::build_transaction`] and [`Connection::build_transaction`], as Diesel's
/// `PgConnection::build_transaction`, and for every database. What is not said is as for any other transaction.
///
/// | | PostgreSQL | MariaDB, MySQL | SQLite |
/// |---|---|---|---|
/// | isolation level | in BEGIN | `SET TRANSACTION`, one round trip | `PRAGMA read_uncommitted`, put back |
/// | read-only | in BEGIN | `START TRANSACTION READ ONLY` | `PRAGMA query_only`, put back |
/// | deferrable | in BEGIN | refused | refused |
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let mut session = engine.session();
/// let refused = session.build_transaction().serializable().read_only().run(|session| {
///     Ok(diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(session)?)
/// });
/// assert!(refused.is_err());
/// session.begin(|session| Ok(diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(session)?))?; // the next one may
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
#[must_use = "a transaction runs only with `run`, `run_with` or `retry`"]
pub struct TransactionBuilder<'a, U> {
    unit: &'a mut U,
    asked: Asked,
}

impl<'a, U> TransactionBuilder<'a, U> {
    pub(crate) fn new(unit: &'a mut U) -> Self {
        Self {
            unit,
            asked: Asked::default(),
        }
    }

    /// Its COMMIT can be verified: what it has written is accompanied by a token, which
    /// [`Error::commit_token`] tells if the answer to COMMIT never comes; see
    /// [`when_commit_is_lost`](crate::when_commit_is_lost). One that it joins is verified from then on.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// engine.session().build_transaction().verified().run(|session| {
    ///     diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(session)?;
    ///     Ok(())
    /// })?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn verified(mut self) -> Self {
        self.asked.wish.verified = Some(true);
        self
    }

    /// Its isolation level.
    pub fn isolation_level(mut self, level: IsolationLevel) -> Self {
        self.asked.own.isolation_level = Some(level);
        self
    }

    /// `READ COMMITTED`.
    pub fn read_committed(self) -> Self {
        self.isolation_level(IsolationLevel::ReadCommitted)
    }

    /// `REPEATABLE READ`.
    pub fn repeatable_read(self) -> Self {
        self.isolation_level(IsolationLevel::RepeatableRead)
    }

    /// `SERIALIZABLE`. A conflict with another transaction is then an error of either: see [`retry`](Self::retry).
    pub fn serializable(self) -> Self {
        self.isolation_level(IsolationLevel::Serializable)
    }

    /// Whether it may write.
    pub fn access_mode(mut self, mode: AccessMode) -> Self {
        self.asked.own.access_mode = Some(mode);
        self
    }

    /// It may not write.
    pub fn read_only(self) -> Self {
        self.access_mode(AccessMode::ReadOnly)
    }

    /// It may write.
    pub fn read_write(self) -> Self {
        self.access_mode(AccessMode::ReadWrite)
    }

    /// If it is serializable and read-only, it may wait until it can run without ever being aborted; PostgreSQL only.
    pub fn deferrable(mut self) -> Self {
        self.asked.own.deferrable = Some(Deferrable::Deferrable);
        self
    }

    /// It begins at once; PostgreSQL only.
    pub fn not_deferrable(mut self) -> Self {
        self.asked.own.deferrable = Some(Deferrable::NotDeferrable);
        self
    }
}

impl<C: Dialect> TransactionBuilder<'_, Session<C>> {
    /// Runs the closure in the transaction; see [`Session::begin`].
    ///
    /// # Errors
    ///
    /// The closure's; those of BEGIN and COMMIT; what the database does not have; a transaction that is open already and
    /// has other characteristics.
    ///
    /// # Panics
    ///
    /// Only with the closure's own panic.
    #[track_caller]
    pub fn run<T>(self, f: impl FnOnce(&mut Session<C>) -> Result<T>) -> Result<T> {
        self.run_with(f)
    }

    /// [`run`](Self::run) for closures with an error type of their own.
    ///
    /// # Errors
    ///
    /// The same.
    ///
    /// # Panics
    ///
    /// Only with the closure's own panic.
    #[track_caller]
    pub fn run_with<T, E>(self, f: impl FnOnce(&mut Session<C>) -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error> + 'static,
    {
        self.asked.check(C::FLAVOUR)?;
        scope::begin_as(self.unit, self.asked, f)
    }

    /// Runs the closure as [`Session::retry`] does: from the start again after a serialization failure.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::RetryPolicy;
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let one = engine.session().build_transaction().serializable().retry(&RetryPolicy::new(), |session| {
    ///     Ok(diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("1")).get_result::<i32>(session)?)
    /// })?;
    /// assert_eq!(one, 1);
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run), once there is no attempt or no time left, or when running again would not be safe.
    #[track_caller]
    pub fn retry<T>(self, policy: &impl IntoRetryPolicy, f: impl FnMut(&mut Session<C>) -> Result<T>) -> Result<T> {
        self.asked.check(C::FLAVOUR)?;
        crate::retry::retry(self.unit, policy, self.asked, "closure", f)
    }
}

impl<C: Dialect> TransactionBuilder<'_, Connection<C>> {
    /// Runs the closure in the transaction; see [`Session::begin`].
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut connection = engine.connect();
    /// connection.build_transaction().read_only().run(|connection| {
    ///     assert_eq!(connection.access_mode()?, AccessMode::ReadOnly);
    ///     Ok(())
    /// })?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for a session.
    ///
    /// # Panics
    ///
    /// Only with the closure's own panic.
    #[track_caller]
    pub fn run<T>(self, f: impl FnOnce(&mut Connection<C>) -> Result<T>) -> Result<T> {
        self.asked.check(C::FLAVOUR)?;
        scope::begin_as(self.unit, self.asked, f)
    }
}

impl<U> fmt::Debug for TransactionBuilder<'_, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionBuilder")
            .field("own", &self.asked.own)
            .finish_non_exhaustive()
    }
}
