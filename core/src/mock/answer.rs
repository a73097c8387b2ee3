//! What an executor may answer.

use diesel::result::QueryResult;

/// An answer to a statement: how many rows it affected, or an error.
///
/// | Answer | Rows affected |
/// |---|---|
/// | `()` | 1, so that the UPDATE of an object counts as done |
/// | a `usize` | that many; 0 makes an object's UPDATE find nobody (`StaleEntity`) |
/// | a `QueryResult` of either | the same, or the error |
///
/// A statement that answers rows has none, whatever the number.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::Engine;
/// use aludel_core::mock::Mock;
/// use diesel::connection::SimpleConnection;
/// use diesel::result::{DatabaseErrorKind, Error};
/// use diesel::sqlite::Sqlite;
///
/// let engine = Engine::<Mock<Sqlite>>::mock(|statement| {
///     if statement.sql().starts_with("DROP") {
///         return Err(Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new("database is locked".to_owned())));
///     }
///     Ok(0)
/// });
/// let mut raw = engine.raw_connection()?;
/// assert!(raw.batch_execute("CREATE TABLE t (a INTEGER)").is_ok());
/// assert!(raw.batch_execute("DROP TABLE t").is_err());
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
pub trait MockAnswer {
    /// Rows affected, or the error.
    ///
    /// # Errors
    ///
    /// What the server is to have said.
    fn into_answer(self) -> QueryResult<usize>;
}

impl MockAnswer for () {
    fn into_answer(self) -> QueryResult<usize> {
        Ok(1)
    }
}

impl MockAnswer for usize {
    fn into_answer(self) -> QueryResult<usize> {
        Ok(self)
    }
}

impl<A: MockAnswer> MockAnswer for QueryResult<A> {
    fn into_answer(self) -> QueryResult<usize> {
        self.and_then(A::into_answer)
    }
}
