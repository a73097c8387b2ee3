//! An engine without a database: every statement goes to a function of yours (`create_mock_engine` in SQLAlchemy).
//!
//! [`Mock`] is a Diesel connection for the backend that it stands for, so sessions, typed queries, raw SQL and migrations
//! run on it as they are. What it prints is what a server would have been sent: placeholders, DDL and transaction control
//! in that backend's own words. There are no rows: a `load` gives an empty list, `first` and `get_result` give
//! `NotFound`, and so does the flush of an object whose key the database would have made, after its INSERT was shown.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use diesel::connection::{AnsiTransactionManager, Instrumentation};
use diesel::result::{Error as DieselError, QueryResult};

use crate::engine::{Engine, EngineBuilder};

mod answer;
mod backend;
mod connection;
mod dialect;
mod row;
#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
mod save_changes;
mod server;
mod statement;

pub use answer::MockAnswer;
pub use backend::MockBackend;
pub use row::{NoField, NoRow, NoRows};
pub use statement::{MockKind, MockStatement};

use server::Server;

type Executor = dyn Fn(&MockStatement) -> QueryResult<usize> + Send + Sync;

/// A connection to no database, for one of Diesel's backends: `Mock<Sqlite>`, `Mock<Mysql>`, `Mock<Pg>`.
///
/// [`Engine::mock`] makes engines of it. It plays as much of a server as a session can see: whether a transaction is
/// open, that DDL commits on MariaDB and MySQL, that an error aborts a transaction on PostgreSQL, that a connection which
/// was lost stays lost.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::mock::Mock;
/// use aludel_core::{Control, Dialect, Engine};
/// use diesel::sqlite::Sqlite;
///
/// fn leaves_it_open<C: Dialect>(engine: &Engine<C>) -> aludel_core::Result<()> {
///     Ok(engine.raw_connection()?.control(Control::Begin)?)
/// }
///
/// // What comes home with a transaction open is reset: BEGIN; ROLLBACK;
/// leaves_it_open(&Engine::<Mock<Sqlite>>::mock(|statement| println!("{statement}")))?;
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
pub struct Mock<B: MockBackend> {
    executor: Option<Arc<Executor>>,
    server: Server,
    transaction: AnsiTransactionManager,
    instrumentation: Option<Box<dyn Instrumentation>>,
    backend: PhantomData<fn() -> B>,
}

impl<B: MockBackend> Engine<Mock<B>> {
    /// An engine whose statements go to `executor`, and to no database (`create_mock_engine` in SQLAlchemy).
    ///
    /// The executor is called with each statement, control statements included, on the thread that sends it. What it
    /// returns is the statement's answer: nothing (one row affected), a number of rows affected, or a `Result` of either,
    /// whose error the caller gets as if the server had said it. So it can play faults: a deadlock runs a `#[retry]`
    /// again, a lost connection is lost.
    ///
    /// ```
    /// # #[cfg(feature = "postgres")] {
    /// use aludel_core::Engine;
    /// use aludel_core::mock::Mock;
    /// use diesel::connection::SimpleConnection;
    /// use diesel::pg::Pg;
    ///
    /// let engine = Engine::<Mock<Pg>>::mock(|statement| println!("{statement}"));
    /// engine.raw_connection()?.batch_execute("CREATE TABLE notes (text TEXT NOT NULL)")?;
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Never: the options are this function's own.
    pub fn mock<A: MockAnswer>(executor: impl Fn(&MockStatement) -> A + Send + Sync + 'static) -> Self {
        Self::mock_builder(executor)
            .build()
            .expect("the URL of a mock is one of its own dialect")
    }

    /// [`mock`](Self::mock) with options of your own: listeners, hooks, a clock, the size of the pool. What an engine
    /// prepares its connections with (their isolation level, the language of messages) is not shown.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use aludel_core::mock::Mock;
    /// use diesel::sqlite::Sqlite;
    ///
    /// let engine = Engine::<Mock<Sqlite>>::mock_builder(|statement| println!("{statement}"))
    ///     .listen(|event| println!("-- {event:?}"))
    ///     .build()?;
    /// drop(engine.raw_connection()?);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn mock_builder<A: MockAnswer>(
        executor: impl Fn(&MockStatement) -> A + Send + Sync + 'static,
    ) -> EngineBuilder<Mock<B>> {
        let executor: Arc<Executor> = Arc::new(move |statement| executor(statement).into_answer());
        Engine::builder(B::URL).on_connect(move |mock: &mut Mock<B>, _| {
            mock.executor = Some(Arc::clone(&executor));
            Ok(())
        })
    }
}

impl<B: MockBackend> Mock<B> {
    /// A connection that no engine has given its executor yet.
    fn idle() -> Self {
        Self {
            executor: None,
            server: Server::Idle,
            transaction: AnsiTransactionManager::default(),
            instrumentation: None,
            backend: PhantomData,
        }
    }
}

impl<B: MockBackend> fmt::Debug for Mock<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mock")
            .field("flavour", &B::FLAVOUR)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// What is answered where the driver itself would refuse.
fn refused(text: impl Into<String>) -> DieselError {
    DieselError::DatabaseError(diesel::result::DatabaseErrorKind::Unknown, Box::new(text.into()))
}
