//! What generated code calls. Not for people; it changes without notice.

use std::panic::Location;

use aludel_core::{Dialect, Error};

use crate::ambient::AmbientStage;
use crate::once::{self, OnceKey, Replay};
use crate::retry::IntoRetryPolicy;
use crate::session::Session;
use crate::transaction::stage::Asked;
use crate::transactional::TransactionPolicy;

mod backends;
mod model;

pub use crate::ambient::Ambient;
pub use crate::model::{BindEmbedded, Column, Columns, Reference, Role, Shape, Stamp, VersionKind};
pub use crate::sql::{Answering, Select};
pub use crate::unit_of_work::Cascading;

pub use model::{answering, bind, column, no_column, text};

pub use diesel::query_builder::{AstPass, QueryFragment};
pub use diesel::result::QueryResult;
pub use std::string::String;
pub use std::sync::OnceLock;
pub use std::time::SystemTime;
pub use std::vec::Vec;
pub use {aludel_core, diesel};

/// The runner of `#[retry]`.
///
/// # Errors
///
/// The body's last one, or ours, converted.
#[track_caller]
pub fn retry<C, T, E>(
    session: &mut Session<C>,
    policy: &impl IntoRetryPolicy,
    function: &'static str,
    body: impl FnMut(&mut Session<C>) -> Result<T, E>,
) -> Result<T, E>
where
    C: Dialect,
    E: From<Error> + 'static,
{
    crate::retry::retry(session, policy, Asked::default(), function, body)
}

/// The runner of `#[retry]` on a function without a session: on the ambient one.
///
/// # Errors
///
/// The same; and when there is no such session, or it is in use.
#[track_caller]
pub fn retry_ambient<T, E>(
    ambient: Ambient<'_>,
    policy: &impl IntoRetryPolicy,
    function: &'static str,
    mut body: impl FnMut() -> Result<T, E>,
) -> Result<T, E>
where
    E: From<Error> + 'static,
{
    let mut stage = AmbientStage::of(ambient, Location::caller())?;
    crate::retry::retry(&mut stage, policy, Asked::default(), function, |_| body())
}

/// What `#[transactional]` does.
///
/// # Errors
///
/// The body's, or ours, converted.
#[track_caller]
pub fn transactional<C, T, E>(
    session: &mut Session<C>,
    policy: &TransactionPolicy,
    function: &'static str,
    body: impl FnOnce(&mut Session<C>) -> Result<T, E>,
) -> Result<T, E>
where
    C: Dialect,
    E: From<Error> + 'static,
{
    crate::transactional::transactional(session, policy, Asked::default(), function, body)
}

/// The same, on a function without a session: on the ambient one.
///
/// # Errors
///
/// The same; and when there is no such session, or it is in use.
#[track_caller]
pub fn transactional_ambient<T, E>(
    ambient: Ambient<'_>,
    policy: &TransactionPolicy,
    function: &'static str,
    body: impl FnOnce() -> Result<T, E>,
) -> Result<T, E>
where
    E: From<Error> + 'static,
{
    let mut stage = AmbientStage::of(ambient, Location::caller())?;
    crate::transactional::transactional(&mut stage, policy, Asked::default(), function, |_| body())
}

/// The key of a call with `once = ..`. By reference, since the body may move what it is made of.
pub fn once_key<'a, K: ?Sized>(key: &'a K) -> OnceKey
where
    &'a K: Into<OnceKey>,
{
    key.into()
}

/// The runner of `#[retry(once = ..)]`.
///
/// # Errors
///
/// The body's last one, or ours, converted.
#[track_caller]
pub fn retry_once<C, T, E>(
    session: &mut Session<C>,
    policy: &impl IntoRetryPolicy,
    function: &'static str,
    key: OnceKey,
    mut body: impl FnMut(&mut Session<C>) -> Result<T, E>,
) -> Result<T, E>
where
    C: Dialect,
    T: Replay,
    E: From<Error> + 'static,
{
    let key = key.used_for(function)?;
    crate::retry::retry(session, policy, once::asked(), function, |session| {
        once::part(session, &key, &mut body)
    })
}

/// The same, on a function without a session: on the ambient one.
///
/// # Errors
///
/// The same; and when there is no such session, or it is in use.
#[track_caller]
pub fn retry_once_ambient<T, E>(
    ambient: Ambient<'_>,
    policy: &impl IntoRetryPolicy,
    function: &'static str,
    key: OnceKey,
    mut body: impl FnMut() -> Result<T, E>,
) -> Result<T, E>
where
    T: Replay,
    E: From<Error> + 'static,
{
    let key = key.used_for(function)?;
    let mut stage = AmbientStage::of(ambient, Location::caller())?;
    crate::retry::retry(&mut stage, policy, once::asked(), function, |stage| {
        once::part(stage, &key, |_| body())
    })
}

/// What `#[transactional(once = ..)]` does.
///
/// # Errors
///
/// The body's, or ours, converted.
#[track_caller]
pub fn transactional_once<C, T, E>(
    session: &mut Session<C>,
    policy: &TransactionPolicy,
    function: &'static str,
    key: OnceKey,
    body: impl FnOnce(&mut Session<C>) -> Result<T, E>,
) -> Result<T, E>
where
    C: Dialect,
    T: Replay,
    E: From<Error> + 'static,
{
    let key = key.used_for(function)?;
    crate::transactional::transactional(session, policy, once::asked(), function, |session| {
        once::part(session, &key, body)
    })
}

/// The same, on a function without a session: on the ambient one.
///
/// # Errors
///
/// The same; and when there is no such session, or it is in use.
#[track_caller]
pub fn transactional_once_ambient<T, E>(
    ambient: Ambient<'_>,
    policy: &TransactionPolicy,
    function: &'static str,
    key: OnceKey,
    body: impl FnOnce() -> Result<T, E>,
) -> Result<T, E>
where
    T: Replay,
    E: From<Error> + 'static,
{
    let key = key.used_for(function)?;
    let mut stage = AmbientStage::of(ambient, Location::caller())?;
    crate::transactional::transactional(&mut stage, policy, once::asked(), function, |stage| {
        once::part(stage, &key, |_| body())
    })
}
