//! Ambient sessions: a session for a whole call chain, none of whose functions pass it on.
//!
//! | File | What happens there |
//! |---|---|
//! | [`slot`] | the stack of scopes of a thread, and lending a scope's session |
//! | [`find`] | which of them is meant, and what is said where there is none |
//! | [`stage`] | an ambient session as what transactions run on: borrowed to enter and to leave, and not in between |

use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::rc::Rc;

use aludel_core::{Dialect, Error, Result};

use crate::session::Session;
use crate::transaction::scope::{self, PANIC};

mod find;
mod slot;
mod stage;

pub use find::Ambient;
use slot::{Scope, Slot};
pub(crate) use stage::AmbientStage;

/// Where somebody in the user's code has called.
type Place = &'static Location<'static>;

/// Lends the ambient session for the length of a closure: that of the innermost [`scope`](crate::EngineExt::scope) of this
/// thread whose connection is a `C`.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// fn answer() -> aludel::Result<i32> {
///     aludel::current(|session: &mut Session<SqliteConnection>| {
///         Ok(diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("42")).get_result(session)?)
///     })
/// }
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// assert_eq!(engine.scope(answer)?, 42);
/// assert!(answer().unwrap_err().to_string().starts_with("there is no ambient session"));
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
///
/// # Errors
///
/// The closure's; when this thread has no such scope; when the session is in use, because the call comes from inside of
/// another one that has it.
///
/// # Panics
///
/// Only with the closure's own panic, which costs the session its transaction.
#[track_caller]
pub fn current<C: Dialect, T>(f: impl FnOnce(&mut Session<C>) -> Result<T>) -> Result<T> {
    lend(Ambient::of::<C>(), Location::caller(), f)
}

/// [`current`] for closures with an error type of their own.
///
/// # Errors
///
/// The same.
///
/// # Panics
///
/// The same.
#[track_caller]
pub fn current_with<C: Dialect, T, E: From<Error>>(f: impl FnOnce(&mut Session<C>) -> Result<T, E>) -> Result<T, E> {
    lend(Ambient::of::<C>(), Location::caller(), f)
}

/// [`current`], of the innermost scope whose engine has this [`logging_name`](crate::EngineBuilder::logging_name).
///
/// # Errors
///
/// The same.
///
/// # Panics
///
/// The same.
#[track_caller]
pub fn current_named<C: Dialect, T>(name: &str, f: impl FnOnce(&mut Session<C>) -> Result<T>) -> Result<T> {
    lend(Ambient::named(name).with::<C>(), Location::caller(), f)
}

/// Runs the closure with `session` as the innermost ambient session of this thread, which ends with it.
pub(crate) fn scope<C: Dialect, R>(session: Session<C>, place: Place, f: impl FnOnce() -> R) -> R {
    let slot: Rc<dyn Slot> = Rc::new(Scope::new(session, place));
    slot::within(&slot, f)
}

fn lend<C: Dialect, T, E: From<Error>>(
    ambient: Ambient<'_>,
    place: Place,
    f: impl FnOnce(&mut Session<C>) -> Result<T, E>,
) -> Result<T, E> {
    let slot = ambient.find()?;
    let mut session = find::typed::<C>(&slot).lend(place)?;
    // Unwind safety: what a panic leaves behind is thrown away with the transaction.
    match catch_unwind(AssertUnwindSafe(|| f(&mut session))) {
        Ok(result) => result,
        Err(payload) => {
            scope::exit(&mut *session, PANIC);
            resume_unwind(payload)
        }
    }
}
