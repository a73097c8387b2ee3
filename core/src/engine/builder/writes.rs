//! How sessions write their objects.

use super::EngineBuilder;
use crate::dialect::Dialect;

impl<C: Dialect> EngineBuilder<C> {
    /// At most so many rows are inserted, updated or deleted by one statement of a flush; fewer where the database takes fewer
    /// parameters in one statement. Default: 1000, as in SQLAlchemy, and on SQLite 250, which has no round trips to save; 0 counts
    /// as 1, which is a statement for each row.
    ///
    /// A larger page saves round trips and a smaller one memory: MariaDB refuses a statement with its values above
    /// `max_allowed_packet` (16 MB by default), which a thousand rows with large texts can reach.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:").insertmanyvalues_page_size(100).build()?;
    /// assert_eq!(engine.insertmanyvalues_page_size(), 100);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    ///
    /// See "Insert Many Values" in
    /// [SQLAlchemy's documentation](https://docs.sqlalchemy.org/en/20/core/connections.html#controlling-the-batch-size).
    pub fn insertmanyvalues_page_size(mut self, rows: usize) -> Self {
        self.writes.page_size = Some(rows.max(1));
        self
    }

    /// Whether keys that the database makes are learned by `INSERT .. RETURNING` (PostgreSQL, SQLite). Without it rows with such
    /// keys are inserted one by one, and the database is asked for each key. Default: `true`.
    ///
    /// MariaDB and MySQL are asked for the first number that a statement was given, with either setting: MariaDB has RETURNING,
    /// and Diesel cannot read what it answers.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:").implicit_returning(false).build()?;
    /// assert!(!engine.implicit_returning());
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn implicit_returning(mut self, returning: bool) -> Self {
        self.writes.implicit_returning = returning;
        self
    }
}
