//! The stories of `tests/models`, on this database.

/// The connection that they are told on.
type C = diesel::MysqlConnection;

#[path = "../models/agree.rs"]
mod agree;
#[path = "../models/batches.rs"]
mod batches;
#[path = "../models/defaults.rs"]
mod defaults;
#[path = "../models/deletes.rs"]
mod deletes;
#[path = "../models/flush_events.rs"]
mod flush_events;
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
#[path = "../models/states.rs"]
mod states;
#[path = "../models/verbs.rs"]
mod verbs;
#[path = "../models/version_kinds.rs"]
mod version_kinds;
#[path = "../models/versions.rs"]
mod versions;
#[cfg(feature = "chrono")]
#[path = "../models/written.rs"]
mod written;

/// Typed statements that write over a row.
mod upserts {
    use diesel::prelude::*;

    use super::C;
    use super::agree::things::{self, amount, id, label};

    pub(super) type Upsert = fn(&mut aludel::Session<C>, i32, &str) -> QueryResult<usize>;
    pub(super) const TYPED: [Upsert; 2] = [upsert, replace];

    fn upsert(session: &mut aludel::Session<C>, key: i32, text: &str) -> QueryResult<usize> {
        let insert = diesel::insert_into(things::table).values((id.eq(key), label.eq(text), amount.eq(2)));
        insert
            .on_conflict(diesel::dsl::DuplicatedKeys)
            .do_update()
            .set(label.eq(text))
            .execute(session)
    }

    fn replace(session: &mut aludel::Session<C>, key: i32, text: &str) -> QueryResult<usize> {
        let replace = diesel::replace_into(things::table);
        replace
            .values((id.eq(key), label.eq(text), amount.eq(2)))
            .execute(session)
    }
}
