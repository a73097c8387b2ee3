//! Sessions on a real `PostgreSQL`, and everything that can happen to its connections.

// Where the stories take place.
mod bank;
mod support;

// What the server, the network and the caller do to a transaction.
mod autobegin;
mod conflict;
mod connect;
mod design;
mod diesel_api;
mod doomed;
mod exit;
mod lost_commit;
mod lost_connection;
mod lost_savepoint;
mod migrations;
mod model;
mod objects;
mod panic;
mod raw;
mod retry;
mod stale_pool;
