//! Aludel: what SQLAlchemy's engine, pool and session are to Python, for Rust, on Diesel.
//!
//! An [`Engine`] owns a pool; a [`Session`] takes a connection from it, is itself a Diesel connection, and tells the
//! truth about its transaction: whatever breaks below, the caller learns the first cause and what has become of the
//! data, nothing broken goes back to the pool, and a transaction that can safely run again does so by itself.
//!
//! ```
//! # #[cfg(feature = "sqlite")] {
//! use aludel::prelude::*;
//! use diesel::prelude::*;
//!
//! diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, version -> Integer, } }
//!
//! #[derive(Model, Queryable, Selectable, Clone, Debug)]
//! #[diesel(table_name = accounts)]
//! struct Account { id: i32, owner: String, balance: i64, #[model(version)] version: i32 }
//!
//! #[retry(attempts = 5, deadline = "10s")]
//! fn transfer(session: &mut Session<SqliteConnection>, from: i32, to: i32, amount: i64) -> aludel::Result<i64> {
//!     let from = session.get_one::<Account>(from)?;
//!     let to = session.get_one::<Account>(to)?;
//!     session[from].balance -= amount;
//!     session[to].balance += amount;
//!     Ok(session[from].balance)
//! }
//!
//! let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
//! let mut session = engine.session();
//! diesel::sql_query(
//!     "CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, balance BIGINT NOT NULL, \
//!      version INTEGER NOT NULL)",
//! )
//! .execute(&mut session)?;
//! session.add(Account { id: 1, owner: "Ann".into(), balance: 500, version: 0 });
//! session.add(Account { id: 2, owner: "Bob".into(), balance: 0, version: 0 });
//! session.commit()?;
//!
//! assert_eq!(transfer(&mut session, 1, 2, 100)?, 400);
//! # }
//! # Ok::<(), aludel::Error>(())
//! ```
//!
//! | Folder | What happens there |
//! |---|---|
//! | [`connection`](Connection) | every call to the driver, and the error's way through the classifier |
//! | `transaction` | root, savepoints, what an error does to them, the scopes that users write |
//! | [`session`](Session) | verbs on objects, hooks, events |
//! | [`factory`](SessionFactory) | sessions of one kind, sessions on a given connection |
//! | [`model`](Model) | handles, the identity map, flush |
//! | [`retry`](RetryPolicy) | the runner |
//! | [`reconnecting`](Reconnecting) | reads that are repeated after a disconnect |
//! | [`once`] | results that are kept under an idempotency key |
//! | `ambient` | sessions that nobody passes on: [`ambient_sessions`] |
//! | `transactional` | [`Propagation`] |
//! | `verification` | tokens of commits: [`when_commit_is_lost`] |
//!
//! Features: `sqlite` (default, compiled in), `mysql` (MariaDB and MySQL), `postgres`; `serde` reads and writes an
//! [`EngineConfig`]; `chrono` makes its types [times](Timestamp) that a flush writes.
#![forbid(unsafe_code)]

pub mod once;
pub mod prelude;
pub mod testing;

mod ambient;
mod connection;
mod engine;
mod factory;
mod model;
mod own_table;
mod reconnecting;
mod result;
mod retry;
mod session;
mod sql;
mod transaction;
mod transactional;
mod unit_of_work;
mod verification;

#[doc = include_str!("features.md")]
pub mod features {}

#[doc = include_str!("coming_from_sqlalchemy.md")]
pub mod coming_from_sqlalchemy {}

#[doc = include_str!("coming_from_diesel.md")]
pub mod coming_from_diesel {}

#[doc = include_str!("when_values_are_read_again.md")]
pub mod when_values_are_read_again {}

#[doc = include_str!("compiler_says.md")]
pub mod compiler_says {}

#[doc = include_str!("ambient_sessions.md")]
pub mod ambient_sessions {}

#[doc = include_str!("how_to_test.md")]
pub mod how_to_test {}

#[doc = include_str!("when_commit_is_lost.md")]
pub mod when_commit_is_lost {}

#[doc(hidden)]
pub mod plumbing;

pub use aludel_core::{
    AccessMode, Backoff, CancelToken, Class, CommitPolicy, ConnectInfo, Control, Deferrable, Dialect, Echo, Engine,
    EngineBuilder, EngineConfig, Error, ErrorContext, ErrorKind, Event, ExecutionOptions, Exit, FailedAttempt, Fault,
    Flavour, IsolationLevel, OnCancel, OnExit, Outcome, Phase, Refused, Result, RetryBudget, RetryEnd, RetryPolicy,
    RetryReport, Url,
};
pub use aludel_core::{classify, clock, dialect, event, log, mock, pool, url, verify};
pub use aludel_macros::{Embedded, Model, retry, transactional};
pub use ambient::{current, current_named, current_with};
pub use connection::{Connection, Cursor};
pub use engine::EngineExt;
pub use factory::SessionFactory;
pub use model::{BelongsTo, Embedded, Entity, ForeignKey, Model, OnDelete, Persist, Timestamp};
pub use reconnecting::{ReadOnlyQuery, ReadQuery, Reconnecting};
pub use result::ResultExt;
pub use retry::IntoRetryPolicy;
pub use session::{ObjectQuery, ObjectState, Objects, Session, SessionEvent, SessionFacts, SessionTransaction};
pub use transaction::{JoinTransactionMode, Manager, Transaction, TransactionBuilder};
pub use transactional::{Propagation, TransactionPolicy};

/// The README's snippets, compiled and run.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../../README.md")]
struct Readme;

/// The examples of the macros, which cannot depend on this package themselves.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../../macros/src/model.md")]
#[doc = include_str!("../../macros/src/retry.md")]
#[doc = include_str!("../../macros/src/transactional.md")]
struct Macros;
