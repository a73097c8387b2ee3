//! The engine room of Aludel: engine, pool, dialects, and the one classifier that decides what an error is.
//!
//! Most programs depend on the crate `aludel`, which re-exports all of this and adds sessions, models and macros.
//!
//! | Folder | What happens there |
//! |---|---|
//! | [`engine`](Engine) | options, hooks, the connector that makes raw connections |
//! | [`pool`] | checkout, return, hand-off to waiters, generations |
//! | [`dialect`] | what differs between SQLite, MariaDB/MySQL and PostgreSQL |
//! | [`classify`](mod@classify) | what an error means: tables of texts, one function |
//! | [`mock`] | an engine without a database, whose statements go to a function |
//! | [`retry`] | when a transaction runs again: policies, pauses, the budget of an engine |
//! | [`once`] | the table of results that are kept under an idempotency key |
//! | [`verify`] | commit tokens: what is left of a COMMIT whose answer never came |
//! | [`url`] | database URLs that never show their password |
//! | [`testing`] | fault scripts, event logs and the test clock |
// The tests of this crate need the system's primitives. (Cargo builds them for a package of tests/proof/ if it is given a name.)
#![cfg_attr(any(aludel_shuttle, aludel_loom), cfg(not(test)))]

pub mod classify;
pub mod clock;
pub mod dialect;
pub mod event;
pub mod log;
pub mod mock;
pub mod once;
pub mod pool;
pub mod retry;
pub mod testing;
pub mod url;
pub mod verify;

mod cancel;
mod control;
mod engine;
mod error;
mod fault;
mod forkable;
mod mistakes;
mod names;
mod process;
#[cfg(not(any(aludel_shuttle, aludel_loom)))]
mod sync;
#[cfg(any(aludel_shuttle, aludel_loom))]
pub mod sync;

pub use cancel::{CancelToken, OnCancel};
pub use classify::{Class, Flavour, Phase};
pub use control::{Control, STATIC_DEPTHS};
pub use dialect::{AccessMode, Deferrable, Dialect, IsolationLevel};
pub use engine::{ConnectInfo, Engine, EngineBuilder, EngineConfig, ErrorContext, ExecutionOptions};
pub use error::{Error, ErrorKind, Exit, OnExit, Outcome, Refused, Result};
pub use event::Event;
pub use fault::{Fault, annotate};
pub use log::Echo;
pub use retry::{Backoff, CommitPolicy, FailedAttempt, RetryBudget, RetryEnd, RetryPolicy, RetryReport};
pub use url::Url;
