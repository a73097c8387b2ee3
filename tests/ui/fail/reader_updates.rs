// A reader repeats what it sends after a disconnect, so it does not update.

use aludel::Reconnecting;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, balance -> BigInt, } }

fn pay(reader: &Reconnecting<SqliteConnection>) -> aludel::Result<Vec<i64>> {
    reader.load(
        diesel::update(accounts::table)
            .set(accounts::balance.eq(accounts::balance + 1))
            .returning(accounts::balance),
    )
}

fn main() {}
