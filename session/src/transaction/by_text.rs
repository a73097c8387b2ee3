//! Transaction control that comes as raw SQL: followed where it stands alone and nobody else is in charge, refused everywhere
//! else.
//!
//! | What is open | BEGIN | COMMIT, ROLLBACK |
//! |---|---|---|
//! | nothing, or AUTOCOMMIT without a level of its own | begins a root, as `begin` would / refused | sent as they are: the server does nothing |
//! | a root that began by itself and has only read | that one is ended, a root begins | refused |
//! | a root that began by itself and has written | refused | refused |
//! | a root that raw SQL began | refused | end it |
//! | a scope, Diesel's `transaction()` | refused | refused |
//!
//! What is open is what the session has begun. Inside of somebody else's transaction, a test's for one, BEGIN begins the session's
//! part as its mode has it, and COMMIT and ROLLBACK with nothing of the session's open do nothing.

use aludel_core::dialect::Characteristics;
use aludel_core::{Dialect, Refused};
use diesel::result::{DatabaseErrorKind, Error as DieselError, QueryResult};

use super::Origin;
use super::scope::{self, Stand, Unit};
use super::stage::{self, Asked};
use crate::connection::{Order, order};

/// What stands in the text of every refusal.
const INSTEAD: &str = "use begin, commit, rollback or begin_nested of the session instead, and build_transaction or \
                       execution_options for isolation levels and modes";

/// Follows a text that steers the transaction, or refuses it before it is sent.
pub(crate) fn steer<U: Unit>(unit: &mut U, sql: &str) -> QueryResult<()> {
    let order = match order(U::Raw::FLAVOUR, sql) {
        Ok(Some(order)) => order,
        Ok(None) => return Err(refused()),
        Err(words) => {
            return Err(refused_because(&format!(
                "aludel: `{words}` cannot be followed in a raw BEGIN, COMMIT or ROLLBACK; {INSTEAD}"
            )));
        }
    };
    unit.connection().settle();
    let transaction = &unit.connection().transaction;
    let (origin, in_scope) = (transaction.origin(), transaction.in_scope());
    match (order, origin) {
        _ if in_scope => Err(refused()),
        (Order::Begin { own, immediate }, None | Some(Origin::Autobegun)) => begin(unit, own, immediate),
        (Order::Begin { .. }, Some(Origin::Explicit)) => Err(refused_because(
            "aludel: a BEGIN inside a transaction would commit it or be ignored, as each database has it; use begin_nested \
             for a savepoint, or end the transaction first",
        )),
        // Nobody but raw SQL begins one explicitly and leaves no scope behind.
        (Order::Commit, Some(Origin::Explicit)) => scope::commit_alone(unit).map_err(Refused::wrap),
        (Order::Rollback, Some(Origin::Explicit)) => {
            // Where ROLLBACK could not be sent the connection was closed, which rolls back as well.
            scope::rollback_alone(unit);
            Ok(())
        }
        // What the server has open is not the session's, and must not hear of it.
        (Order::Commit | Order::Rollback, None) if unit.pending().is_none() && unit.connection().is_guest() => Ok(()),
        (Order::Commit | Order::Rollback, None) if unit.pending().is_none() => {
            unit.connection().send_without_effect(sql)
        }
        _ => Err(refused()),
    }
}

fn begin<U: Unit>(unit: &mut U, own: Characteristics, immediate: bool) -> QueryResult<()> {
    own.check(U::Raw::FLAVOUR).map_err(Refused::wrap)?;
    let asked = Asked {
        own,
        immediate,
        ..Asked::default()
    };
    if scope::stand(unit, asked).map_err(Refused::wrap)? == Stand::Joined {
        return Err(refused());
    }
    stage::begin_root(unit, asked).map_err(Refused::wrap)
}

/// The refusal of a word that would end or change the transaction under its owner, or that stands beside other statements.
pub(crate) fn refused() -> DieselError {
    refused_because(&format!(
        "aludel: transaction control in raw SQL would end or change the transaction behind the session's back; {INSTEAD}"
    ))
}

pub(crate) fn refused_because(text: &str) -> DieselError {
    DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(text.to_owned()))
}
