//! The stories of `tests/models`, on this database.

/// The connection that they are told on.
type C = diesel::SqliteConnection;

#[path = "../models/defaults.rs"]
mod defaults;
#[path = "../models/deletes.rs"]
mod deletes;
#[path = "../models/gist.rs"]
mod gist;
#[path = "../models/ground.rs"]
mod ground;
#[path = "../models/keys.rs"]
mod keys;
#[path = "../models/links.rs"]
mod links;
#[path = "../models/order.rs"]
mod order;
#[path = "../models/self_reference.rs"]
mod self_reference;
#[path = "../models/stale.rs"]
mod stale;
#[path = "../models/versions.rs"]
mod versions;
#[cfg(feature = "chrono")]
#[path = "../models/written.rs"]
mod written;
