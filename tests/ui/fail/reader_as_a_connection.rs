// A reader is no connection of Diesel's: who has one may write.

use aludel::Reconnecting;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, balance -> BigInt, } }

fn all(reader: &mut Reconnecting<SqliteConnection>) -> QueryResult<Vec<(i32, i64)>> {
    accounts::table.load(reader)
}

fn main() {}
