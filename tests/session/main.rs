//! Sessions on `SQLite`, which needs no server.

mod support;
