//! Sessions on `SQLite`, which needs no server.
#![allow(clippy::unnecessary_wraps)] // a story answers a Result whether or not its last line needs one

mod design;
mod endings;
mod logging;
mod objects;
mod regressions;
mod rerun;
mod stories;
mod support;
mod transactions;
