#![doc = include_str!("once.md")]

use std::any::type_name;
use std::fmt;

use aludel_core::{Error, ErrorKind, Result};

use crate::transaction::scope::{self, Unit};
use crate::transaction::stage::{Asked, Stage};

mod claim;
mod key;
mod replay;
mod table;

pub use aludel_core::once::ResultTable;

pub(crate) use claim::Claim;
pub use key::OnceKey;
pub use replay::Replay;
pub(crate) use table::purge;

/// What a closure without a name stands for in its key's row.
const CLOSURE: &str = "once";

/// What is asked of a transaction in which a key will be written.
pub(crate) fn asked() -> Asked {
    Asked {
        keeps_result: true,
        ..Asked::default()
    }
}

/// See [`Session::once`](crate::Session::once).
#[track_caller]
pub(crate) fn begin<U, T, E>(unit: &mut U, key: OnceKey, f: impl FnOnce(&mut U) -> Result<T, E>) -> Result<T, E>
where
    U: Unit,
    T: Replay,
    E: From<Error> + 'static,
{
    let key = key.used_for(CLOSURE)?;
    scope::begin_as(unit, asked(), |unit| part(unit, &key, f))
}

/// Answers what is kept under the key; else runs the body, and keeps what it answers. A transaction is open, and whoever has
/// begun it ends it.
///
/// The key is written first, so that whoever comes with the same one waits for this transaction's end.
pub(crate) fn part<S, T, E>(stage: &mut S, key: &OnceKey, body: impl FnOnce(&mut S) -> Result<T, E>) -> Result<T, E>
where
    S: Stage,
    T: Replay,
    E: From<Error> + 'static,
{
    if let Claim::Kept(text) = stage.claim(key)? {
        return Ok(T::replay(&text).map_err(|error| unreadable::<T>(key, &*error))?);
    }
    let value = body(stage)?;
    let text = value.keep().map_err(|error| unkept(key, &*error))?;
    if text.contains('\0') {
        return Err(unkept(key, &"its text has a NUL in it, which PostgreSQL does not take").into());
    }
    stage.keep(key, &text)?;
    Ok(value)
}

/// The value itself is never told.
fn unreadable<T>(key: &OnceKey, why: &dyn fmt::Display) -> Error {
    let (scope, ty, table) = (key.scope_or_none(), type_name::<T>(), ResultTable::NAME);
    Error::object(
        ErrorKind::OnceKey,
        format!(
            "`{scope}` was done before under this idempotency key, and its result cannot be read as {ty}: {why}; nothing was \
             done now. Let `{scope}` answer the type that was kept, or remove the key's row from {table} if it may run once \
             more"
        ),
    )
}

fn unkept(key: &OnceKey, why: &dyn fmt::Display) -> Error {
    let scope = key.scope_or_none();
    Error::object(
        ErrorKind::OnceKey,
        format!("the result of `{scope}` cannot be kept under its idempotency key: {why}"),
    )
}
