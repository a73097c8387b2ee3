//! Which queries only read, told by their types.

use diesel::query_builder::{BoxedSelectStatement, QueryFragment, SelectQuery, SelectStatement};

mod witness;

use witness::Witness;

/// A query that only reads and locks nothing: what a [`Reconnecting`](crate::Reconnecting) reader takes.
///
/// Tables, joins, boxed queries, whatever `select`, `filter`, `group_by`, `count` and `exists` make, `select(..)` without a
/// table, and unions and their like of all of these. An INSERT, an UPDATE or a DELETE does not compile, nor do raw SQL and
/// query types of your own, which nobody has looked into, nor `for_update()` and the other locks.
///
/// The type cannot tell what a function does that a query calls, or that it locks rows in a subquery. That is why the server
/// is told as well.
///
/// The trait is sealed. In code that is generic over the query, ask for [`ReadQuery`](crate::ReadQuery).
///
/// ```
/// use aludel::ReadOnlyQuery;
/// use diesel::prelude::*;
/// use diesel::query_builder::AsQuery;
///
/// diesel::table! { accounts (id) { id -> Integer, balance -> BigInt, } }
///
/// fn only_reads<Q: AsQuery<Query: ReadOnlyQuery>>(_: Q) {}
///
/// only_reads(accounts::table);
/// only_reads(accounts::table.filter(accounts::balance.gt(1_000)).count());
/// ```
#[diagnostic::on_unimplemented(
    message = "a reconnecting reader takes queries that only read, and this one may do more",
    label = "this query may write or lock rows, or its type does not tell",
    note = "to write, use a session: `engine.begin(|session| ..)`; a reader repeats a statement after a disconnect, and \
            nobody knows whether one that writes had its effect before",
    note = "to lock rows with `for_update()` and the like, use a session: a reader has no transaction, and without one a lock \
            is gone as soon as its statement has ended",
    note = "raw SQL, and types that Diesel does not know, run on a session as well"
)]
pub trait ReadOnlyQuery: sealed::OnlyReads {}

// What is missing is told of this trait, with its notes, and not of the one behind it.
#[diagnostic::do_not_recommend]
impl<Q: sealed::OnlyReads> ReadOnlyQuery for Q {}

mod sealed {
    pub trait OnlyReads {}
}

// The locking clause stays at its default, which is none: `for_update()` and the like put another type there.
impl<F, S, D, W, O, L, G, H> sealed::OnlyReads for SelectStatement<F, S, D, W, O, L, G, H> {}

// Only what has no locking clause can be boxed.
impl<T, F, DB, G> sealed::OnlyReads for BoxedSelectStatement<'_, T, F, DB, G> {}

// Unions and their like, whose type cannot be named outside of Diesel.
impl<Q: SelectQuery + QueryFragment<Witness>> sealed::OnlyReads for Q {}
