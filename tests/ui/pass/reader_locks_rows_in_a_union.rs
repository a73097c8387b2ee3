// A union of what only reads only reads, however deep.

use aludel::prelude::*;
use aludel_tests::account::accounts;
use aludel_tests::stage::Stage;
use diesel::prelude::*;

fn main() -> aludel::Result<()> {
    let bank = Stage::<SqliteConnection>::open("reader_locks_rows_in_a_union");
    let poor = accounts::table.filter(accounts::balance.lt(10)).select(accounts::id);
    let ann = accounts::table.filter(accounts::owner.eq("Ann")).select(accounts::id);
    let all = ann.union(poor).union_all(ann);
    assert_eq!(bank.engine.reconnecting().load::<i32, _>(all)?.len(), 3);
    Ok(())
}
