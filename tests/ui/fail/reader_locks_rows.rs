// A reader has no transaction, so a lock of its own would be gone at once.

use aludel::prelude::*;
use aludel::{ReadQuery, Reconnecting};
use diesel::dsl::ForUpdate;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, balance -> BigInt, } }

fn lock<C: Dialect>(reader: &Reconnecting<C>) -> aludel::Result<Vec<(i32, i64)>>
where
    ForUpdate<accounts::table>: ReadQuery<C, (i32, i64)>,
{
    reader.load(accounts::table.for_update())
}

fn main() {}
