// A session is for a connection of Diesel's; what takes it out of a pool is the engine.

use aludel::prelude::*;
use diesel::SqliteConnection;
use diesel::r2d2::{ConnectionManager, PooledConnection};

type Pooled = PooledConnection<ConnectionManager<SqliteConnection>>;

fn work(_session: &mut Session<Pooled>) {}

fn main() {}
