// A reader repeats what it sends after a disconnect, so it does not delete.

use aludel::Reconnecting;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, balance -> BigInt, } }

fn close(reader: &Reconnecting<SqliteConnection>) -> aludel::Result<Vec<i32>> {
    reader.load(diesel::delete(accounts::table).returning(accounts::id))
}

fn main() {}
