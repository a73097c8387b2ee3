//! Sessions on a real `MariaDB`, and everything that can happen to its connections.
#![allow(clippy::unnecessary_wraps)] // a story answers a Result whether or not its last line needs one

mod arguments;
mod conflicts;
mod connecting;
mod design;
mod forged;
mod forked;
mod galera;
mod hidden;
mod isolation;
mod killed;
mod logging;
mod lost;
mod provoked;
mod proxied;
mod regressions;
mod round_trips;
mod schema;
mod stopped;
mod stories;
mod support;
mod tls;
mod verify;
