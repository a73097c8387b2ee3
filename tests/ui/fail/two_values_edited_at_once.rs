// Two values are not edited at once through two calls.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, balance -> BigInt, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = accounts)]
struct Account {
    id: i32,
    balance: i64,
}

fn swap(session: &mut Session<SqliteConnection>, left: Entity<Account>, right: Entity<Account>) -> aludel::Result<()> {
    let left = session.edit(left)?;
    let right = session.edit(right)?;
    std::mem::swap(&mut left.balance, &mut right.balance);
    Ok(())
}

fn main() {}
