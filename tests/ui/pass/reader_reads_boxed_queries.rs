// A reader takes boxed queries, and what they borrow.

use aludel::Reconnecting;
use aludel::prelude::*;
use aludel_tests::account::accounts;
use aludel_tests::stage::Stage;
use diesel::prelude::*;

fn richer_than(reader: &Reconnecting<SqliteConnection>, balance: i64, owner: Option<&str>) -> aludel::Result<Vec<i32>> {
    let mut query = accounts::table
        .select(accounts::id)
        .filter(accounts::balance.gt(balance))
        .into_boxed();
    if let Some(owner) = owner {
        query = query.filter(accounts::owner.eq(owner));
    }
    reader.load(query)
}

fn main() -> aludel::Result<()> {
    let bank = Stage::<SqliteConnection>::open("reader_reads_boxed_queries");
    let reader = bank.engine.reconnecting();
    assert_eq!(richer_than(&reader, -1, None)?, [1, 2]);
    let owner = String::from("Bob");
    assert_eq!(richer_than(&reader, -1, Some(&owner))?, [2]);
    Ok(())
}
