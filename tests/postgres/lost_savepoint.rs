//! SAVEPOINT, RELEASE and ROLLBACK TO themselves fail.

use aludel::prelude::*;
use aludel::{Error, Outcome, Phase};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::bank::{ANN, ANN_EXISTS, BOB, Bank, Number, PgSession, another_ann, look, note, pay};

/// Takes the savepoint away on the raw connection, where nobody watches.
fn lose_the_savepoint(session: &mut PgSession) -> aludel::Result<()> {
    session.with_raw(|raw| Ok(raw.batch_execute("RELEASE SAVEPOINT aludel_sp_1")?))
}

const LOST: &str = "savepoint \"aludel_sp_1\" does not exist";

#[test]
fn a_failing_release_dooms_the_root_and_invalidates_the_connection() {
    let bank = Bank::open("release");
    let error = bank
        .engine
        .begin(|session| {
            pay(session, ANN, -100)?;
            let nested = session.begin_nested(|nested| {
                pay(nested, BOB, 100)?;
                lose_the_savepoint(nested)
            });
            let error = nested.unwrap_err();
            assert!(error.is_doomed() && error.to_string().contains(LOST), "{error}");
            // Swallowed: the root knows nevertheless.
            assert!(Error::from(look(session).unwrap_err()).is_doomed());
            Ok(())
        })
        .unwrap_err();
    assert!(error.is_doomed() && error.to_string().contains(LOST), "{error}");
    assert_eq!(error.outcome(), Some(Outcome::RolledBack));
    assert_eq!(bank.books(), (500, 500, 0));
    bank.log.expect(&[
        "begin",
        "savepoint 1",
        "fault permanent in Release",
        "doomed",
        "invalidate",
        "rollback",
    ]);
    bank.expect_whole_pool();
}

#[test]
fn a_failing_rollback_to_keeps_the_first_error_and_chains_the_later_one() {
    let bank = Bank::open("rollback_to");
    let error = bank
        .engine
        .begin(|session| {
            pay(session, ANN, -100)?;
            session.begin_nested(|nested| {
                lose_the_savepoint(nested)?;
                another_ann(nested)?;
                Ok(())
            })
        })
        .unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with(ANN_EXISTS), "{text}");
    assert!(text.contains("; then: ") && text.contains(LOST), "{text}");
    assert_eq!(error.outcome(), Some(Outcome::RolledBack));
    assert_eq!(bank.books(), (500, 500, 0));
    assert_eq!(
        (bank.times("invalidate"), bank.times("retire")),
        (1, 0),
        "{:?}",
        bank.log
    );
    bank.expect_whole_pool();
}

#[test]
fn a_failing_rollback_to_cannot_be_survived() {
    let bank = Bank::open("not_survived");
    let error = bank
        .engine
        .begin(|session| {
            pay(session, ANN, -100)?;
            let nested = session.begin_nested(|nested| {
                lose_the_savepoint(nested)?;
                another_ann(nested)?;
                Ok(())
            });
            assert!(nested.is_err());
            Ok(())
        })
        .unwrap_err();
    assert!(error.is_doomed() && error.to_string().contains(ANN_EXISTS), "{error}");
    assert_eq!(bank.books(), (500, 500, 0));
}

#[test]
fn a_connection_that_dies_before_rollback_to_keeps_the_first_error() {
    let bank = Bank::open("dies_rollback_to");
    let error = bank
        .engine
        .begin(|session| {
            pay(session, ANN, -100)?;
            session.begin_nested(|nested| {
                bank.kill_before(Phase::RollbackTo, nested);
                another_ann(nested)?;
                Ok(())
            })
        })
        .unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with(ANN_EXISTS), "{text}");
    assert!(error.later()[0].is_disconnect(), "{text}");
    assert!(error.is_disconnect()); // it has ended the transaction; an Ann too many would only have cost the savepoint
    assert_eq!(error.outcome(), Some(Outcome::RolledBack));
    assert_eq!(bank.books(), (500, 500, 0));
    bank.expect_whole_pool();
}

#[test]
fn a_connection_that_dies_before_release_is_a_disconnect_and_is_run_again() {
    let bank = Bank::open("dies_release");
    let mut runs = 0;
    bank.engine
        .session()
        .retry(&aludel::RetryPolicy::new(), |session| {
            runs += 1;
            pay(session, ANN, -100)?;
            if runs == 1 {
                bank.kill_before(Phase::Release, session);
            }
            session.begin_nested(|nested| Ok(pay(nested, BOB, 100)?))
        })
        .expect("the second attempt is left alone");
    assert_eq!(bank.books(), (400, 600, 0));
    bank.log.expect(&[
        "begin",
        "savepoint 1",
        "fault disconnect in Release",
        "doomed",
        "retire",
        "invalidate",
        "rollback",
        "rerun closure, attempt 2, after disconnect",
        "begin",
        "savepoint 1",
        "release 1",
        "commit",
    ]);
    bank.expect_whole_pool();
}

#[test]
fn three_hundred_failing_siblings_leave_no_nesting() {
    let bank = Bank::open("siblings");
    bank.engine
        .begin(|session| {
            let at_first = subtransactions(session)?;
            for _ in 0..300 {
                let failed = session.begin_nested(|nested| {
                    note(nested, ANN, 1)?;
                    another_ann(nested)?;
                    Ok(())
                });
                assert!(failed.is_err());
            }
            for _ in 0..300 {
                session.begin_nested(|nested| Ok(note(nested, ANN, 1)?))?;
            }
            assert_eq!(subtransactions(session)?, at_first);
            Ok(())
        })
        .expect("the root was never touched");
    assert_eq!(bank.books().2, 300);
    bank.expect_whole_pool();
}

#[test]
fn each_open_level_is_one_subtransaction() {
    let bank = Bank::open("levels");
    bank.engine
        .begin(|session| {
            let at_first = subtransactions(session)?;
            session.begin_nested(|nested| {
                assert_eq!(subtransactions(nested)?, at_first + 1);
                nested.begin_nested(|inner| {
                    assert_eq!(subtransactions(inner)?, at_first + 2);
                    Ok(())
                })
            })
        })
        .expect("nothing fails");
}

#[test]
fn savepoints_nest_deeper_than_their_static_names() {
    fn descend(session: &mut PgSession, levels: usize) -> aludel::Result<()> {
        note(session, ANN, 1)?;
        if levels == 0 {
            another_ann(session)?;
        }
        let deeper = session.begin_nested(|nested| descend(nested, levels - 1));
        // Of the levels below, only the deepest one fails.
        assert_eq!(deeper.is_err(), levels == 1, "at {levels}");
        Ok(())
    }
    let bank = Bank::open("deep");
    bank.engine
        .begin(|session| descend(session, 20))
        .expect("only the last level fails");
    assert_eq!(bank.books().2, 20);
    bank.expect_whole_pool();
}

/// How deep the server has nested subtransactions, its own word: each has a memory context of this name.
fn subtransactions(session: &mut PgSession) -> aludel::Result<i64> {
    let contexts = "SELECT COUNT(*) AS number FROM pg_backend_memory_contexts WHERE name = 'CurTransactionContext'";
    Ok(diesel::sql_query(contexts).get_result::<Number>(session)?.number)
}
