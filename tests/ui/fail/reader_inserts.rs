// A reader repeats what it sends after a disconnect, so it does not insert.

use aludel::Reconnecting;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, balance -> BigInt, } }

fn open(reader: &Reconnecting<SqliteConnection>) -> aludel::Result<i32> {
    reader.get_result(
        diesel::insert_into(accounts::table)
            .values(accounts::balance.eq(0_i64))
            .returning(accounts::id),
    )
}

fn main() {}
