//! A connection of an engine: taken from the pool on first use, with the transaction that runs on it.
//!
//! Every call to the driver that a user asked for passes through [`Connection::call`] or, for rows that are read one by
//! one, through `load` and [`cursor`]. There an error is classified, remembered, and given back to the caller; the
//! questions that `transaction::judge` asks the server afterwards are its own.
//!
//! **Invariant:** this layer never names an entity; the identity map stands on top of it, in `session`.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use aludel_core::classify::Verdict;
use aludel_core::dialect::Characteristics;
use aludel_core::pool::{Checkout, ResetOnReturn};
use aludel_core::{
    AccessMode, CancelToken, Control, Dialect, Engine, Error, Event, ExecutionOptions, Fault, Phase, Refused, Result,
};
use diesel::connection::{Instrumentation as _, InstrumentationEvent};
use diesel::result::{DatabaseErrorKind, Error as DieselError, QueryResult};

use crate::transaction::scope::{self, Change};
use crate::transaction::{Footing, Origin, Transaction, own_fault};
use crate::verification::Wish;

mod autobegin;
mod cancel;
mod characteristics;
mod cursor;
mod diesel_impl;
mod instrumentation;
mod lending;
mod limit;
mod loan;
mod options;
mod raw_sql;
mod sandbox;
mod watch;

pub(crate) use autobegin::Autobegin;
pub use cursor::Cursor;
pub(crate) use diesel_impl::commit_a_recorded_migration;
pub(crate) use instrumentation::{FailedStatement, SharedInstrumentation};
pub(crate) use lending::Before;
pub(crate) use limit::DoneBy;
pub(crate) use raw_sql::{
    Effect, Order, Touched, bare_name, effect, order, table_written_by, touched_by_text, touched_by_type,
};

/// What makes a type `!Sync`: two threads would interleave their statements on one wire, which the server answers with
/// "commands out of sync" at best and with each other's rows at worst (SQLAlchemy's FAQ: one thread at a time).
struct SharedBetweenThreadsItWouldInterleaveStatements(PhantomData<Cell<()>>);

/// A connection with its transaction: SQLAlchemy's `Connection`, and a Diesel connection.
///
/// It takes a raw connection from the pool with its first statement, and begins a transaction with it (*autobegin*).
/// [`commit`](Self::commit) and [`rollback`](Self::rollback) end the transaction; dropping it rolls back and returns the
/// raw connection. Use a [`Session`](crate::Session) where objects are to be tracked.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let mut connection = engine.connect();
/// diesel::sql_query("CREATE TABLE notes (text TEXT NOT NULL)").execute(&mut connection)?;
/// connection.commit()?;
/// assert!(!connection.in_transaction());
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
pub struct Connection<C: Dialect> {
    engine: Engine<C>,
    checkout: Option<Checkout<C>>,
    /// Of the raw connection that was taken last, for those who read of its end.
    number: u64,
    pub(crate) transaction: Transaction,
    instrumentation: SharedInstrumentation,
    failed_statement: FailedStatement,
    /// A session gives its raw connection back between transactions; a connection keeps it.
    releases: bool,
    /// Stands before its lines in the log.
    logging_token: Option<Arc<str>>,
    /// Where it was made: what a pool's time-out names as the holder.
    place: &'static Location<'static>,
    /// The next root takes SQLite's write lock at once: a transaction that has read and then wants to write can never
    /// succeed by waiting, so the rerun after a lock begins this way.
    pub(crate) begin_immediate: bool,
    /// The raw connection still works and yet nobody should have it after us, and why: a stale prepared statement; or, while
    /// a transaction is beginning, what whoever is interrupted then would leave there.
    unfit: Option<&'static str>,
    /// What is wanted of the next root's COMMIT.
    pub(crate) wish: Wish,
    /// When the next root has to be done, as far as the server can be told; it is used up by it.
    pub(crate) done_by: Option<DoneBy>,
    /// How long a checkout may take, where that is less than `pool_timeout`.
    pub(crate) patience: Option<Duration>,
    /// Options of its own.
    options: ExecutionOptions,
    /// A function around runs in AUTOCOMMIT and has asked for this.
    pub(crate) autocommit_around: Option<Characteristics>,
    /// What was set on the raw connection beyond what it was set up with: it is put back before anybody else has it.
    standing: Characteristics,
    /// What the limit of its statements was before it was changed, where that is to be put back as well.
    standing_limit: Option<Duration>,
    /// What tells it to stop, where that is not the engine's: a count that all threads share would cost each session two
    /// atomic operations.
    cancel_token: Option<CancelToken>,
    /// It has stopped a statement of this transaction, which is left, whatever its closure makes of that.
    pub(crate) stopped: bool,
    /// Whether a statement may begin a transaction.
    pub(crate) autobegin: Autobegin,
    /// In a sandbox: whose raw connection and transaction it has.
    sandbox: Option<Box<Self>>,
    _one_thread: SharedBetweenThreadsItWouldInterleaveStatements,
}

impl<C: Dialect> Connection<C> {
    #[track_caller]
    pub(crate) fn new(engine: Engine<C>, releases: bool) -> Self {
        Self::new_at(engine, releases, Location::caller())
    }

    /// Another one of the same engine, with the engine's options. What stops this one stops it as well, and its lines in the
    /// log begin in the same way.
    pub(crate) fn sibling_at(&self, place: &'static Location<'static>) -> Self {
        let mut sibling = Self::new_at(self.engine.clone(), self.releases, place);
        sibling.obey_as(self);
        sibling
    }

    /// Obeys the token of another one, and is told of under its name.
    pub(crate) fn obey_as(&mut self, other: &Self) {
        self.cancel_token.clone_from(&other.cancel_token);
        self.logging_token.clone_from(&other.logging_token);
    }

    fn new_at(engine: Engine<C>, releases: bool, place: &'static Location<'static>) -> Self {
        Self {
            cancel_token: None,
            stopped: false,
            autobegin: Autobegin::default(),
            sandbox: None,
            engine,
            checkout: None,
            number: 0,
            transaction: Transaction::default(),
            instrumentation: SharedInstrumentation::default(),
            failed_statement: FailedStatement::default(),
            releases,
            logging_token: None,
            place,
            begin_immediate: false,
            unfit: None,
            wish: Wish::default(),
            done_by: None,
            patience: None,
            options: ExecutionOptions::new(),
            autocommit_around: None,
            standing: Characteristics::default(),
            standing_limit: None,
            _one_thread: SharedBetweenThreadsItWouldInterleaveStatements(PhantomData),
        }
    }

    /// The engine that it belongs to.
    pub fn engine(&self) -> &Engine<C> {
        &self.engine
    }

    /// Whether a transaction is open, by autobegin or explicitly.
    pub fn in_transaction(&self) -> bool {
        self.transaction.is_open()
    }

    /// Whether a savepoint is open.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut connection = engine.connect();
    /// connection.begin(|connection| {
    ///     assert!(connection.in_transaction() && !connection.in_nested_transaction());
    ///     connection.begin_nested(|nested| {
    ///         assert!(nested.in_nested_transaction());
    ///         Ok(())
    ///     })
    /// })?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn in_nested_transaction(&self) -> bool {
        self.transaction.depth() > 0
    }

    /// The number by which the server knows this connection, for `KILL` and `pg_terminate_backend`; none on SQLite.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut connection = engine.connect();
    /// assert_eq!(connection.backend_id()?, None); // SQLite has no server that could be told to kill it
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When no connection could be made, or the server did not answer.
    pub fn backend_id(&mut self) -> Result<Option<i64>> {
        self.ready()?;
        Ok(self.call(Phase::Statement, no_text, C::backend_id)?)
    }

    /// Closes the raw connection at once instead of returning it, as `invalidate` in SQLAlchemy. An open transaction is
    /// lost, and must be ended with [`rollback`](Self::rollback) before anything else.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut connection = engine.connect();
    /// diesel::sql_query("SELECT 1").execute(&mut connection)?;
    /// connection.invalidate("for a test");
    /// assert!(diesel::sql_query("SELECT 1").execute(&mut connection).is_err()); // its transaction is lost
    /// connection.rollback()?;
    /// diesel::sql_query("SELECT 1").execute(&mut connection)?; // on a new one
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn invalidate(&mut self, reason: &str) {
        self.transaction
            .doom_root(&own_fault(format!("the connection was invalidated: {reason}")));
        if let Some(checkout) = self.checkout.take() {
            checkout.invalidate(reason);
        }
    }

    /// Lends the raw connection, for what only the driver's own type can do (COPY on PostgreSQL, multi-row `INSERT …
    /// RETURNING` on SQLite). What happens inside is not watched; afterwards the server is asked whether the transaction
    /// is still open, and a transaction that is not refuses to go on.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut connection = engine.connect();
    /// let answer = connection.with_raw(|raw: &mut SqliteConnection| {
    ///     Ok(diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("42")).get_result::<i32>(raw)?)
    /// })?;
    /// assert_eq!(answer, 42);
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the closure, those of connecting, and the refusal of a transaction that has failed before.
    pub fn with_raw<T>(&mut self, f: impl FnOnce(&mut C) -> Result<T>) -> Result<T> {
        self.ready()?;
        self.transaction.wrote(|| "raw access".to_owned());
        let checkout = self.connected()?;
        checkout.set_busy(true);
        let result = f(&mut *checkout);
        checkout.set_busy(false);
        if result.is_err() {
            (**checkout).after_failed_query(); // it may have been one
            self.forget_failed_statement();
        }
        self.ask_after_raw_access(result.as_ref().err());
        match (result, self.refuse_a_transaction_left_open("raw access")) {
            (Ok(value), left) => left.map(|()| value),
            (Err(error), Err(left)) => Err(error.with_later(left)),
            (failed, Ok(())) => failed,
        }
    }

    // ---- taking and giving back -------------------------------------------------------------------------------

    /// Connects if that has not happened yet.
    pub(crate) fn connected(&mut self) -> Result<&mut Checkout<C>> {
        if self.checkout.is_none() {
            if self.engine.attachment().is_some() {
                return self.connected_in_sandbox();
            }
            let patience = self.patience.unwrap_or(self.engine.pool().options().pool_timeout);
            let mut checkout = self
                .engine
                .checkout_unless(self.place, patience, Some(self.cancel_token()))?;
            self.failed_statement = self.instrumentation.install(&mut *checkout);
            self.number = checkout.id();
            self.checkout = Some(checkout);
            self.unfit = None;
            self.standing = Characteristics::default();
            self.standing_limit = None;
            self.engine.emit(&Event::EngineConnect {
                connection: self.number,
            });
        }
        Ok(self.checkout.as_mut().expect("it was just put there"))
    }

    /// Gives the raw connection back to the pool, which resets it if a transaction is still open; and if it resets fully,
    /// since a transaction that has ended leaves settings, temporary tables and locks behind.
    pub(crate) fn release(&mut self) {
        if self.release_to_sandbox() {
            return;
        }
        if let Some(reason) = self.unfit.take() {
            self.discard(reason);
        }
        self.put_back();
        if let Some(mut checkout) = self.checkout.take() {
            SharedInstrumentation::uninstall(&mut *checkout);
            let full = self.engine.pool().options().reset_on_return == ResetOnReturn::Full;
            checkout.set_dirty(full || self.transaction.is_live());
            drop(checkout);
        }
    }

    /// The raw connection is closed instead of returned, once the transaction has ended.
    pub(crate) fn wear_out(&mut self) {
        self.unfit = Some("an error has left the connection in a state that the next one should not meet");
    }

    /// Parts with the raw connection, which nobody should trust any more.
    pub(crate) fn discard(&mut self, reason: &str) {
        let (set, connected_with) = (std::mem::take(&mut self.standing), self.engine.connected_with());
        let limit = self.standing_limit.take();
        if let Some(checkout) = self.checkout.take() {
            // A database in memory is kept if possible, but not with what its last borrower has set.
            checkout.discard_or_mend(reason, |raw| {
                SharedInstrumentation::uninstall(raw);
                let mut statements = C::settings_put_back(set, connected_with).into_iter();
                statements.all(|statement| raw.steer(statement).is_ok())
                    && limit.is_none_or(|was| raw.put_statements_back(was).is_ok())
            });
        }
    }

    /// Closes the raw connection, and every other one as old as it at its next checkout.
    pub(crate) fn retire_generation(&mut self, reason: &str) {
        if let Some(checkout) = &self.checkout {
            self.engine.pool().retire(checkout.generation(), reason);
        }
        self.discard(reason);
    }

    /// Between transactions: a session gives back what it took.
    pub(crate) fn release_between_transactions(&mut self) {
        if self.releases && (self.sandbox.is_some() || !self.transaction.is_guest()) {
            self.release();
        }
    }

    /// The raw connection, if there is one.
    pub(crate) fn raw(&mut self) -> Option<&mut C> {
        self.checkout.as_deref_mut()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.checkout.is_some()
    }

    /// Whether this process was forked from the one that made the raw connection.
    pub(crate) fn is_of_parent(&self) -> bool {
        self.checkout.as_ref().is_some_and(Checkout::is_of_parent)
    }

    /// Says in the pool's reports of holders whether a transaction is open.
    pub(crate) fn report_in_transaction(&mut self, open: bool) {
        if let Some(checkout) = &mut self.checkout {
            checkout.set_in_transaction(open);
        }
    }

    /// Whether a call to the driver was cut short.
    pub(crate) fn is_busy(&self) -> bool {
        self.checkout.as_ref().is_some_and(Checkout::is_busy)
    }

    /// The number of the raw connection in its pool, or of the last one there was; 0 before the first.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    // ---- calls to the driver ----------------------------------------------------------------------------------

    /// Makes sure that a statement may be sent: what went wrong before is judged, a transaction that has failed
    /// refuses, and otherwise one is open, or none wanted.
    pub(crate) fn ready(&mut self) -> QueryResult<()> {
        self.refuse_if_cancelled().map_err(Refused::wrap)?;
        self.settle();
        if let Some(refusal) = self.transaction.refusal() {
            return Err(refusal);
        }
        if self.transaction.is_open() {
            Ok(())
        } else if self.wanted().is_autocommit() && !self.is_guest() {
            self.enter_autocommit().map_err(Refused::wrap)
        } else {
            self.refuse_to_autobegin().map_err(Refused::wrap)?;
            let begun = self.begin_root(Origin::Autobegun, Characteristics::default());
            begun.map_err(Refused::wrap)
        }
    }

    /// One call to the driver: the fault script, the busy mark, and the error's way through the classifier.
    pub(crate) fn call<T>(
        &mut self,
        phase: Phase,
        text: impl FnOnce() -> Option<String>,
        f: impl FnOnce(&mut C) -> QueryResult<T>,
    ) -> QueryResult<T> {
        let result = self.send(phase, f);
        match result {
            Ok(value) => {
                if phase == Phase::Statement {
                    self.transaction.succeeded();
                }
                Ok(value)
            }
            Err(error) => {
                let error = self.observe(phase, text(), error);
                self.settle();
                Err(error)
            }
        }
    }

    pub(crate) fn send<T>(&mut self, phase: Phase, f: impl FnOnce(&mut C) -> QueryResult<T>) -> QueryResult<T> {
        if let Some(faults) = self.engine.faults() {
            faults.before(phase)?;
        }
        let value = self.drive(f)?;
        match self.engine.faults() {
            Some(faults) => faults.after(phase).map(|()| value),
            None => Ok(value),
        }
    }

    /// The bare call, with the mark that tells whether it was cut short.
    #[inline]
    fn drive<T>(&mut self, f: impl FnOnce(&mut C) -> QueryResult<T>) -> QueryResult<T> {
        let checkout = self.checkout.as_mut().expect("a call is made only when connected");
        checkout.set_busy(true);
        let result = f(&mut *checkout);
        checkout.set_busy(false);
        result
    }

    /// Sends a control statement.
    pub(crate) fn control(&mut self, phase: Phase, control: Control) -> QueryResult<()> {
        let watch = self.watch_control(control);
        let text = || Some(control.sql().into_owned());
        let result = watch.inside(|| self.call(phase, text, |raw| raw.control(control)));
        watch.finish(None, result.is_err());
        result
    }

    /// Classifies an error and remembers it; its damage is judged by [`settle`](Self::settle).
    pub(crate) fn observe(&mut self, phase: Phase, statement: Option<String>, error: DieselError) -> DieselError {
        observe(
            &self.engine,
            self.number(),
            &mut self.transaction,
            phase,
            (statement, self.failed_statement),
            error,
        )
    }

    /// What was heard of a statement that nobody will be told of.
    pub(crate) fn forget_failed_statement(&self) {
        self.failed_statement.take();
    }

    /// Tells Diesel's instrumentation, which expects to hear of transactions before they happen. It only looks on here: one
    /// that panics keeps no transaction from its beginning or its end.
    pub(crate) fn instrument(&mut self, event: InstrumentationEvent<'_>) {
        if self.instrumentation.is_none() {
            return;
        }
        // Unwind safety: what is told may be left half-told.
        if catch_unwind(AssertUnwindSafe(|| self.instrumentation.on_connection_event(event))).is_err() {
            tracing::error!(target: "aludel.session", "an instrumentation panicked; the transaction goes on as if it had not");
        }
    }

    // ---- ending -----------------------------------------------------------------------------------------------

    /// Commits the transaction; without one, does nothing.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut connection = engine.connect();
    /// diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(&mut connection)?; // begins by itself
    /// connection.commit()?;
    /// assert!(!connection.in_transaction());
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the transaction has failed before (nothing is written, it is rolled back), when the server refuses
    /// (likewise), or with [`Error::is_commit_unknown`] when the answer never came. In a test transaction
    /// (`begin_test_transaction`) it releases a savepoint. Inside a scope (`begin`,
    /// `begin_nested`, `#[retry]`) it is refused, since returning `Ok` is what commits there.
    pub fn commit(&mut self) -> Result<()> {
        self.refuse_inside_scope("commit")?;
        scope::commit_alone(self)
    }

    /// Rolls the transaction back, with all its savepoints; without one, does nothing.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut connection = engine.connect();
    /// diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(&mut connection)?;
    /// connection.rollback()?;
    /// diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(&mut connection)?; // it is not there any more
    /// # connection.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When called inside a scope, where returning an error is what rolls back. A connection that cannot be told to
    /// roll back is closed, which rolls back as well, and is no error.
    pub fn rollback(&mut self) -> Result<()> {
        self.refuse_inside_scope("rollback")?;
        scope::rollback_alone(self);
        self.begin_a_lost_test_anew()
    }

    /// Rolls back what is open and returns the raw connection. It stays usable, and takes another one when needed. In a test
    /// transaction (`begin_test_transaction`) it keeps that, and the raw connection.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut connection = engine.connect();
    /// diesel::sql_query("SELECT 1").execute(&mut connection)?;
    /// connection.close()?;
    /// assert_eq!(engine.pool().checkedout(), 0);
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When called inside a scope.
    pub fn close(&mut self) -> Result<()> {
        self.end_what_is_its_own()?;
        self.transaction.follow(Change::Closed);
        Ok(())
    }

    /// What `close` does on the server; hooks and objects have still to follow.
    pub(crate) fn end_what_is_its_own(&mut self) -> Result<()> {
        self.refuse_inside_scope("close")?;
        if !self.leave_to_external() {
            self.rollback_root();
        }
        if self.sandbox.is_some() || !self.transaction.is_guest() {
            self.release();
        }
        Ok(())
    }

    pub(crate) fn refuse_inside_scope(&self, verb: &str) -> Result<()> {
        if self.transaction.in_scope() {
            return Err(Error::misuse(format!(
                "{verb}() inside begin, begin_nested, transaction or #[retry] would end the transaction under its \
                 owner; return Ok to commit, Err to roll back"
            )));
        }
        Ok(())
    }

    /// Whether nobody would miss what is open.
    pub(crate) fn footing(&mut self) -> Footing {
        self.settle();
        self.transaction.footing()
    }

    /// What a drop does: the transaction is rolled back, and whoever is listening learns of lost writes.
    #[inline]
    pub(crate) fn abandon(&mut self, also_unflushed: Option<&str>) {
        let idle = !self.transaction.has_begun() && !self.transaction.is_streaming() && !self.transaction.has_hooks();
        if !idle || also_unflushed.is_some() || self.is_connected() || self.sandbox.is_some() {
            self.abandon_what_is_left(also_unflushed);
        }
    }

    fn abandon_what_is_left(&mut self, also_unflushed: Option<&str>) {
        if (std::thread::panicking() || self.transaction.is_streaming()) && !self.stays_after_an_exit() {
            // Nobody knows in which state the caller was interrupted.
            if self.transaction.has_begun() || self.transaction.is_streaming() || self.transaction.is_guest() {
                self.transaction.doom_root(&own_fault("dropped in a panic"));
                self.discard("dropped in the middle of a transaction by a panic");
                self.rollback_root();
            }
        }
        let written = self.transaction.first_write().map(str::to_owned);
        if self.sandbox.is_none() {
            self.transaction.take_all_back();
        }
        let written = written.or_else(|| self.transaction.first_write().map(str::to_owned));
        let lost = written.or_else(|| also_unflushed.map(str::to_owned));
        // In a forked child nothing is lost: the parent goes on with it.
        let of_parent = self.is_of_parent();
        let kept = self.transaction.is_test() || of_parent;
        if let (Some(first_write), false) = (lost, kept) {
            self.engine.emit(&Event::DroppedUncommitted {
                first_write: &first_write,
            });
        }
        if self.transaction.has_begun() {
            self.rollback_root();
        }
        self.release();
        self.transaction
            .follow(if of_parent { Change::Forgotten } else { Change::Closed });
    }
}

/// See [`Connection::observe`]; free of the connection, so that a cursor can call it while the connection is lent out. What
/// was heard of the statement is taken also where its text is known: it would be told of a later one.
pub(crate) fn observe<C: Dialect>(
    engine: &Engine<C>,
    number: u64,
    transaction: &mut Transaction,
    phase: Phase,
    (statement, heard): (Option<String>, FailedStatement),
    error: DieselError,
) -> DieselError {
    let heard = heard.take();
    let statement = statement.or(heard);
    let (mut fault, error) = Fault::record(C::FLAVOUR, phase, statement, error);
    if transaction.has_begun() && transaction.characteristics.access_mode == Some(AccessMode::ReadOnly) {
        fault = fault.with_verdict(fault.verdict().asked_to_be_read_only());
    }
    if engine.faults().is_some() && fault.kind() == Some(DatabaseErrorKind::ClosedConnection) {
        // A script's word is enough: asked, the connection that it has closed would answer.
        fault = fault.with_verdict(Verdict {
            by_text: false,
            ..fault.verdict()
        });
    }
    if !transaction.skip_user_error_events {
        fault = engine.reconsider(number, fault);
    }
    fault.keep_for_conversion();
    engine.emit(&Event::Fault {
        connection: number,
        class: fault.verdict().class,
        phase,
        message: fault.message(),
    });
    transaction.note(fault);
    error
}

pub(crate) fn no_text() -> Option<String> {
    None
}

impl<C: Dialect> Drop for Connection<C> {
    fn drop(&mut self) {
        self.abandon(None);
    }
}

impl<C: Dialect> fmt::Debug for Connection<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("engine", &self.engine)
            .field("connection", &self.number())
            .field("in_transaction", &self.in_transaction())
            .field("depth", &self.transaction.depth())
            .finish_non_exhaustive()
    }
}
