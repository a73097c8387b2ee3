// A reader takes counts, and a SELECT without a table.

use aludel::prelude::*;
use aludel_tests::account::accounts;
use aludel_tests::stage::Stage;
use diesel::dsl::exists;
use diesel::prelude::*;

fn main() -> aludel::Result<()> {
    let bank = Stage::<SqliteConnection>::open("reader_reads_counts");
    let reader = bank.engine.reconnecting();
    assert_eq!(reader.get_result::<i64, _>(accounts::table.count())?, 2);
    let rich = exists(accounts::table.filter(accounts::balance.gt(100)));
    assert!(reader.get_result::<bool, _>(diesel::select(rich))?);
    assert_eq!(
        reader.first::<i64, _>(accounts::table.filter(accounts::id.eq(9)).count())?,
        0
    );
    Ok(())
}
