//! Sessions on `SQLite`, which needs no server.

mod design;
mod endings;
mod objects;
mod rerun;
mod stories;
mod support;
mod transactions;
