//! An engine whose work is never committed.

use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;

use aludel_core::testing::{NotHad, Only};
use aludel_core::{CancelToken, Dialect, Engine, Error, Result};

use crate::connection::Connection;
use crate::engine::EngineExt;
use crate::transaction::hooks::Captured;

/// An engine for a test: whatever is done through it is done inside of one transaction, which is rolled back at the end.
///
/// It *is* an engine (it dereferences to one), so the code under test gets `&sandbox`, `sandbox.session()`,
/// `SessionFactory::new(&sandbox)`, and begins, commits and rolls back as it likes: each transaction of its own is a savepoint,
/// commits are seen by everything that is done in the sandbox afterwards, and nobody else ever sees anything. This is SQLAlchemy's
/// recipe "joining a session into an external transaction (such as for test suites)" with
/// `join_transaction_mode="create_savepoint"`, for all sessions of an engine.
///
/// [`on_commit`](crate::Session::on_commit) hooks of what was committed do not run, since it never really is: they are captured,
/// can be looked at with [`hooks`](Self::hooks) and run with [`run_hooks`](Self::run_hooks) (`captureOnCommitCallbacks` in
/// Django). Hooks before a commit and after a rollback run as ever.
///
/// What is different from an engine: there is one raw connection, so two transactions cannot be open at the same time. A
/// session that needs it while another one of the same thread has it is refused, with the place of the other; one of another
/// thread waits for it, `pool_timeout` at most. Isolation level and mode are those that the sandbox was opened with, and a
/// transaction that asks for others is refused; so is AUTOCOMMIT, and with it a reconnecting reader. A `#[retry]` function runs
/// once, since a savepoint cannot start the whole transaction again. What takes the whole transaction away ends the sandbox, and is told to whoever uses it next: a lost
/// connection, a deadlock on MariaDB, DDL on MariaDB and MySQL, a panic inside of a transaction.
/// [`raw_connection`](Engine::raw_connection) is outside of it, and so is the table of commit tokens.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// # diesel::table! { notes (id) { id -> Integer, text -> Text, } }
/// #[retry]
/// fn add_note(session: &mut Session<SqliteConnection>, text: &str) -> aludel::Result<()> {
///     diesel::insert_into(notes::table).values(notes::text.eq(text)).execute(session)?;
///     session.on_commit(|| println!("somebody would be told"));
///     Ok(())
/// }
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://sandbox?mode=memory&cache=shared")?;
/// # engine.begin(|session| {
/// #     Ok(diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)").execute(session)?)
/// # })?;
/// let sandbox = engine.sandbox()?;
/// add_note(&mut sandbox.session(), "never seen")?;
/// sandbox.begin(|session| {
///     assert_eq!(notes::table.count().get_result::<i64>(session)?, 1);
///     Ok(())
/// })?;
/// assert_eq!(sandbox.run_hooks(), 1);
/// drop(sandbox);
///
/// assert_eq!(notes::table.count().get_result::<i64>(&mut engine.session())?, 0);
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
#[must_use = "what was done in a sandbox is rolled back when it is dropped"]
pub struct Sandbox<C: Dialect> {
    engine: Engine<C>,
    slot: Arc<Slot<C>>,
}

/// A hook that waits for a commit which does not come.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use diesel::SqliteConnection;
///
/// let sandbox = Engine::<SqliteConnection>::new("sqlite://:memory:")?.sandbox()?;
/// sandbox.begin(|session| {
///     session.on_commit(|| println!("told"));
///     Ok(())
/// })?;
/// assert!(sandbox.hooks()[0].place().file().ends_with(".rs"));
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapturedHook {
    place: &'static Location<'static>,
}

impl CapturedHook {
    /// Where it was registered.
    pub fn place(&self) -> &'static Location<'static> {
        self.place
    }
}

/// What the sessions of a sandbox share.
pub(crate) struct Slot<C: Dialect> {
    connection: Only<Connection<C>>,
    pub(crate) captured: Captured,
}

impl<C: Dialect> Sandbox<C> {
    #[track_caller]
    pub(crate) fn open(engine: &Engine<C>) -> Result<Self> {
        if engine.attachment().is_some() {
            return Err(Error::misuse(
                "a sandbox was asked for inside of a sandbox, which has one connection; use it as it is",
            ));
        }
        let mut connection = engine.connect();
        connection.begin_for_sandbox()?;
        let slot = Arc::new(Slot {
            connection: Only::new(connection),
            captured: Captured::default(),
        });
        let attached = Arc::clone(&slot);
        Ok(Self {
            engine: engine.with_attachment(attached),
            slot,
        })
    }

    /// The engine whose work is never committed, for code that keeps one.
    pub fn engine(&self) -> &Engine<C> {
        &self.engine
    }

    /// The `on_commit` hooks of what was committed so far, in the order of their registration.
    pub fn hooks(&self) -> Vec<CapturedHook> {
        let places = self.slot.captured.places();
        places.into_iter().map(|place| CapturedHook { place }).collect()
    }

    /// Runs them, in that order, as if the commit had come, and says how many there were. A panic in one goes on, so that a
    /// test may look at things in it; those after it are dropped.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use std::sync::mpsc;
    ///
    /// use aludel::prelude::*;
    /// use diesel::SqliteConnection;
    ///
    /// let (sender, mails) = mpsc::channel();
    /// let sandbox = Engine::<SqliteConnection>::new("sqlite://:memory:")?.sandbox()?;
    /// sandbox.begin(|session| {
    ///     session.on_commit(move || drop(sender.send("welcome")));
    ///     Ok(())
    /// })?;
    /// assert!(mails.try_recv().is_err());
    /// assert_eq!((sandbox.run_hooks(), mails.recv()), (1, Ok("welcome")));
    /// assert!(sandbox.hooks().is_empty());
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Only with a hook's own panic.
    pub fn run_hooks(&self) -> usize {
        let hooks = self.slot.captured.take();
        let count = hooks.len();
        for hook in hooks {
            hook();
        }
        count
    }
}

impl<C: Dialect> Slot<C> {
    /// The sandbox's connection, for whoever is about to begin something.
    pub(crate) fn take(
        &self,
        engine: &Engine<C>,
        place: &'static Location<'static>,
        patience: std::time::Duration,
        token: &CancelToken,
    ) -> Result<Connection<C>> {
        self.connection
            .take(place, engine.clock(), patience, token)
            .map_err(|error| match error {
                NotHad::Held(holder) => Error::misuse(format!(
                    "a sandbox has one connection, and what was made at {holder} has it: end its transaction first (with its \
                     scope, commit(), rollback() or close()), or drop it"
                )),
                NotHad::Over => Error::misuse("the sandbox that this session was made in has ended"),
                NotHad::Stopped(exit) => exit.into(),
            })
    }

    /// Gives it back. What outlives its sandbox is rolled back here, with the connection.
    pub(crate) fn put(&self, connection: Connection<C>) {
        drop(self.connection.put(connection));
    }
}

impl<C: Dialect> Deref for Sandbox<C> {
    type Target = Engine<C>;

    fn deref(&self) -> &Engine<C> {
        &self.engine
    }
}

impl<C: Dialect> Drop for Sandbox<C> {
    fn drop(&mut self) {
        drop(self.slot.connection.end());
    }
}

impl<C: Dialect> fmt::Debug for Sandbox<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("engine", &self.engine)
            .field("hooks", &self.slot.captured.places().len())
            .finish_non_exhaustive()
    }
}
