// What takes a connection takes a session; what is to be read through a reader takes that.

use aludel::Reconnecting;
use aludel::prelude::*;
use aludel_tests::account::Account;
use aludel_tests::account::accounts;
use aludel_tests::stage::Stage;
use diesel::prelude::*;

fn all(session: &mut Session<SqliteConnection>) -> QueryResult<Vec<Account>> {
    accounts::table.load(session)
}

fn all_again(reader: &Reconnecting<SqliteConnection>) -> aludel::Result<Vec<Account>> {
    reader.load(accounts::table)
}

fn main() -> aludel::Result<()> {
    let bank = Stage::<SqliteConnection>::open("reader_as_a_connection");
    let read = bank.engine.begin(|session| Ok(all(session)?))?;
    assert_eq!(all_again(&bank.engine.reconnecting())?, read);
    Ok(())
}
