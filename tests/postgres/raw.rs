//! `with_raw`, and transaction control in raw SQL.

use aludel::prelude::*;
use aludel::{Error, Outcome, RetryPolicy};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;

use crate::bank::{ANN, ANN_EXISTS, BOB, Bank, accounts, another_ann, look, pay};

/// What COPY brings in.
#[derive(Insertable)]
#[diesel(table_name = accounts, treat_none_as_default_value = false)]
struct Line {
    owner: String,
    balance: i64,
    version: i32,
}

#[test]
fn raw_access_that_leaves_the_transaction_alone_goes_on() {
    let bank = Bank::open("alone");
    bank.engine
        .begin(|session| {
            pay(session, ANN, -100)?;
            session.with_raw(|raw| Ok(pay(raw, BOB, 100)?))?;
            Ok(look(session)?)
        })
        .expect("the transaction was left alone");
    assert_eq!(bank.books(), (400, 600, 0));
    bank.log.expect(&["begin", "commit"]);
    bank.expect_whole_pool();
}

#[test]
fn a_failed_statement_in_raw_access_dooms_its_frame_and_is_named() {
    let bank = Bank::open("failed");
    bank.engine
        .begin(|session| {
            pay(session, ANN, -100)?;
            let nested = session.begin_nested(|nested| {
                let _ = nested.with_raw(|raw| Ok(another_ann(raw)?));
                Ok(())
            });
            let error = nested.unwrap_err();
            assert!(error.is_doomed());
            assert!(error.to_string().contains(ANN_EXISTS), "{error}");
            pay(session, BOB, 100)?;
            Ok(())
        })
        .expect("the outer frame was not touched");
    assert_eq!(bank.books(), (400, 600, 0));
    bank.expect_whole_pool();
}

#[test]
fn a_transaction_that_raw_access_has_ended_refuses_to_go_on() {
    for end in ["COMMIT", "ROLLBACK"] {
        let bank = Bank::open("ended");
        let error = bank
            .engine
            .begin(|session| {
                session.with_raw(|raw| Ok(raw.batch_execute(end)?))?;
                assert!(look(session).is_err());
                Ok(())
            })
            .unwrap_err();
        assert!(error.is_doomed(), "{end}: {error}");
        assert!(
            error.to_string().contains("was ended on the raw connection"),
            "{end}: {error}"
        );
        bank.expect_whole_pool();
    }
}

#[test]
fn a_connection_that_dies_in_raw_access_is_a_disconnect_and_is_run_again() {
    let bank = Bank::open("dies");
    let mut runs = 0;
    bank.engine
        .session()
        .retry(&RetryPolicy::new(), |session| {
            runs += 1;
            pay(session, ANN, -100)?;
            if runs == 1 {
                bank.kill(session);
            }
            session.with_raw(|raw| Ok(pay(raw, BOB, 100)?))
        })
        .expect("the second attempt is left alone");
    assert_eq!((runs, bank.books()), (2, (400, 600, 0)));
    bank.expect_whole_pool();
}

#[test]
fn copy_works_through_raw_access() {
    let bank = Bank::open("copy");
    let lines: Vec<Line> = (0..100)
        .map(|number| Line {
            owner: format!("copied {number}"),
            balance: number,
            version: 1,
        })
        .collect();
    let csv = bank
        .engine
        .begin(|session| {
            let copied = session.with_raw(|raw| {
                Ok(diesel::copy_from(accounts::table)
                    .from_insertable(&lines)
                    .execute(raw)?)
            })?;
            assert_eq!(copied, 100);
            session.with_raw(|raw| {
                let copy = diesel::copy_to(accounts::table).with_format(diesel::pg::CopyFormat::Csv);
                let mut reader = copy.load_raw(raw)?;
                let mut csv = String::new();
                std::io::Read::read_to_string(&mut reader, &mut csv).map_err(Error::other)?;
                Ok(csv)
            })
        })
        .expect("COPY works in a transaction");
    assert_eq!(csv.lines().count(), 102);
    let copied: i64 = accounts::table
        .count()
        .get_result(&mut bank.outside())
        .expect("it is there");
    assert_eq!(copied, 102);
    bank.expect_whole_pool();
}

#[test]
fn transaction_control_in_raw_sql_is_a_database_error_that_names_the_fix() {
    let bank = Bank::open("control");
    let mut session = bank.engine.session();
    session
        .transaction::<_, diesel::result::Error, _>(|session| {
            pay(session, ANN, -100)?;
            for control in [
                "ROLLBACK",
                "commit",
                "/* hidden */ END",
                "SELECT 1; ABORT",
                "savepoint mine",
            ] {
                let error = session.batch_execute(control).unwrap_err();
                let diesel::result::Error::DatabaseError(DatabaseErrorKind::Unknown, information) = &error else {
                    panic!("{control}: {error:?}")
                };
                assert!(
                    information
                        .message()
                        .contains("use begin, commit, rollback or begin_nested")
                );
                assert!(diesel::sql_query(control).execute(session).is_err(), "{control}");
            }
            Ok(())
        })
        .expect("what was refused was not sent");
    assert_eq!(bank.books().0, 400);
}

#[test]
fn invalidate_closes_the_connection_and_the_transaction_says_so() {
    let bank = Bank::open("invalidated");
    let mut session = bank.engine.session();
    pay(&mut session, ANN, -100).expect("there is enough");
    // Outside of a scope the session is done with it …
    session.invalidate("the proxy looks odd");
    assert!(!session.in_transaction());
    look(&mut session).expect("on another connection");
    session.rollback().expect("it has only looked");
    assert_eq!((bank.times("invalidate"), bank.books().0), (1, 500));
    // … and inside of one its owner learns of it.
    let error = session
        .begin(|session| {
            pay(session, ANN, -100)?;
            session.invalidate("the proxy looks odd");
            let refused = Error::from(look(session).unwrap_err());
            assert!(
                refused
                    .to_string()
                    .contains("the connection was invalidated: the proxy looks odd"),
                "{refused}"
            );
            Ok(())
        })
        .unwrap_err();
    assert_eq!(error.outcome(), Some(Outcome::RolledBack));
    look(&mut session).expect("on another connection");
    assert_eq!(
        (bank.times("invalidate"), bank.times("retire"), bank.books().0),
        (2, 0, 500)
    );
}
