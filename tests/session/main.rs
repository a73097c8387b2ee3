//! Sessions on `SQLite`, which needs no server.
#![allow(clippy::unnecessary_wraps)] // a story answers a Result whether or not its last line needs one

mod autocommit;
mod cancelled;
mod control;
mod chaos;
mod default_level;
mod design;
mod doomed;
mod endings;
mod failed_commit;
mod forked;
mod forked_engine;
mod hidden;
mod in_memory;
mod isolation;
mod isolation_cases;
mod logging;
mod mock;
mod objects;
mod panics;
mod reconnect_cases;
mod raw_control;
mod provoked;
mod regressions;
mod rerun;
mod reset_agent_cases;
mod session_transaction_cases;
mod shared_cache;
mod statements;
mod stories;
mod support;
mod testing;
mod thread_local;
mod transaction_cases;
mod transactions;
mod verify;
