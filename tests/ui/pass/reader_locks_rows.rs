// A transaction holds a lock until its end; a reader reads without one.

use aludel::prelude::*;
use aludel_tests::account::Account;
use aludel_tests::account::accounts;
use aludel_tests::stage::Stage;
use diesel::dsl::ForUpdate;
use diesel::prelude::*;
use diesel::query_dsl::LoadQuery;

#[allow(dead_code)] // SQLite has no such locks
fn lock<C: Dialect>(session: &mut Session<C>) -> QueryResult<Vec<Account>>
where
    for<'query> ForUpdate<accounts::table>: LoadQuery<'query, Session<C>, Account>,
{
    accounts::table.for_update().load(session)
}

fn main() -> aludel::Result<()> {
    let bank = Stage::<SqliteConnection>::open("reader_locks_rows");
    assert_eq!(bank.engine.reconnecting().load::<Account, _>(accounts::table)?.len(), 2);
    Ok(())
}
