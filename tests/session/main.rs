//! Sessions on `SQLite`, which needs no server.
#![allow(clippy::unnecessary_wraps)] // a story answers a Result whether or not its last line needs one

mod autocommit;
mod default_level;
mod design;
mod endings;
mod forked;
mod forked_engine;
mod hidden;
mod in_memory;
mod isolation;
mod logging;
mod mock;
mod objects;
mod provoked;
mod reconsidered;
mod regressions;
mod rerun;
mod shared_cache;
mod statements;
mod stories;
mod support;
mod testing;
mod thread_local;
mod transactions;
mod verify;
