// Raw SQL runs on a session; a piece of it may stand in a query, and the server refuses it where it writes.

use aludel::prelude::*;
use aludel_tests::stage::Stage;
use diesel::prelude::*;

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    id: i32,
}

fn main() -> aludel::Result<()> {
    let bank = Stage::<SqliteConnection>::open("reader_runs_raw_sql");
    let ids: Vec<Id> = bank
        .engine
        .begin(|session| Ok(diesel::sql_query("SELECT id FROM accounts").load(session)?))?;
    assert_eq!(ids.iter().map(|row| row.id).sum::<i32>(), 3);
    let three = diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("1 + 2"));
    assert_eq!(bank.engine.reconnecting().get_result::<i32, _>(three)?, 3);
    Ok(())
}
