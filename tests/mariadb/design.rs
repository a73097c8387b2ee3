//! The code that users were promised, on `MariaDB`.

use std::time::Duration;

use aludel_tests::{mariadb, promised_code};
use diesel::connection::SimpleConnection;

use crate::stories::Bank;

promised_code!(MysqlConnection);

const SCHEMA: &str = "\
    CREATE TABLE accounts (id INTEGER AUTO_INCREMENT PRIMARY KEY, owner VARCHAR(40) NOT NULL, balance BIGINT NOT NULL, \
        version INTEGER NOT NULL); \
    CREATE TABLE ledger (id INTEGER AUTO_INCREMENT PRIMARY KEY, from_account INTEGER NOT NULL, to_account INTEGER NOT NULL, \
        amount BIGINT NOT NULL CHECK (amount < 1000)); \
    INSERT INTO accounts (owner, balance, version) VALUES ('Ann', 5000, 1), ('Bob', 0, 1)";

fn engine() -> aludel::Result<Engine<MysqlConnection>> {
    let database = mariadb::server().database("design");
    let engine = Engine::<MysqlConnection>::new(database.url())?; // connects to nothing yet
    assert_eq!(engine.pool().opened(), 0);
    engine.begin(|session| Ok(session.batch_execute(SCHEMA)?))?;
    Ok(engine)
}

#[test]
fn every_option_of_the_builder() -> aludel::Result<()> {
    let bank = Bank::open("options");
    let engine = Engine::<MysqlConnection>::builder(bank.database.url_with("connect_timeout", "5"))
        .pool_size(5)
        .max_overflow(10)
        .pool_timeout(Duration::from_secs(30))
        .pool_recycle(Duration::from_hours(1))
        .pool_pre_ping(PrePing::IdleFor(Duration::from_millis(500)))
        .pool_use_lifo(true)
        .pool_reset_on_return(ResetOnReturn::Rollback)
        .isolation_level(IsolationLevel::ReadCommitted)
        .echo(false)
        .echo_pool(false)
        .hide_parameters(true)
        .logging_name("bank")
        .listen(|_: &Event<'_>| {})
        .on_connect(|_: &mut MysqlConnection, _| Ok(()))
        .on_checkout(|_: &mut MysqlConnection, _| Ok(()))
        .handle_error(|_: &mut ErrorContext<'_>| {})
        .build()?;
    let level = engine.begin(|session| {
        Ok(
            diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>("@@tx_isolation"))
                .get_result::<String>(session)?,
        )
    })?;
    assert_eq!(level, "READ-COMMITTED");
    println!("{}", engine.pool().status());
    engine.dispose();
    Ok(())
}
