//! Sessions on a real `MariaDB`, and everything that can happen to its connections.
#![allow(clippy::unnecessary_wraps)] // a story answers a Result whether or not its last line needs one

mod arguments;
mod conflicts;
mod connecting;
mod design;
mod forked;
mod isolation;
mod isolation_cases;
mod killed;
mod logging;
mod lost;
mod reconnect_cases;
mod regressions;
mod reset_agent_cases;
mod round_trips;
mod schema;
mod session_transaction_cases;
mod stopped;
mod stories;
mod support;
mod transaction_cases;
