//! The session: a connection, the objects that were read and added through it, and hooks that wait for its commit.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use aludel_core::pool::Extensions;
use aludel_core::{CancelToken, Dialect, Engine, Error, Result};

use crate::connection::{Before, Connection};
use crate::factory::Recipe;
use crate::model::IdentityMap;
use crate::retry::IntoRetryPolicy;
use crate::transaction::scope::{self, Change, Unit};
use crate::transaction::stage::Asked;
use crate::transactional::TransactionPolicy;

mod before_flush;
mod characteristics;
mod diesel_impl;
mod ends;
mod entities;
mod events;
mod flush;
mod hooks;
mod info;
mod loan;
mod once;

pub use entities::{ObjectQuery, ObjectState, Objects};
pub(crate) use events::SessionListener;
pub use events::{SessionEvent, SessionFacts, SessionTransaction};
pub(crate) use hooks::SharedRun;

use before_flush::BeforeFlush;
use events::Ears;
use flush::Flushes;
use hooks::BeforeCommit;

/// SQLAlchemy's `Session`: a Diesel connection with transactions that tell the truth and an identity map.
///
/// It takes a raw connection with its first statement, begins a transaction with it, and returns the connection when
/// the transaction ends. A session belongs to one call stack; it may be moved to another thread, not shared.
///
/// Three ways to use it:
///
/// - **as you go:** statements, then [`commit`](Self::commit); dropping it rolls back;
/// - **scoped:** [`begin`](Self::begin), or `engine.begin`, commits on `Ok` and rolls back on `Err` or a panic;
/// - **rerun:** a `#[retry]` function, which is a whole transaction that runs again when that is safe.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// diesel::table! { notes (id) { id -> Integer, text -> Text, } }
///
/// #[derive(Model, Queryable, Selectable, Clone, Debug)]
/// #[diesel(table_name = notes)]
/// struct Note { id: i32, text: String }
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let mut session = engine.session();
/// diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)").execute(&mut session)?;
/// let note = session.add(Note { id: 0, text: "hello".to_owned() });
/// session.commit()?;
/// assert_eq!(session[note].id, 1); // the database has made the key
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
pub struct Session<C: Dialect> {
    connection: Connection<C>,
    objects: IdentityMap<C>,
    flushes: Flushes,
    before_commit: BeforeCommit<C>,
    before_flush: BeforeFlush<C>,
    ears: Ears,
    info: Option<Box<Extensions>>,
    /// What it was made by, if that has anything to say.
    factory: Option<Arc<Recipe<C>>>,
    /// What its connection had before it was this session's, if it was anything.
    before: Option<Box<Before>>,
}

impl<C: Dialect> Session<C> {
    #[track_caller]
    pub(crate) fn new(engine: Engine<C>) -> Self {
        Self::on_connection(Connection::new(engine, true), None)
    }

    /// A session on this connection, as its factory has it.
    pub(crate) fn on_connection(connection: Connection<C>, factory: Option<Arc<Recipe<C>>>) -> Self {
        let number = connection.engine().next_session_number();
        let mut session = Self {
            connection,
            objects: IdentityMap::new(number),
            flushes: Flushes::default(),
            before_commit: BeforeCommit::default(),
            before_flush: BeforeFlush::default(),
            ears: Ears::default(),
            info: None,
            factory: None,
            before: None,
        };
        if let Some(factory) = factory {
            session.is_made_by(factory);
        }
        session
    }

    fn is_made_by(&mut self, factory: Arc<Recipe<C>>) {
        self.before = Some(Box::new(self.connection.take_up(&factory)));
        self.objects.keep_on_commit(!factory.expire_on_commit);
        self.flushes.by_itself = factory.autoflush;
        self.ears.listeners.clone_from(&factory.listeners);
        if !self.ears.is_empty() {
            self.objects.listen();
        }
        for copy in &factory.info {
            copy(self.info_mut());
        }
        self.factory = Some(factory);
    }

    pub(crate) fn connection_mut(&mut self) -> &mut Connection<C> {
        &mut self.connection
    }

    /// What its connection had before this session came.
    pub(crate) fn take_before(&mut self) -> Option<Before> {
        self.before.take().map(|before| *before)
    }

    /// Another session of the same kind, for work that is not to share this one's transaction. It obeys the same token.
    pub(crate) fn sibling_at(&self, place: &'static Location<'static>) -> Self {
        let mut sibling = Self::on_connection(self.connection.sibling_at(place), self.factory.clone());
        // What this one was told since its factory has made it.
        sibling.connection.obey_as(&self.connection);
        sibling
    }

    /// The engine that it belongs to.
    pub fn engine(&self) -> &Engine<C> {
        self.connection.engine()
    }

    /// Whether a transaction is open, by autobegin or explicitly.
    pub fn in_transaction(&self) -> bool {
        self.connection.in_transaction()
    }

    /// Whether a savepoint is open.
    pub fn in_nested_transaction(&self) -> bool {
        self.connection.in_nested_transaction()
    }

    /// What stands before each of its lines in the log; see [`Connection::set_logging_token`].
    pub fn set_logging_token(&mut self, token: Option<&str>) {
        self.connection.set_logging_token(token);
    }

    /// The token that it obeys: the engine's, unless it was given another.
    pub fn cancel_token(&self) -> &CancelToken {
        self.connection.cancel_token()
    }

    /// Gives it a token of its own, in the place of the engine's: a child of that one for a request with a limit of its own,
    /// or a stranger for work that goes on after a shutdown. It holds from the next statement on, for as long as the session
    /// exists.
    ///
    /// Once it is cancelled, the next statement answers [`Exit`](aludel_core::Exit) without being sent (in a
    /// [`diesel::result::Error`] that turns into an [`Error`] with [`is_exit`](Error::is_exit)), a COMMIT that was not sent
    /// yet becomes a rollback and the same error, and a retry does not run again, not even after a pause. A statement that
    /// is on its way comes to its own end.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut session = engine.session();
    /// let request = engine.cancel_token().child_token(); // obeys a shutdown, too
    /// session.set_cancel_token(request.clone());
    /// request.cancel("the client has gone");
    /// let error = session.begin(|session| Ok(diesel::sql_query("SELECT 1").execute(session)?)).unwrap_err();
    /// assert!(error.is_exit() && !error.is_retryable());
    /// assert_eq!(error.to_string(), "exit: the client has gone");
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn set_cancel_token(&mut self, token: CancelToken) {
        self.connection.set_cancel_token(token);
    }

    /// Keeps the engine's `handle_error` hooks away; see [`Connection::set_skip_user_error_events`].
    pub fn set_skip_user_error_events(&mut self, skip: bool) {
        self.connection.set_skip_user_error_events(skip);
    }

    /// Whether the innermost transaction has failed and takes nothing but its rollback.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let lost = engine.begin(|session| {
    ///     session.invalidate("for a test");
    ///     assert!(session.is_doomed());
    ///     Ok(())
    /// });
    /// assert!(lost.unwrap_err().is_doomed());
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn is_doomed(&mut self) -> bool {
        self.connection.settle();
        self.connection.transaction.doom().is_some()
    }

    /// Runs the closure in a transaction: committed on `Ok`, rolled back on `Err` and on a panic.
    ///
    /// Inside a transaction that was begun explicitly it joins that one. A transaction that began by itself and has only
    /// read is ended first; one that has written is the caller's to end.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut session = engine.session();
    /// let changed = session.begin(|session| {
    ///     diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(session)?;
    ///     Ok(diesel::sql_query("INSERT INTO t VALUES (1)").execute(session)?)
    /// })?;
    /// assert_eq!(changed, 1);
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The closure's; those of BEGIN and COMMIT; [`Error::is_transaction_already_open`].
    ///
    /// # Panics
    ///
    /// Only with the closure's own panic, after the transaction was rolled back and its connection closed.
    #[track_caller]
    pub fn begin<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        scope::begin(self, f)
    }

    /// [`begin`](Self::begin) for closures with an error type of their own.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut session = engine.session();
    /// let refused: Result<(), Box<dyn std::error::Error>> = session.begin_with(|_session| Err("no".into()));
    /// assert_eq!(refused.unwrap_err().to_string(), "no");
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same.
    #[track_caller]
    pub fn begin_with<T, E>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error> + 'static,
    {
        scope::begin(self, f)
    }

    /// Runs the closure in a savepoint: released on `Ok`, rolled back to on `Err` and on a panic. What is pending is
    /// written before it is set (`begin_nested` in SQLAlchemy).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// engine.begin(|session| {
    ///     diesel::sql_query("CREATE TABLE t (a INTEGER PRIMARY KEY)").execute(session)?;
    ///     let twice = session.begin_nested(|nested| {
    ///         diesel::sql_query("INSERT INTO t VALUES (1)").execute(nested)?;
    ///         diesel::sql_query("INSERT INTO t VALUES (1)").execute(nested)?;
    ///         Ok(())
    ///     });
    ///     assert!(twice.is_err()); // and the transaction goes on without either row
    ///     Ok(())
    /// })?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The closure's. When RELEASE or ROLLBACK TO itself fails the whole transaction is doomed.
    ///
    /// # Panics
    ///
    /// Only with the closure's own panic; the whole transaction is then doomed and its connection closed.
    pub fn begin_nested<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        scope::begin_nested(self, f)
    }

    /// [`begin_nested`](Self::begin_nested) for closures with an error type of their own.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// engine.begin(|session| {
    ///     let refused: Result<(), Box<dyn std::error::Error>> = session.begin_nested_with(|_nested| Err("no".into()));
    ///     assert_eq!(refused.unwrap_err().to_string(), "no");
    ///     Ok(()) // and the transaction goes on
    /// })?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same.
    pub fn begin_nested_with<T, E>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error> + 'static,
    {
        scope::begin_nested(self, f)
    }

    /// Runs the closure as `#[retry]` runs its function: a whole transaction, from the start again after a disconnect,
    /// a deadlock or a serialization failure; inside a transaction it joins and passes a failure up. What the policy does not
    /// say is the engine's ([`EngineBuilder::retry_policy`](aludel_core::EngineBuilder::retry_policy)), and else built in.
    ///
    /// What the closure does to the rest of the world happens again; see [`on_commit`](Self::on_commit).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use aludel::RetryPolicy;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let one = engine.session().retry(&RetryPolicy::new(), |session| {
    ///     Ok(diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("1")).get_result::<i32>(session)?)
    /// })?;
    /// assert_eq!(one, 1);
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The closure's last one, once there is no attempt or no time left, or when running again would not be safe; of kind
    /// [`BudgetExhausted`](aludel_core::ErrorKind::BudgetExhausted) where too much has run again already. With
    /// [`retry_report`](Error::retry_report) it tells all that was tried.
    #[track_caller]
    pub fn retry<T>(&mut self, policy: &impl IntoRetryPolicy, f: impl FnMut(&mut Self) -> Result<T>) -> Result<T> {
        crate::retry::retry(self, policy, Asked::default(), "closure", f)
    }

    /// Runs the closure as `#[transactional]` runs its function: by default in the transaction that is open, and otherwise in
    /// one of its own; see [`Propagation`](crate::Propagation) for the other ways.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use aludel::{Propagation, TransactionPolicy};
    /// use diesel::prelude::*;
    ///
    /// const NEVER: TransactionPolicy = TransactionPolicy::new().propagation(Propagation::Never);
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut session = engine.session();
    /// session.transactional(&NEVER, |session| Ok(diesel::sql_query("VACUUM").execute(session)?))?; // in AUTOCOMMIT
    ///
    /// let refused = session.begin(|session| session.transactional(&NEVER, |_| Ok(()))).unwrap_err();
    /// assert!(refused.to_string().contains("inside a transaction"));
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The closure's; those of BEGIN and COMMIT; a transaction that is open, or missing, against the policy's word.
    ///
    /// # Panics
    ///
    /// Only with the closure's own panic.
    #[track_caller]
    pub fn transactional<T>(
        &mut self,
        policy: &TransactionPolicy,
        f: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        crate::transactional::transactional(self, policy, Asked::default(), "the closure", f)
    }

    /// What every statement that goes through the session does first: objects follow the transaction that begins with
    /// it, and what is pending is written (*autoflush*).
    pub(crate) fn about_to_use(&mut self) -> Result<()> {
        self.follow_a_beginning();
        if self.connection.stands_in_autocommit() {
            // Each statement is a transaction, and others may have committed since the last one.
            self.objects.leave();
        }
        if self.flushes.by_itself && self.objects.is_pending() {
            return self.flush().map_err(Error::from_autoflush);
        }
        if !self.ears.is_empty() {
            self.connection.ready()?;
            self.tell_begun();
        }
        Ok(())
    }
}

impl<C: Dialect> Session<C> {
    /// Objects follow the transaction that the next statement begins, if there is none.
    fn follow_a_beginning(&mut self) {
        if !self.connection.transaction.has_begun() {
            self.follow(Change::Beginning);
        }
    }
}

impl<C: Dialect> Unit for Session<C> {
    type Raw = C;

    fn connection(&mut self) -> &mut Connection<C> {
        &mut self.connection
    }

    fn flush(&mut self) -> Result<()> {
        Self::flush(self)
    }

    fn pending(&self) -> Option<String> {
        self.objects.describe_pending()
    }

    fn before_commit(&mut self) -> Result<()> {
        self.tell(|session| SessionEvent::BeforeCommit {
            session,
            transaction: SessionTransaction::Root,
        });
        if self.connection.transaction.is_open() {
            self.run_before_commit()
        } else {
            Ok(())
        }
    }

    fn before_release(&mut self, depth: usize) {
        let transaction = SessionTransaction::Nested { depth };
        self.tell(|session| SessionEvent::BeforeCommit { session, transaction });
    }

    fn follow(&mut self, change: Change) {
        self.tell_before(change);
        self.objects.follow(change);
        self.tell_changed();
        self.before_commit.follow(change);
        self.tell_after(change);
        self.connection.follow_hooks(change);
    }

    #[track_caller]
    fn sibling(&mut self) -> Self {
        self.sibling_at(Location::caller())
    }
}

impl<C: Dialect> Unit for Connection<C> {
    type Raw = C;

    fn connection(&mut self) -> &mut Self {
        self
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn pending(&self) -> Option<String> {
        None
    }

    fn before_commit(&mut self) -> Result<()> {
        Ok(())
    }

    fn before_release(&mut self, _: usize) {}

    fn follow(&mut self, change: Change) {
        self.follow_hooks(change);
    }

    #[track_caller]
    fn sibling(&mut self) -> Self {
        self.sibling_at(Location::caller())
    }
}

impl<C: Dialect> Connection<C> {
    /// Runs the closure in a transaction; see [`Session::begin`].
    ///
    /// # Errors
    ///
    /// The closure's; those of BEGIN and COMMIT; [`Error::is_transaction_already_open`].
    ///
    /// # Panics
    ///
    /// Only with the closure's own panic.
    #[track_caller]
    pub fn begin<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        scope::begin(self, f)
    }

    /// Runs the closure in a savepoint; see [`Session::begin_nested`].
    ///
    /// # Errors
    ///
    /// The closure's, and those of the savepoint.
    ///
    /// # Panics
    ///
    /// Only with the closure's own panic.
    pub fn begin_nested<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        scope::begin_nested(self, f)
    }
}

impl<C: Dialect> Drop for Session<C> {
    fn drop(&mut self) {
        let pending = self.objects.describe_pending();
        self.connection.abandon(pending.as_deref());
        self.tell_after(Change::Closed);
    }
}

impl<C: Dialect> fmt::Debug for Session<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transaction = &self.connection.transaction;
        let mut told = f.debug_struct("Session");
        told.field("number", &self.number());
        told.field("engine", &format_args!("{}", self.engine().url()));
        if self.connection.stands_in_autocommit() {
            told.field("transaction", &format_args!("none (AUTOCOMMIT)"));
        } else if !transaction.is_open() {
            told.field("transaction", &format_args!("none"));
        } else {
            let words = match transaction.depth() {
                0 => "open".to_owned(),
                1 => "open, with 1 savepoint".to_owned(),
                depth => format!("open, with {depth} savepoints"),
            };
            told.field("transaction", &format_args!("{words}"));
        }
        if let Some(fault) = transaction.doom() {
            told.field("doomed by", &format_args!("{fault}"));
        }
        told.field("objects", &self.objects);
        if let Some(pending) = self.objects.describe_pending() {
            told.field("waiting", &format_args!("{pending}"));
        }
        told.finish_non_exhaustive()
    }
}
