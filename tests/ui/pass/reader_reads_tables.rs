// A reader takes tables, and whatever they are narrowed down to.

use aludel::prelude::*;
use aludel_tests::account::Account;
use aludel_tests::account::accounts;
use aludel_tests::stage::Stage;
use diesel::prelude::*;

fn main() -> aludel::Result<()> {
    let bank = Stage::<SqliteConnection>::open("reader_reads_tables");
    let reader = bank.engine.reconnecting();
    assert_eq!(reader.load::<Account, _>(accounts::table)?.len(), 2);
    let poorest = accounts::table.filter(accounts::id.gt(0)).order(accounts::balance);
    assert_eq!(reader.first::<Account, _>(poorest)?.owner, "Bob");
    assert_eq!(
        reader.load::<i32, _>(accounts::table.select(accounts::version).distinct())?,
        [1]
    );
    assert_eq!(
        reader.get_result::<i64, _>(accounts::table.find(1).select(accounts::balance))?,
        500
    );
    assert_eq!(reader.first::<Account, _>(accounts::table.find(9)).optional()?, None);
    Ok(())
}
