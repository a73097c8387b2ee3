//! Sessions on `SQLite`, which needs no server.
#![allow(clippy::unnecessary_wraps)] // a story answers a Result whether or not its last line needs one

mod autocommit;
mod cancelled;
mod default_level;
mod design;
mod doomed;
mod endings;
mod failed_commit;
mod forked;
mod forked_engine;
mod in_memory;
mod isolation;
mod logging;
mod mock;
mod objects;
mod panics;
mod raw_control;
mod regressions;
mod rerun;
mod shared_cache;
mod statements;
mod stories;
mod support;
mod testing;
mod thread_local;
mod transactions;
