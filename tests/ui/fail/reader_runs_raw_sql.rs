// A reader takes no raw SQL, of which nobody knows whether it only reads.

use aludel::Reconnecting;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, balance -> BigInt, } }

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    id: i32,
}

fn ids(reader: &Reconnecting<SqliteConnection>) -> aludel::Result<Vec<Id>> {
    reader.load(diesel::sql_query("DELETE FROM accounts RETURNING id"))
}

fn main() {}
