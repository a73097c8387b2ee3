//! The stories of `tests/models`, on this database.

/// The connection that they are told on.
type C = diesel::PgConnection;

#[path = "../models/ground.rs"]
mod ground;
#[path = "../models/keys.rs"]
mod keys;
#[cfg(feature = "chrono")]
#[path = "../models/written.rs"]
mod written;
