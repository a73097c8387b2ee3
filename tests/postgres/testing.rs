//! The fault script where rows come over a wire.
#![allow(clippy::unwrap_used)] // a story is short

use aludel::Phase;
use aludel::prelude::*;
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;

use crate::bank::{Bank, PgSession, accounts};

/// Both balances, one by one, up to the first error.
fn read<M>(session: &mut PgSession) -> Vec<String>
where
    for<'q> accounts::table: diesel::query_dsl::LoadQuery<'q, PgSession, (i32, String, i64, i32), M>,
    PgSession: diesel::connection::LoadConnection<M>,
{
    let mut read = Vec::new();
    match accounts::table.load_iter::<(i32, String, i64, i32), M>(session) {
        Err(error) => read.push(error.to_string()),
        Ok(rows) => {
            for row in rows {
                match row {
                    Ok((.., balance, _)) => read.push(balance.to_string()),
                    Err(error) => {
                        read.push(error.to_string());
                        break;
                    }
                }
            }
        }
    }
    read
}

#[test]
fn a_row_that_fails_leaves_none_of_the_others_on_the_wire() {
    let bank = Bank::open("testing_rows");
    let mut session = bank.engine.session();
    let pid = Bank::pid(&mut session);
    session.rollback().unwrap();
    for reads in [
        read::<diesel::connection::DefaultLoadingMode>,
        read::<PgRowByRowLoadingMode>,
    ] {
        bank.script
            .fail_at_row(2, DatabaseErrorKind::Unknown, "could not read block 1");
        assert_eq!(reads(&mut session), ["500", "could not read block 1"]);
        session.rollback().unwrap();
        bank.script
            .fail_after(Phase::Statement, DatabaseErrorKind::Unknown, "could not read block 2");
        assert_eq!(reads(&mut session), ["could not read block 2"]);
        session.rollback().unwrap();
        assert_eq!(reads(&mut session), ["500", "500"]);
        session.rollback().unwrap();
    }
    assert_eq!(Bank::pid(&mut session), pid);
    drop(session);
    bank.expect_whole_pool();
}
