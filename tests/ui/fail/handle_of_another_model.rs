// A handle reaches the values of its own model, and no others.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, balance -> BigInt, } }
diesel::table! { owners (id) { id -> Integer, name -> Text, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = accounts)]
struct Account {
    id: i32,
    balance: i64,
}

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = owners)]
struct Owner {
    id: i32,
    name: String,
}

fn account(session: &Session<SqliteConnection>, owner: Entity<Owner>) -> &Account {
    &session[owner]
}

fn main() {}
