// A session updates: in a transaction, which runs again as a whole or not at all.

use aludel::prelude::*;
use aludel_tests::account::accounts;
use aludel_tests::stage::Stage;
use diesel::prelude::*;

#[retry]
fn pay(session: &mut Session<SqliteConnection>) -> aludel::Result<usize> {
    Ok(diesel::update(accounts::table)
        .set(accounts::balance.eq(accounts::balance + 1))
        .execute(session)?)
}

fn main() -> aludel::Result<()> {
    let bank = Stage::<SqliteConnection>::open("reader_updates");
    assert_eq!(pay(&mut bank.engine.session())?, 2);
    assert_eq!(
        bank.engine
            .reconnecting()
            .load::<i64, _>(accounts::table.select(accounts::balance))?,
        [501, 1]
    );
    Ok(())
}
