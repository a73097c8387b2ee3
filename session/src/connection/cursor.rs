//! Rows that are read one by one: errors can come out of them, too.

use std::fmt;

use aludel_core::{Dialect, Engine, Flavour, Phase};
use diesel::connection::LoadConnection;
use diesel::result::QueryResult;

use super::watch::{Rows, Watch};
use super::{FailedStatement, observe};
use crate::transaction::Transaction;

/// The rows of a statement, as the driver hands them out, with each error classified on its way.
///
/// Users meet it as the iterator behind Diesel's `load_iter`.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let mut connection = engine.connect();
/// let numbers = diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("1"));
/// for number in numbers.load_iter::<i32, _>(&mut connection)? {
///     assert_eq!(number?, 1); // an error that comes out of a row is classified, too
/// }
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
pub struct Cursor<'conn, 'query, C, B>
where
    C: Dialect + LoadConnection<B>,
{
    rows: <C as LoadConnection<B>>::Cursor<'conn, 'query>,
    engine: &'conn Engine<C>,
    connection: u64,
    transaction: &'conn mut Transaction,
    failed_statement: FailedStatement,
    /// Rows that were asked for, for the fault script.
    asked: u64,
    /// The driver has said that there are no more.
    ended: bool,
    watching: Watching,
    /// How many rows were read, and whether an error came out of one.
    count: usize,
    failed: bool,
}

/// Who looks on while rows are read.
pub(super) struct Watching {
    pub(super) watch: Watch,
    pub(super) rows: Option<Rows>,
}

impl<'conn, 'query, C, B> Cursor<'conn, 'query, C, B>
where
    C: Dialect + LoadConnection<B>,
{
    pub(super) fn new(
        rows: <C as LoadConnection<B>>::Cursor<'conn, 'query>,
        engine: &'conn Engine<C>,
        connection: u64,
        transaction: &'conn mut Transaction,
        failed_statement: FailedStatement,
        watching: Watching,
    ) -> Self {
        transaction.set_streaming(true);
        Self {
            rows,
            engine,
            connection,
            transaction,
            failed_statement,
            asked: 0,
            ended: false,
            watching,
            count: 0,
            failed: false,
        }
    }
}

impl<'conn, 'query, C, B> Cursor<'conn, 'query, C, B>
where
    C: Dialect + LoadConnection<B>,
{
    /// The driver's next row, or what the fault script has in its place.
    fn read(&mut self) -> Option<QueryResult<<C as LoadConnection<B>>::Row<'conn, 'query>>> {
        let Some(faults) = self.engine.faults() else {
            return self.rows.next();
        };
        self.asked += 1;
        if let Err(error) = faults.before_row(self.asked) {
            return Some(Err(error));
        }
        let row = self.rows.next()?;
        Some(row.and_then(|row| faults.after(Phase::Fetch).map(|()| row)))
    }
}

impl<'conn, 'query, C, B> Iterator for Cursor<'conn, 'query, C, B>
where
    C: Dialect + LoadConnection<B>,
{
    type Item = QueryResult<<C as LoadConnection<B>>::Row<'conn, 'query>>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read() {
            None => {
                self.ended = true;
                None
            }
            Some(Ok(row)) => {
                self.count += 1;
                if let Some(rows) = &mut self.watching.rows {
                    rows.show(self.engine, self.connection, &row);
                }
                Some(Ok(row))
            }
            Some(Err(error)) => {
                self.failed = true;
                let error = observe(
                    self.engine,
                    self.connection,
                    self.transaction,
                    Phase::Fetch,
                    (None, self.failed_statement),
                    error,
                );
                Some(Err(error))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}

impl<C, B> Drop for Cursor<'_, '_, C, B>
where
    C: Dialect + LoadConnection<B>,
{
    fn drop(&mut self) {
        if let Some(rows) = self.watching.rows.take() {
            rows.end(self.engine, self.connection, self.count);
        }
        self.watching.watch.end(Some(self.count), self.failed);
        // In a panic the mark stays: rows may be left on the wire.
        if !std::thread::panicking() {
            self.transaction.set_streaming(false);
            // PostgreSQL's row-by-row mode, the one that cannot tell how many rows are left: it reads the rest away when
            // it is dropped, and swallows an error that comes with it.
            if C::FLAVOUR == Flavour::PostgreSql && !self.ended && self.rows.size_hint().1.is_none() {
                self.transaction.left_rows_unread();
            }
        }
    }
}

impl<C, B> fmt::Debug for Cursor<'_, '_, C, B>
where
    C: Dialect + LoadConnection<B>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}
