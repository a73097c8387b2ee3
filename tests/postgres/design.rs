//! The code that users were promised, on PostgreSQL.

use aludel_tests::{postgres, promised_code};
use diesel::connection::SimpleConnection;

promised_code!(PgConnection);

const SCHEMA: &str = "\
    CREATE TABLE accounts (id SERIAL PRIMARY KEY, owner TEXT NOT NULL, balance BIGINT NOT NULL, \
        version INTEGER NOT NULL); \
    CREATE TABLE ledger (id SERIAL PRIMARY KEY, from_account INTEGER NOT NULL, to_account INTEGER NOT NULL, \
        amount BIGINT NOT NULL CHECK (amount < 1000)); \
    INSERT INTO accounts (owner, balance, version) VALUES ('Ann', 5000, 1), ('Bob', 0, 1)";

fn engine() -> aludel::Result<Engine<PgConnection>> {
    let database = postgres::server().database("design");
    let engine = Engine::<PgConnection>::new(database.url())?; // connects to nothing yet
    assert_eq!(engine.pool().opened(), 0);
    engine.begin(|session| Ok(session.batch_execute(SCHEMA)?))?;
    Ok(engine)
}
