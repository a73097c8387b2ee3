//! Sessions on `SQLite`, which needs no server.
#![allow(clippy::unnecessary_wraps)] // a story answers a Result whether or not its last line needs one

mod autocommit;
mod default_level;
mod design;
mod endings;
mod isolation;
mod objects;
mod regressions;
mod rerun;
mod stories;
mod support;
mod transactions;
