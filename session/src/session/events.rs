//! What a session tells its listeners, in SQLAlchemy's order.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use aludel_core::Dialect;
use aludel_core::pool::Extensions;

use super::{ObjectState, Session};
use crate::transaction::scope::Change;

/// One thing that happened to a session (SQLAlchemy's `SessionEvents`). Listeners only observe: they are lent no session, and
/// one that panics is logged and changes nothing. What acts is a hook: [`Session::before_commit`], [`Session::on_commit`],
/// [`Session::on_rollback`].
///
/// A session that writes an object and commits tells, in this order: `after_transaction_create`, `before_commit`,
/// `before_flush`, `after_transaction_create` (the flush has one of its own, as in SQLAlchemy), `after_begin`, `after_flush`,
/// `after_flush_postexec`, `after_transaction_end`, `after_commit`, `after_transaction_end`. One that is rolled back tells
/// `after_rollback`, `after_transaction_end`, `after_soft_rollback`. Hooks run after all of these.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use std::sync::{Arc, Mutex};
///
/// use aludel::prelude::*;
/// use aludel::SessionFactory;
/// use diesel::prelude::*;
///
/// let heard = Arc::new(Mutex::new(Vec::new()));
/// let log = Arc::clone(&heard);
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let factory = SessionFactory::new(&engine).listen(move |event| log.lock().unwrap().push(event.name()));
/// factory.begin(|session| Ok(diesel::sql_query("SELECT 1").execute(session)?))?;
/// let expected = ["after_transaction_create", "after_begin", "before_commit", "after_commit", "after_transaction_end"];
/// assert_eq!(*heard.lock().unwrap(), expected);
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
///
/// See "Session Events" in [SQLAlchemy's documentation](https://docs.sqlalchemy.org/en/20/orm/events.html#session-events).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum SessionEvent<'a> {
    /// A transaction, a savepoint or a flush begins; nothing was sent for it yet.
    AfterTransactionCreate {
        /// Whose it is.
        session: SessionFacts<'a>,
        /// What begins.
        transaction: SessionTransaction,
    },
    /// A transaction or a savepoint ends, or a flush, however; it comes after [`AfterCommit`](Self::AfterCommit) or
    /// [`AfterRollback`](Self::AfterRollback). Of a transaction that began by itself, has only read, and was ended to make
    /// room for another one, nothing else is told.
    AfterTransactionEnd {
        /// Whose it is.
        session: SessionFacts<'a>,
        /// What ends.
        transaction: SessionTransaction,
    },
    /// BEGIN or SAVEPOINT was answered.
    AfterBegin {
        /// Whose it is.
        session: SessionFacts<'a>,
        /// What has begun.
        transaction: SessionTransaction,
        /// Number of the raw connection in its pool.
        connection: u64,
    },
    /// COMMIT or RELEASE is about to be sent, after a last flush.
    BeforeCommit {
        /// Whose it is.
        session: SessionFacts<'a>,
        /// What is about to be committed.
        transaction: SessionTransaction,
    },
    /// COMMIT or RELEASE was answered, or the transaction was found to be committed.
    AfterCommit {
        /// Whose it is.
        session: SessionFacts<'a>,
        /// What was committed.
        transaction: SessionTransaction,
    },
    /// The transaction or the savepoint was rolled back in the database, or is lost; the session's objects do not follow yet.
    AfterRollback {
        /// Whose it is.
        session: SessionFacts<'a>,
        /// What was rolled back.
        transaction: SessionTransaction,
    },
    /// The same, once the session's objects have followed; and the end of a flush that has failed.
    AfterSoftRollback {
        /// Whose it is.
        session: SessionFacts<'a>,
        /// What was rolled back.
        transaction: SessionTransaction,
    },
    /// What is pending is about to be written.
    BeforeFlush {
        /// Whose it is.
        session: SessionFacts<'a>,
    },
    /// What was pending is written.
    AfterFlush {
        /// Whose it is.
        session: SessionFacts<'a>,
    },
    /// The same, once the session's objects have followed.
    AfterFlushPostexec {
        /// Whose it is.
        session: SessionFacts<'a>,
    },
    /// An object is something else to its session (SQLAlchemy's object lifecycle events, of which it has the names). Those of a
    /// flush come between [`AfterFlush`](Self::AfterFlush) and [`AfterFlushPostexec`](Self::AfterFlushPostexec), those of a rollback
    /// between [`AfterRollback`](Self::AfterRollback) and [`AfterSoftRollback`](Self::AfterSoftRollback), those of a verb at its end.
    ///
    /// | From | To | When | Name |
    /// |---|---|---|---|
    /// | `Transient` | `Pending` | it is added | `transient_to_pending` |
    /// | `Pending` | `Persistent` | it is written | `pending_to_persistent` |
    /// | `Pending` | `Transient` | rolled back, expunged or deleted before it was written | `pending_to_transient` |
    /// | `Transient` | `Persistent` | a row was read that the session did not have | `loaded_as_persistent` |
    /// | `Detached` | `Persistent` | it is attached | `detached_to_persistent` |
    /// | `Persistent` | `Deleted` | it is marked for deletion; SQLAlchemy tells it with the flush | `persistent_to_deleted` |
    /// | `Persistent` | `Detached` | it is expunged or detached, or its row is found to be gone | `persistent_to_detached` |
    /// | `Persistent` | `Transient` | its INSERT is rolled back | `persistent_to_transient` |
    /// | `Deleted` | `Detached` | its DELETE is committed, or it is expunged | `deleted_to_detached` |
    /// | `Deleted` | `Persistent` | its DELETE is rolled back | `deleted_to_persistent` |
    ObjectChanged {
        /// Whose it is.
        session: SessionFacts<'a>,
        /// Name of the struct.
        model: &'static str,
        /// The object's key; none while the database has still to make it.
        key: Option<&'a dyn fmt::Debug>,
        /// What it was.
        from: ObjectState,
        /// What it is.
        to: ObjectState,
    },
}

/// What a listener may know of a session.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// struct Tenant(&'static str);
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let mut session = engine.session();
/// let number = session.number();
/// session.info_mut().insert(Tenant("Ann's shop"));
/// session.listen(move |event| {
///     assert_eq!(event.session().number(), number);
///     assert!(event.session().info().get::<Tenant>().is_some_and(|tenant| tenant.0 == "Ann's shop"));
/// });
/// session.commit()?;
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SessionFacts<'a> {
    number: u64,
    info: &'a Extensions,
}

impl<'a> SessionFacts<'a> {
    /// See [`Session::number`].
    pub fn number(&self) -> u64 {
        self.number
    }

    /// See [`Session::info`].
    pub fn info(&self) -> &'a Extensions {
        self.info
    }
}

/// Which of a session's transactions an event is about (`SessionTransaction` and its `origin` in SQLAlchemy).
///
/// ```
/// use aludel::SessionTransaction;
///
/// assert_ne!(SessionTransaction::Root, SessionTransaction::Nested { depth: 1 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionTransaction {
    /// The session's outermost one.
    Root,
    /// A savepoint.
    Nested {
        /// Counted from 1.
        depth: usize,
    },
    /// That of a flush, which is a part of the innermost one around it.
    Flush,
}

impl<'a> SessionEvent<'a> {
    /// SQLAlchemy's name of it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AfterTransactionCreate { .. } => "after_transaction_create",
            Self::AfterTransactionEnd { .. } => "after_transaction_end",
            Self::AfterBegin { .. } => "after_begin",
            Self::BeforeCommit { .. } => "before_commit",
            Self::AfterCommit { .. } => "after_commit",
            Self::AfterRollback { .. } => "after_rollback",
            Self::AfterSoftRollback { .. } => "after_soft_rollback",
            Self::BeforeFlush { .. } => "before_flush",
            Self::AfterFlush { .. } => "after_flush",
            Self::AfterFlushPostexec { .. } => "after_flush_postexec",
            Self::ObjectChanged { from, to, .. } => lifecycle(*from, *to),
        }
    }

    /// Whose it is.
    pub fn session(&self) -> SessionFacts<'a> {
        match *self {
            Self::AfterTransactionCreate { session, .. }
            | Self::AfterTransactionEnd { session, .. }
            | Self::AfterBegin { session, .. }
            | Self::BeforeCommit { session, .. }
            | Self::AfterCommit { session, .. }
            | Self::AfterRollback { session, .. }
            | Self::AfterSoftRollback { session, .. }
            | Self::BeforeFlush { session }
            | Self::AfterFlush { session }
            | Self::AfterFlushPostexec { session }
            | Self::ObjectChanged { session, .. } => session,
        }
    }

    /// What it is about; of an object, the outermost one.
    pub fn transaction(&self) -> SessionTransaction {
        match *self {
            Self::AfterTransactionCreate { transaction, .. }
            | Self::AfterTransactionEnd { transaction, .. }
            | Self::AfterBegin { transaction, .. }
            | Self::BeforeCommit { transaction, .. }
            | Self::AfterCommit { transaction, .. }
            | Self::AfterRollback { transaction, .. }
            | Self::AfterSoftRollback { transaction, .. } => transaction,
            Self::BeforeFlush { .. } | Self::AfterFlush { .. } | Self::AfterFlushPostexec { .. } => {
                SessionTransaction::Flush
            }
            Self::ObjectChanged { .. } => ROOT,
        }
    }
}

/// SQLAlchemy's name for a change of an object's state.
fn lifecycle(from: ObjectState, to: ObjectState) -> &'static str {
    use ObjectState::{Deleted, Detached, Pending, Persistent, Transient};

    match (from, to) {
        (Transient, Pending) => "transient_to_pending",
        (Pending, Persistent) => "pending_to_persistent",
        (Pending, _) => "pending_to_transient",
        (Transient, _) => "loaded_as_persistent",
        (Detached, _) => "detached_to_persistent",
        (Persistent, Deleted) => "persistent_to_deleted",
        (Persistent, Transient) => "persistent_to_transient",
        (Persistent, _) => "persistent_to_detached",
        (Deleted, Persistent) => "deleted_to_persistent",
        (Deleted, _) => "deleted_to_detached",
    }
}

/// A listener, of one session or of all that a factory makes.
pub(crate) type SessionListener = Arc<dyn Fn(&SessionEvent<'_>) + Send + Sync>;

/// Who listens to one session, and how much of its transaction was told.
#[derive(Default)]
pub(super) struct Ears {
    pub(super) listeners: Vec<SessionListener>,
    told: Told,
}

/// What was told of the session's outermost transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Told {
    /// Nothing, or its end. *Exits:* a transaction begins, or is committed with nothing in it → `Created`.
    #[default]
    Nothing,
    /// That there is one. *Exits:* BEGIN was answered → `Begun`; it ends → `Nothing`.
    Created,
    /// That the database knows of it. *Exits:* it ends → `Nothing`.
    Begun,
}

impl Ears {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.listeners.is_empty()
    }
}

impl fmt::Debug for Ears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ears({})", self.listeners.len())
    }
}

const ROOT: SessionTransaction = SessionTransaction::Root;

impl<C: Dialect> Session<C> {
    /// Tells `listener` what happens to this session from now on, for as long as it exists, after those of its factory. While
    /// nobody listens it costs nothing.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use aludel::SessionEvent;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut session = engine.session();
    /// session.listen(|event: &SessionEvent<'_>| println!("{}", event.name()));
    /// session.commit()?; // after_transaction_create, before_commit, after_commit, after_transaction_end
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn listen(&mut self, listener: impl Fn(&SessionEvent<'_>) + Send + Sync + 'static) {
        self.ears.listeners.push(Arc::new(listener));
        self.objects.listen();
        if self.connection.transaction.has_begun() {
            self.ears.told = Told::Begun;
        }
    }

    /// Tells all listeners.
    #[inline]
    pub(super) fn tell<'a, 'e>(&'a self, event: impl FnOnce(SessionFacts<'a>) -> SessionEvent<'e>)
    where
        'a: 'e,
    {
        if !self.ears.is_empty() {
            self.tell_each(&event(SessionFacts {
                number: self.number(),
                info: self.info(),
            }));
        }
    }

    /// What has become of objects since this was last called.
    #[inline]
    pub(super) fn tell_changed(&self) {
        if !self.ears.is_empty() {
            self.tell_each_changed();
        }
    }

    fn tell_each_changed(&self) {
        for changed in self.objects.changed() {
            self.tell(|session| SessionEvent::ObjectChanged {
                session,
                model: changed.model,
                key: changed.key.as_ref().map(|key| key as &dyn fmt::Debug),
                from: changed.from,
                to: changed.to,
            });
        }
    }

    fn tell_each(&self, event: &SessionEvent<'_>) {
        for listener in &self.ears.listeners {
            shield(|| listener(event));
        }
    }

    /// What is told of a change before the session's objects follow it.
    #[inline]
    pub(super) fn tell_before(&mut self, change: Change) {
        if !self.ears.is_empty() {
            self.tell_what_comes(change);
        }
    }

    fn tell_what_comes(&mut self, change: Change) {
        match change {
            Change::Beginning => self.tell_created(),
            Change::Begun => self.tell_begun(),
            Change::Savepoint(depth) => {
                let transaction = SessionTransaction::Nested { depth };
                self.tell(|session| SessionEvent::AfterTransactionCreate { session, transaction });
                self.tell_begin_of(transaction);
            }
            Change::Committed if self.ears.told != Told::Nothing => self.tell(after_commit(ROOT)),
            Change::RolledBack | Change::Unknown | Change::Abandoned if self.ears.told != Told::Nothing => {
                self.tell(after_rollback(ROOT));
            }
            Change::Released(depth) => self.tell(after_commit(SessionTransaction::Nested { depth })),
            Change::RolledBackTo(depth) => self.tell(after_rollback(SessionTransaction::Nested { depth })),
            _ => {}
        }
    }

    /// And after they have.
    #[inline]
    pub(super) fn tell_after(&mut self, change: Change) {
        if !self.ears.is_empty() {
            self.tell_what_was(change);
        }
    }

    fn tell_what_was(&mut self, change: Change) {
        match change {
            Change::Committed | Change::Superseded | Change::NotBegun | Change::Closed | Change::Forgotten => {
                self.tell_end(false);
            }
            Change::RolledBack | Change::Unknown | Change::Abandoned => self.tell_end(true),
            Change::Released(depth) => self.tell(after_end(SessionTransaction::Nested { depth })),
            Change::RolledBackTo(depth) => {
                let transaction = SessionTransaction::Nested { depth };
                self.tell(after_end(transaction));
                self.tell(|session| SessionEvent::AfterSoftRollback { session, transaction });
            }
            _ => {}
        }
    }

    /// There is a transaction of the session's, whether or not the database knows of it.
    pub(super) fn tell_created(&mut self) {
        if self.ears.is_empty() || self.ears.told != Told::Nothing {
            return;
        }
        self.ears.told = Told::Created;
        self.tell(|session| SessionEvent::AfterTransactionCreate {
            session,
            transaction: ROOT,
        });
    }

    /// The database knows of it as well.
    pub(super) fn tell_begun(&mut self) {
        if !self.ears.is_empty() && self.ears.told == Told::Created {
            self.ears.told = Told::Begun;
            self.tell_begin_of(ROOT);
        }
    }

    fn tell_begin_of(&self, transaction: SessionTransaction) {
        let connection = self.connection.number();
        self.tell(|session| SessionEvent::AfterBegin {
            session,
            transaction,
            connection,
        });
    }

    fn tell_end(&mut self, rolled_back: bool) {
        if std::mem::take(&mut self.ears.told) == Told::Nothing {
            return;
        }
        self.tell(after_end(ROOT));
        if rolled_back {
            self.tell(|session| SessionEvent::AfterSoftRollback {
                session,
                transaction: ROOT,
            });
        }
    }

    /// Around a flush.
    pub(super) fn tell_flush_begins(&self) {
        self.tell(|session| SessionEvent::BeforeFlush { session });
        self.tell(|session| SessionEvent::AfterTransactionCreate {
            session,
            transaction: SessionTransaction::Flush,
        });
    }

    pub(super) fn tell_flush_ended(&self, well: bool) {
        let transaction = SessionTransaction::Flush;
        if well {
            self.tell(|session| SessionEvent::AfterFlush { session });
            self.tell_changed();
            self.tell(|session| SessionEvent::AfterFlushPostexec { session });
        }
        self.tell(after_end(transaction));
        if !well {
            self.tell(|session| SessionEvent::AfterSoftRollback { session, transaction });
        }
    }
}

fn after_commit<'a>(transaction: SessionTransaction) -> impl FnOnce(SessionFacts<'a>) -> SessionEvent<'a> {
    move |session| SessionEvent::AfterCommit { session, transaction }
}

fn after_rollback<'a>(transaction: SessionTransaction) -> impl FnOnce(SessionFacts<'a>) -> SessionEvent<'a> {
    move |session| SessionEvent::AfterRollback { session, transaction }
}

fn after_end<'a>(transaction: SessionTransaction) -> impl FnOnce(SessionFacts<'a>) -> SessionEvent<'a> {
    move |session| SessionEvent::AfterTransactionEnd { session, transaction }
}

/// Runs what belongs to the user, and survives it.
fn shield(call: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(call)).is_err() {
        tracing::error!(target: "aludel.session", "a listener of a session panicked; the others are told, and nothing is changed");
    }
}
