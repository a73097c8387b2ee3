//! What sessions add to the engine.

use aludel_core::{Dialect, Engine, Error, Result};

use crate::connection::Connection;
use crate::session::Session;

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
}
