//! Migrations on a database that commits with every piece of DDL.

use aludel::prelude::*;
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::stories::Bank;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("mariadb/migrations");

#[test]
fn migrations_run_on_a_session_and_stay() {
    let bank = Bank::open("migrations");
    let mut session = bank.engine.session();
    assert_eq!(
        session
            .run_pending_migrations(MIGRATIONS)
            .expect("they are sound")
            .len(),
        2
    );
    assert!(!session.has_pending_migration(MIGRATIONS).expect("they were recorded"));
    drop(session);
    assert!(!bank.log.take().contains(&"dropped uncommitted".to_owned()));
    let rows = diesel::sql_query("DELETE FROM ledger WHERE fee = 0")
        .execute(&mut bank.outside())
        .expect("it is there");
    assert_eq!(rows, 1);
    let mut session = bank.engine.session();
    session.revert_last_migration(MIGRATIONS).expect("it can be reverted");
    assert!(session.has_pending_migration(MIGRATIONS).expect("one is left"));
    drop(session);
    bank.assert_whole();
}

#[test]
fn save_changes_goes_through_the_session() -> aludel::Result<()> {
    use crate::stories::accounts;

    #[derive(AsChangeset, Identifiable, Queryable, Selectable)]
    #[diesel(table_name = accounts)]
    struct Row {
        id: i32,
        owner: String,
        balance: i64,
        version: i32,
    }

    let bank = Bank::open("save_changes");
    bank.engine.begin(|session| {
        let saved: Row = Row {
            id: 1,
            owner: "Ann".into(),
            balance: 7,
            version: 2,
        }
        .save_changes(session)?;
        assert_eq!(saved.balance, 7);
        Ok(())
    })?;
    assert_eq!(bank.balances(), [7, 0]);
    Ok(())
}
