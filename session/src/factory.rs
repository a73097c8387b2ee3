//! Sessions of one kind: SQLAlchemy's `sessionmaker`.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use aludel_core::pool::Extensions;
use aludel_core::{AccessMode, CancelToken, Dialect, Engine, Error, ExecutionOptions, IsolationLevel, Result};

use crate::connection::Connection;
use crate::session::{Session, SessionEvent, SessionListener, SharedRun};
use crate::transaction::JoinTransactionMode;

mod lending;

/// Makes sessions of one kind (`sessionmaker` in SQLAlchemy): what is said here holds for each of them.
///
/// `engine.session()` and `engine.begin(..)` make sessions with every option at its default. A factory is as cheap to clone as
/// an engine, and may be used from any thread.
///
/// | Option | Default | |
/// |---|---|---|
/// | [`autobegin`](Self::autobegin) | true | a statement begins a transaction by itself |
/// | [`autoflush`](Self::autoflush) | true | what is pending is written before a query |
/// | [`expire_on_commit`](Self::expire_on_commit) | true | what was read is read again after a commit |
/// | [`close_resets_only`](Self::close_resets_only) | true | a closed session can be used again |
/// | [`join_transaction_mode`](Self::join_transaction_mode) | `ConditionalSavepoint` | what a session does with somebody else's transaction |
/// | [`isolation_level`](Self::isolation_level), [`access_mode`](Self::access_mode), [`deferrable`](Self::deferrable) | the engine's | how its transactions run |
/// | [`info`](Self::info) | nothing | values of your own |
/// | [`before_commit`](Self::before_commit), [`listen`](Self::listen) | nobody | who acts before each commit; who is told of everything |
/// | [`cancel_token`](Self::cancel_token), [`logging_token`](Self::logging_token) | the engine's | what stops it; what its lines in the log begin with |
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::SessionFactory;
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// #[derive(Clone)]
/// struct Clerk(&'static str);
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let factory = SessionFactory::new(&engine)
///     .autobegin(false)
///     .info(Clerk("Ann"))
///     .before_commit(|session| {
///         let clerk = session.info().get::<Clerk>().map_or("nobody", |clerk| clerk.0);
///         let entry = format!("INSERT INTO audit VALUES ('{clerk}')");
///         Ok(diesel::sql_query(entry).execute(session).map(drop)?)
///     });
/// # engine.begin(|session| Ok(diesel::sql_query("CREATE TABLE audit (who TEXT)").execute(session)?))?;
/// factory.begin(|session| Ok(diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(session)?))?;
///
/// let mut session = factory.session();
/// assert!(diesel::sql_query("INSERT INTO t VALUES (1)").execute(&mut session).is_err()); // outside of a transaction
/// assert_eq!(session.begin(|session| Ok(diesel::sql_query("DELETE FROM audit").execute(session)?))?, 1);
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
///
/// See [SQLAlchemy's `Session` and `sessionmaker`](https://docs.sqlalchemy.org/en/20/orm/session_api.html).
#[must_use = "a factory makes sessions with session() or begin()"]
pub struct SessionFactory<C: Dialect> {
    engine: Engine<C>,
    recipe: Arc<Recipe<C>>,
}

/// Puts a copy of a value into a map.
type Copier = Arc<dyn Fn(&mut Extensions) + Send + Sync>;

/// What a factory has said.
#[allow(
    clippy::struct_excessive_bools,
    reason = "options, each of which has its own name with who calls"
)]
pub(crate) struct Recipe<C: Dialect> {
    pub(crate) autobegin: bool,
    pub(crate) autoflush: bool,
    pub(crate) expire_on_commit: bool,
    pub(crate) close_resets_only: bool,
    pub(crate) join: JoinTransactionMode,
    pub(crate) options: ExecutionOptions,
    pub(crate) cancel_token: Option<CancelToken>,
    pub(crate) logging_token: Option<Arc<str>>,
    /// What puts a copy of each value into a session's map.
    pub(crate) info: Vec<Copier>,
    pub(crate) before_commit: Vec<SharedRun<C>>,
    /// Hooks that run before each flush of each session.
    pub(crate) before_flush: Vec<SharedRun<C>>,
    pub(crate) listeners: Vec<SessionListener>,
}

impl<C: Dialect> SessionFactory<C> {
    /// Sessions of this engine, with every option at its default.
    pub fn new(engine: &Engine<C>) -> Self {
        Self {
            engine: engine.clone(),
            recipe: Arc::default(),
        }
    }

    /// The engine that its sessions belong to.
    pub fn engine(&self) -> &Engine<C> {
        &self.engine
    }

    fn saying(mut self, say: impl FnOnce(&mut Recipe<C>)) -> Self {
        say(Arc::make_mut(&mut self.recipe));
        self
    }

    /// Whether a statement begins a transaction by itself. Where it does not, one that is sent outside of `begin`,
    /// `begin_nested`, `#[retry]`, Diesel's `transaction` and a raw BEGIN is refused, and so is a flush: for programs in which
    /// each transaction has its scope. In AUTOCOMMIT there is none to begin, and statements pass.
    pub fn autobegin(self, autobegin: bool) -> Self {
        self.saying(|recipe| recipe.autobegin = autobegin)
    }

    /// Whether what is pending is written before each query. Where it is not, a query does not see what was added, changed or
    /// deleted and is not flushed yet; [`flush`](Session::flush), a savepoint and a commit write it as ever.
    /// [`Session::no_autoflush`] is for a part of a function.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::SessionFactory;
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    /// # diesel::table! { notes (id) { id -> Integer, text -> Text, } }
    /// # #[derive(Model, Queryable, Selectable, Clone, Debug)]
    /// # #[diesel(table_name = notes)]
    /// # struct Note { id: i32, text: String }
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut session = SessionFactory::new(&engine).autoflush(false).session();
    /// # diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)").execute(&mut session)?;
    /// session.add(Note { id: 1, text: "hello".to_owned() });
    /// assert_eq!(notes::table.count().get_result::<i64>(&mut session)?, 0);
    /// session.flush()?;
    /// assert_eq!(notes::table.count().get_result::<i64>(&mut session)?, 1);
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn autoflush(self, autoflush: bool) -> Self {
        self.saying(|recipe| recipe.autoflush = autoflush)
    }

    /// Whether what a session has read is read again after a commit. Where it is not, values stay as they are until
    /// [`expire_all`](Session::expire_all), a rollback, or a statement beside them that may have changed them.
    ///
    /// A value that has stayed may be looked at for as long as you like, and is as old as it is. It is changed only where that
    /// cannot undo somebody else's change without a word: an object with a version is, since its UPDATE compares the version;
    /// one without is read again by [`edit`](Session::edit), and `session[handle].field = ..` panics as for any expired value.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::SessionFactory;
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    /// # diesel::table! { notes (id) { id -> Integer, text -> Text, } }
    /// # #[derive(Model, Queryable, Selectable, Clone, Debug)]
    /// # #[diesel(table_name = notes)]
    /// # struct Note { id: i32, text: String }
    /// let engine = Engine::<SqliteConnection>::new("sqlite://kept?mode=memory&cache=shared")?;
    /// # engine.begin(|session| {
    /// #     Ok(diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)").execute(session)?)
    /// # })?;
    /// let mut session = SessionFactory::new(&engine).expire_on_commit(false).session();
    /// let note = session.add(Note { id: 1, text: "hello".to_owned() });
    /// session.commit()?;
    /// engine.begin(|other| Ok(diesel::update(notes::table).set(notes::text.eq("bye")).execute(other)?))?;
    /// assert_eq!(session.read(note)?.text, "hello"); // without a statement
    /// session.edit(note)?.text.push('!'); // it has no version, so it is read again
    /// assert_eq!(session[note].text, "bye!");
    /// # session.rollback()?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn expire_on_commit(self, expire: bool) -> Self {
        self.saying(|recipe| recipe.expire_on_commit = expire)
    }

    /// Whether a session can be used again after [`close`](Session::close). Where it cannot, whatever needs a transaction is
    /// refused afterwards; [`reset`](Session::reset) leaves it usable.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::SessionFactory;
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut session = SessionFactory::new(&engine).close_resets_only(false).session();
    /// session.reset()?;
    /// diesel::sql_query("SELECT 1").execute(&mut session)?;
    /// session.close()?;
    /// let refused = diesel::sql_query("SELECT 1").execute(&mut session).unwrap_err();
    /// assert!(refused.to_string().contains("permanently closed"));
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn close_resets_only(self, resets: bool) -> Self {
        self.saying(|recipe| recipe.close_resets_only = resets)
    }

    /// What a session does with the transaction that the connection it is given is in.
    pub fn join_transaction_mode(self, mode: JoinTransactionMode) -> Self {
        self.saying(|recipe| recipe.join = mode)
    }

    /// The isolation level of its transactions; [`IsolationLevel::Autocommit`] for none. A level that the database does not
    /// have is an error of the first transaction.
    pub fn isolation_level(self, level: IsolationLevel) -> Self {
        self.saying(|recipe| recipe.options = recipe.options.isolation_level(level))
    }

    /// Whether its transactions may write.
    pub fn access_mode(self, mode: AccessMode) -> Self {
        self.saying(|recipe| recipe.options = recipe.options.access_mode(mode))
    }

    /// Its transactions may not write.
    pub fn read_only(self) -> Self {
        self.access_mode(AccessMode::ReadOnly)
    }

    /// Those that are serializable and read-only may wait until they can run without ever being aborted; PostgreSQL only, and
    /// elsewhere an error of the first transaction.
    pub fn deferrable(self) -> Self {
        self.saying(|recipe| recipe.options = recipe.options.deferrable())
    }

    /// A value of your own, of which each session has a copy in its [`info`](Session::info); one of each type.
    pub fn info<T: Clone + Send + Sync + 'static>(self, value: T) -> Self {
        self.saying(|recipe| {
            recipe.info.push(Arc::new(move |info| {
                info.insert(value.clone());
            }));
        })
    }

    /// Runs before each commit of each of its sessions that has a transaction to commit; see [`Session::before_commit`].
    pub fn before_commit(self, hook: impl Fn(&mut Session<C>) -> Result<()> + Send + Sync + 'static) -> Self {
        self.saying(|recipe| recipe.before_commit.push(Arc::new(hook)))
    }

    /// A hook that each session runs before each flush that has something to write, before those of its own; what it adds, edits and
    /// deletes is written with it ([`Session::before_flush`]).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::SessionFactory;
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    /// # diesel::table! { notes (id) { id -> Integer, text -> Text, } }
    /// # #[derive(Model, Queryable, Selectable, Clone, Debug)]
    /// # #[diesel(table_name = notes)]
    /// # struct Note { id: i32, text: String }
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// # engine.begin(|session| Ok(diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)").execute(session)?))?;
    /// let factory = SessionFactory::new(&engine).before_flush(|session| {
    ///     match session.pending::<Note>().iter().find(|&&note| session[note].text.is_empty()) {
    ///         Some(_) => Err(aludel::Error::other("a note without a text")),
    ///         None => Ok(()),
    ///     }
    /// });
    /// let refused = factory.begin(|session| Ok(session.add(Note { id: 0, text: String::new() }))).unwrap_err();
    /// assert!(refused.to_string().contains("a note without a text"));
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn before_flush(self, hook: impl Fn(&mut Session<C>) -> Result<()> + Send + Sync + 'static) -> Self {
        self.saying(|recipe| recipe.before_flush.push(Arc::new(hook)))
    }

    /// Tells `listener` what happens to its sessions; see [`SessionEvent`].
    pub fn listen(self, listener: impl Fn(&SessionEvent<'_>) + Send + Sync + 'static) -> Self {
        self.saying(|recipe| recipe.listeners.push(Arc::new(listener)))
    }

    /// The token that its sessions obey, in the place of the engine's; see [`Session::set_cancel_token`].
    pub fn cancel_token(self, token: CancelToken) -> Self {
        self.saying(|recipe| recipe.cancel_token = Some(token))
    }

    /// What stands before each of their lines in the log; see [`Connection::set_logging_token`].
    pub fn logging_token(self, token: &str) -> Self {
        self.saying(|recipe| recipe.logging_token = Some(Arc::from(token)))
    }

    /// A session. It takes a connection when it needs one.
    #[track_caller]
    pub fn session(&self) -> Session<C> {
        Session::on_connection(
            Connection::new(self.engine.clone(), true),
            Some(Arc::clone(&self.recipe)),
        )
    }

    /// Runs the closure with an ambient session, as [`EngineExt::scope`](crate::EngineExt::scope) does, made by this factory.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::SessionFactory;
    /// use aludel::prelude::*;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let tenant = SessionFactory::new(&engine).info("Ann's shop").scope(|| {
    ///     aludel::current(|session: &mut Session<SqliteConnection>| Ok(session.info().get::<&str>().copied()))
    /// })?;
    /// assert_eq!(tenant, Some("Ann's shop"));
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Only with the closure's own panic.
    #[track_caller]
    pub fn scope<R>(&self, f: impl FnOnce() -> R) -> R {
        crate::ambient::scope(self.session(), Location::caller(), f)
    }

    /// Runs the closure with a new session in a transaction: committed on `Ok`, rolled back on `Err` and on a panic
    /// (`sessionmaker.begin` in SQLAlchemy).
    ///
    /// # Errors
    ///
    /// As [`Session::begin`], and those of connecting.
    ///
    /// # Panics
    ///
    /// Only with the closure's own panic.
    #[track_caller]
    pub fn begin<T>(&self, f: impl FnOnce(&mut Session<C>) -> Result<T>) -> Result<T> {
        self.session().begin(f)
    }

    /// [`begin`](Self::begin) for closures with an error type of their own.
    ///
    /// # Errors
    ///
    /// The same.
    ///
    /// # Panics
    ///
    /// Only with the closure's own panic.
    #[track_caller]
    pub fn begin_with<T, E>(&self, f: impl FnOnce(&mut Session<C>) -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error> + 'static,
    {
        self.session().begin_with(f)
    }
}

impl<C: Dialect> Clone for SessionFactory<C> {
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            recipe: Arc::clone(&self.recipe),
        }
    }
}

impl<C: Dialect> Clone for Recipe<C> {
    fn clone(&self) -> Self {
        Self {
            autobegin: self.autobegin,
            autoflush: self.autoflush,
            expire_on_commit: self.expire_on_commit,
            close_resets_only: self.close_resets_only,
            join: self.join,
            options: self.options,
            cancel_token: self.cancel_token.clone(),
            logging_token: self.logging_token.clone(),
            info: self.info.clone(),
            before_commit: self.before_commit.clone(),
            before_flush: self.before_flush.clone(),
            listeners: self.listeners.clone(),
        }
    }
}

impl<C: Dialect> Default for Recipe<C> {
    fn default() -> Self {
        Self {
            autobegin: true,
            autoflush: true,
            expire_on_commit: true,
            close_resets_only: true,
            join: JoinTransactionMode::default(),
            options: ExecutionOptions::new(),
            cancel_token: None,
            logging_token: None,
            info: Vec::new(),
            before_commit: Vec::new(),
            before_flush: Vec::new(),
            listeners: Vec::new(),
        }
    }
}

impl<C: Dialect> fmt::Debug for SessionFactory<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionFactory")
            .field("engine", &self.engine)
            .field("autobegin", &self.recipe.autobegin)
            .field("expire_on_commit", &self.recipe.expire_on_commit)
            .field("join_transaction_mode", &self.recipe.join)
            .field("options", &self.recipe.options)
            .finish_non_exhaustive()
    }
}
