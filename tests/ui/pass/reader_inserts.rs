// A session inserts: in a transaction, which runs again as a whole or not at all.

use aludel::prelude::*;
use aludel_tests::account::accounts;
use aludel_tests::stage::Stage;
use diesel::prelude::*;

fn open(session: &mut Session<SqliteConnection>) -> QueryResult<i32> {
    diesel::insert_into(accounts::table)
        .values((
            accounts::owner.eq("Cid"),
            accounts::balance.eq(0),
            accounts::version.eq(1),
        ))
        .returning(accounts::id)
        .get_result(session)
}

fn main() -> aludel::Result<()> {
    let bank = Stage::<SqliteConnection>::open("reader_inserts");
    assert_eq!(bank.engine.begin(|session| Ok(open(session)?))?, 3);
    assert_eq!(
        bank.engine
            .reconnecting()
            .get_result::<i64, _>(accounts::table.count())?,
        3
    );
    Ok(())
}
