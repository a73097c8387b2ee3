//! Sessions on `SQLite`, which needs no server.
#![allow(clippy::unnecessary_wraps)] // a story answers a Result whether or not its last line needs one

mod autocommit;
mod default_level;
mod design;
mod endings;
mod forked;
mod forked_engine;
mod in_memory;
mod isolation;
mod isolation_cases;
mod logging;
mod mock;
mod objects;
mod reconnect_cases;
mod regressions;
mod rerun;
mod reset_agent_cases;
mod session_transaction_cases;
mod shared_cache;
mod stories;
mod support;
mod testing;
mod thread_local;
mod transaction_cases;
mod transactions;
