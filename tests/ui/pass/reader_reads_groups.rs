// A reader takes queries with groups.

use aludel::prelude::*;
use aludel_tests::account::accounts;
use aludel_tests::stage::Stage;
use diesel::dsl::{count, max};
use diesel::prelude::*;

fn main() -> aludel::Result<()> {
    let bank = Stage::<SqliteConnection>::open("reader_reads_groups");
    let richest = accounts::table
        .group_by(accounts::version)
        .having(count(accounts::id).gt(1))
        .select((accounts::version, max(accounts::balance)));
    assert_eq!(
        bank.engine.reconnecting().load::<(i32, Option<i64>), _>(richest)?,
        [(1, Some(500))]
    );
    Ok(())
}
