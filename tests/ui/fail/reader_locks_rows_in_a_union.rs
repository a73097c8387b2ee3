// A lock on one side of a union is a lock.

use aludel::prelude::*;
use aludel::{ReadQuery, Reconnecting};
use diesel::dsl::{ForUpdate, Union};
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, balance -> BigInt, } }

fn lock<C: Dialect>(reader: &Reconnecting<C>) -> aludel::Result<Vec<(i32, i64)>>
where
    Union<ForUpdate<accounts::table>, accounts::table>: ReadQuery<C, (i32, i64)>,
{
    reader.load(accounts::table.for_update().union(accounts::table))
}

fn main() {}
