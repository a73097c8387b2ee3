//! An error that was swallowed cannot be committed over (PostgreSQL would answer ok to that COMMIT, and roll back).

use aludel::prelude::*;
use aludel::{Error, ErrorKind, Outcome};
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::Integer;

use crate::bank::{ANN, ANN_EXISTS, BOB, Bank, accounts, another_ann, look, note, pay};

/// What `another_ann` sends, without its values.
const ANOTHER_ANN: &str = r#"[SQL: INSERT INTO "accounts" ("owner", "balance", "version") VALUES ($1, $2, $3)]"#;

#[track_caller]
fn names_its_first_cause(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Doomed);
    assert_eq!(error.outcome(), Some(Outcome::RolledBack));
    assert!(!error.is_retryable());
    let text = error.to_string();
    assert_eq!(
        text,
        format!(
            "this transaction has failed and takes nothing but its rollback; first cause: {ANN_EXISTS} {ANOTHER_ANN} \
             [rolled back, nothing was written]"
        )
    );
}

#[test]
fn engine_begin_does_not_commit_over_a_swallowed_error() {
    let bank = Bank::open("swallowed");
    let error = bank
        .engine
        .begin(|session| {
            pay(session, ANN, -100)?;
            let _ = another_ann(session);
            Ok(())
        })
        .unwrap_err();
    names_its_first_cause(&error);
    assert_eq!(bank.books(), (500, 500, 0));
    bank.log
        .expect(&["begin", "fault permanent in Statement", "doomed", "rollback"]);
    bank.expect_whole_pool();
}

#[test]
fn diesels_own_transaction_does_not_commit_over_a_swallowed_error() {
    let bank = Bank::open("swallowed_diesel");
    let mut session = bank.engine.session();
    let answer = session.transaction(|session| {
        pay(session, ANN, -100)?;
        let _ = another_ann(session);
        diesel::QueryResult::Ok(())
    });
    names_its_first_cause(&Error::from(answer.unwrap_err()));
    assert_eq!(bank.books(), (500, 500, 0));
    assert!(!session.in_transaction());
    bank.expect_whole_pool();
}

#[test]
fn as_you_go_commit_does_not_commit_over_a_swallowed_error() {
    let bank = Bank::open("swallowed_as_you_go");
    let mut session = bank.engine.session();
    pay(&mut session, ANN, -100).expect("there is enough");
    another_ann(&mut session).unwrap_err();
    let error = session.commit().unwrap_err();
    names_its_first_cause(&error);
    assert_eq!(bank.books(), (500, 500, 0));
    // And that was that: the next transaction knows nothing of it.
    pay(&mut session, ANN, -100).expect("there is enough");
    session.commit().expect("nothing is in its way");
    assert_eq!(bank.books(), (400, 500, 0));
}

#[test]
fn statements_after_a_swallowed_error_are_refused_without_being_sent() {
    let bank = Bank::open("refused");
    let mut session = bank.engine.session();
    another_ann(&mut session).unwrap_err();
    let refused = Error::from(look(&mut session).unwrap_err());
    assert!(refused.is_doomed());
    assert!(refused.to_string().contains(ANN_EXISTS), "{refused}");
    // The server would have said "current transaction is aborted", which helps nobody.
    assert_eq!(bank.times("fault permanent in Statement"), 1);
}

#[test]
fn rollback_to_savepoint_frees_the_outer_frame() {
    let bank = Bank::open("freed");
    bank.engine
        .begin(|session| {
            pay(session, ANN, -100)?;
            let nested = session.begin_nested(|nested| {
                note(nested, ANN, -100)?;
                another_ann(nested)?;
                Ok(())
            });
            let error = nested.unwrap_err();
            assert_eq!(error.outcome(), Some(Outcome::RolledBackToSavepoint));
            assert_eq!(
                error.to_string(),
                format!("{ANN_EXISTS} {ANOTHER_ANN} [rolled back to the savepoint]")
            );
            pay(session, BOB, 100)?;
            Ok(())
        })
        .expect("the outer frame was not touched");
    assert_eq!(bank.books(), (400, 600, 0));
    bank.log.expect(&[
        "begin",
        "savepoint 1",
        "fault permanent in Statement",
        "doomed",
        "rollback to 1",
        "commit",
    ]);
    bank.expect_whole_pool();
}

#[test]
fn a_savepoint_does_not_release_over_a_swallowed_error_and_the_outer_frame_commits() {
    let bank = Bank::open("nested_swallowed");
    bank.engine
        .begin(|session| {
            pay(session, ANN, -100)?;
            let nested = session.begin_nested(|nested| {
                note(nested, ANN, -100)?;
                let _ = another_ann(nested);
                assert!(look(nested).is_err());
                Ok(())
            });
            let error = nested.unwrap_err();
            assert!(error.is_doomed());
            assert_eq!(error.outcome(), Some(Outcome::RolledBackToSavepoint));
            assert!(!session.is_doomed());
            Ok(())
        })
        .expect("the outer frame was not touched");
    assert_eq!(bank.books(), (400, 500, 0));
    bank.expect_whole_pool();
}

#[test]
fn doomed_is_exact_per_frame_three_levels_deep() {
    let bank = Bank::open("per_frame");
    bank.engine
        .begin(|session| {
            note(session, ANN, 0)?;
            session.begin_nested(|first| {
                note(first, ANN, 1)?;
                let second = first.begin_nested(|second| {
                    note(second, ANN, 2)?;
                    let third = second.begin_nested(|third| {
                        note(third, ANN, 3)?;
                        Ok(another_ann(third)?)
                    });
                    assert!(third.is_err() && !second.is_doomed());
                    Ok(another_ann(second)?)
                });
                assert!(second.is_err() && !first.is_doomed());
                Ok(())
            })
        })
        .expect("levels 0 and 1 were not touched");
    assert_eq!(bank.books().2, 2);
    bank.expect_whole_pool();
}

#[test]
fn diesels_nested_transactions_are_as_exact() {
    let bank = Bank::open("diesel_nested");
    let mut session = bank.engine.session();
    session
        .transaction::<_, diesel::result::Error, _>(|session| {
            pay(session, ANN, -100)?;
            let nested = session.transaction(|nested| {
                let _ = another_ann(nested);
                diesel::QueryResult::Ok(())
            });
            assert!(Error::from(nested.unwrap_err()).is_doomed());
            pay(session, BOB, 100)?;
            Ok(())
        })
        .expect("the outer frame was not touched");
    assert_eq!(bank.books(), (400, 600, 0));
}

#[test]
fn an_error_of_the_callers_own_type_rolls_back_and_stays_what_it_is() {
    #[derive(Debug, PartialEq)]
    enum Refusal {
        TooMuch(i64),
        Database,
    }
    impl From<Error> for Refusal {
        fn from(_: Error) -> Self {
            Self::Database
        }
    }
    let bank = Bank::open("own_error");
    let answer = bank.engine.begin_with(|session| {
        pay(session, ANN, -400).map_err(Error::from)?;
        Err::<(), _>(Refusal::TooMuch(400))
    });
    assert_eq!(answer, Err(Refusal::TooMuch(400)));
    assert_eq!(bank.books(), (500, 500, 0));
    bank.log.expect(&["begin", "rollback"]);
    bank.expect_whole_pool();
}

#[test]
fn an_error_while_a_query_is_prepared_is_seen_though_diesel_does_not_look() {
    let bank = Bank::open("prepare");
    let error = bank.engine.begin(|session| {
        pay(session, ANN, -100)?;
        let missing = accounts::table.select(sql::<Integer>("missing"));
        let _ = missing.load::<i32>(session);
        Ok(())
    });
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("first cause: column \"missing\" does not exist"),
        "{text}"
    );
    assert_eq!(bank.books(), (500, 500, 0));
    bank.expect_whole_pool();
}

#[test]
fn an_error_that_comes_out_while_rows_are_read_dooms_as_well() {
    let bank = Bank::open("fetch");
    let error = bank.engine.begin(|session| {
        pay(session, ANN, -100)?;
        let mut rows = fractions().load_iter::<i32, PgRowByRowLoadingMode>(session)?;
        assert_eq!(rows.next().transpose()?, Some(10));
        assert!(matches!(rows.next(), Some(Err(_))));
        Ok(())
    });
    let text = error.unwrap_err().to_string();
    assert!(text.contains("first cause: division by zero"), "{text}");
    assert_eq!(bank.books(), (500, 500, 0));
    bank.expect_whole_pool();
}

#[test]
fn an_error_behind_the_last_row_that_was_read_dooms_as_well() {
    let bank = Bank::open("unread");
    let error = bank.engine.begin(|session| {
        pay(session, ANN, -100)?;
        let mut rows = fractions().load_iter::<i32, PgRowByRowLoadingMode>(session)?;
        assert_eq!(rows.next().transpose()?, Some(10));
        Ok(()) // Diesel meets the error while it clears the wire, and tells nobody
    });
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("first cause: a statement failed after the last of its rows that was read"),
        "{text}"
    );
    assert_eq!(bank.books(), (500, 500, 0));
    bank.expect_whole_pool();
}

/// A query whose first row is Bob's, once Ann's was updated, and whose second one fails.
#[diesel::dsl::auto_type]
fn fractions() -> _ {
    let fraction: SqlLiteral<Integer> = sql::<Integer>("10 / (accounts.id - 1)");
    accounts::table.select(fraction)
}
