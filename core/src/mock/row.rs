//! Rows that there are none of.

use std::marker::PhantomData;
use std::ops::Range;

use diesel::result::QueryResult;
use diesel::row::{Field, PartialRow, Row, RowIndex, RowSealed};

use super::MockBackend;

/// The answer to a query on a [`Mock`](super::Mock): no rows.
///
/// ```
/// use aludel_core::mock::NoRows;
///
/// assert_eq!(NoRows::default().count(), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct NoRows(PhantomData<NoRow>);

impl Iterator for NoRows {
    type Item = QueryResult<NoRow>;

    fn next(&mut self) -> Option<Self::Item> {
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(0))
    }
}

/// The row that a [`Mock`](super::Mock) never answers. It has no values, so nothing can be read from one.
#[derive(Clone, Copy, Debug)]
pub enum NoRow {}

/// A field of a row that a [`Mock`](super::Mock) never answers.
#[derive(Clone, Copy, Debug)]
pub enum NoField {}

impl RowSealed for NoRow {}

impl RowIndex<usize> for NoRow {
    fn idx(&self, _: usize) -> Option<usize> {
        match *self {}
    }
}

impl RowIndex<&str> for NoRow {
    fn idx(&self, _: &str) -> Option<usize> {
        match *self {}
    }
}

impl<'a, B: MockBackend> Row<'a, B> for NoRow {
    type Field<'f>
        = NoField
    where
        'a: 'f;
    type InnerPartialRow = Self;

    fn field_count(&self) -> usize {
        match *self {}
    }

    fn get<'b, I>(&'b self, _: I) -> Option<Self::Field<'b>>
    where
        'a: 'b,
        Self: RowIndex<I>,
    {
        match *self {}
    }

    fn partial_row(&self, _: Range<usize>) -> PartialRow<'_, Self> {
        match *self {}
    }
}

impl<B: MockBackend> Field<'_, B> for NoField {
    fn field_name(&self) -> Option<&str> {
        match *self {}
    }

    fn value(&self) -> Option<B::RawValue<'_>> {
        match *self {}
    }
}
