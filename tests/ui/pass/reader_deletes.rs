// A session deletes: in a transaction, which runs again as a whole or not at all.

use aludel::prelude::*;
use aludel_tests::account::accounts;
use aludel_tests::stage::Stage;
use diesel::prelude::*;

fn main() -> aludel::Result<()> {
    let bank = Stage::<SqliteConnection>::open("reader_deletes");
    bank.engine
        .begin(|session| Ok(diesel::delete(accounts::table.find(2)).execute(session)?))?;
    assert_eq!(
        bank.engine
            .reconnecting()
            .get_result::<i64, _>(accounts::table.count())?,
        1
    );
    Ok(())
}
