//! Sessions on a real `MariaDB`, and everything that can happen to its connections.
#![allow(clippy::unnecessary_wraps)] // a story answers a Result whether or not its last line needs one

mod arguments;
mod cancelled;
mod chaos;
mod conflicts;
mod connecting;
mod deadlines;
mod design;
mod doomed;
mod failed_commit;
mod forged;
mod forked;
mod galera;
mod hidden;
mod implicit_commits;
mod isolation;
mod isolation_cases;
mod killed;
mod logging;
mod lost;
mod panics;
mod provoked;
mod proxied;
mod raw_control;
mod reconnect_cases;
mod regressions;
mod reset_agent_cases;
mod round_trips;
mod schema;
mod session_transaction_cases;
mod stopped;
mod stories;
mod support;
mod tls;
mod transaction_cases;
mod verify;
