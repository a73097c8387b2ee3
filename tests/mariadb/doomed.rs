//! Doomed exactly as MariaDB has it, whichever way the statement came.

use std::thread;

use aludel::Error;
use aludel::prelude::*;
use aludel_tests::account::{Account, accounts};
use aludel_tests::doomed::{Form, Harm, every_call_does_what_its_error_does};
use aludel_tests::mariadb::{self, MariaDb};
use aludel_tests::stage::{Stage, Staged as _};
use diesel::connection::{DefaultLoadingMode, SimpleConnection as _};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Integer;

#[test]
fn an_error_undoes_its_statement_and_nothing_else() -> aludel::Result<()> {
    let stage = Stage::<MysqlConnection>::open("statement");
    let mut forms = aludel_tests::forms_that_fail!(MysqlConnection);
    forms.extend([
        Form {
            name: "insert of many, constraint",
            harm: Harm::Statement,
            run: |session| {
                let row = |owner| {
                    (
                        accounts::owner.eq(owner),
                        accounts::balance.eq(0),
                        accounts::version.eq(1),
                    )
                };
                diesel::insert_into(accounts::table)
                    .values(vec![row("Carl"), row("Ann")])
                    .execute(session)?;
                Ok(())
            },
        },
        Form {
            name: "load, an error while it runs",
            harm: Harm::Statement,
            run: |session| {
                let two_rows = diesel::select(sql::<Integer>("(SELECT id FROM accounts)"));
                two_rows.load::<i32>(session)?;
                Ok(())
            },
        },
        Form {
            name: "load_iter, an error while it runs",
            harm: Harm::Statement,
            run: |session| {
                let two_rows = diesel::select(sql::<Integer>("(SELECT id FROM accounts)"));
                let rows = two_rows.load_iter::<i32, DefaultLoadingMode>(session)?;
                rows.collect::<QueryResult<Vec<i32>>>()?;
                Ok(())
            },
        },
        Form {
            name: "sql_query, SIGNAL with the words of a deadlock",
            harm: Harm::Statement,
            run: |session| {
                let forged = "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Deadlock found when trying to get lock'";
                diesel::sql_query(forged).execute(session)?;
                Ok(())
            },
        },
    ]);
    every_call_does_what_its_error_does(&stage, &forms)
}

/// The calls that can lose a deadlock over Bob's account.
fn strikes() -> Vec<Form<MysqlConnection>> {
    #[derive(AsChangeset, Identifiable)]
    #[diesel(table_name = accounts)]
    struct Bob {
        id: i32,
        balance: i64,
    }
    const UPDATE: &str = "UPDATE accounts SET balance = 1 WHERE id = 2";
    let strike = |name, run| Form {
        name,
        harm: Harm::Lost,
        run,
    };
    vec![
        strike("execute", |session| {
            MysqlConnection::withdraw(session, 2, 0)?;
            Ok(())
        }),
        strike("sql_query", |session| {
            diesel::sql_query(UPDATE).execute(session)?;
            Ok(())
        }),
        strike("batch_execute", |session| Ok(session.batch_execute(UPDATE)?)),
        strike("load", |session| {
            accounts::table.find(2).for_update().load::<Account>(session)?;
            Ok(())
        }),
        strike("get_result", |session| {
            accounts::table.find(2).for_update().get_result::<Account>(session)?;
            Ok(())
        }),
        strike("load_iter", |session| {
            let bob = accounts::table.find(2).for_update();
            let rows = bob.load_iter::<Account, DefaultLoadingMode>(session)?;
            rows.collect::<QueryResult<Vec<Account>>>()?;
            Ok(())
        }),
        strike("save_changes", |session| {
            Bob { id: 2, balance: 1 }.save_changes::<Account>(session)?;
            Ok(())
        }),
        strike("flush", |session| {
            let bob = session.get_one::<Account>(2)?;
            session.edit(bob)?.balance = 1;
            session.flush()
        }),
        strike("transaction()", |session| {
            session.transaction(|session| diesel::sql_query(UPDATE).execute(session))?;
            Ok(())
        }),
        strike("with_raw", |session| {
            session.with_raw(|raw| Ok(raw.batch_execute(UPDATE)?))
        }),
    ]
}

/// Makes the session, which has Ann's account, the victim of a deadlock over Bob's.
fn lose_a_deadlock(
    server: &MariaDb,
    stage: &Stage<MysqlConnection>,
    session: &mut Session<MysqlConnection>,
    strike: &Form<MysqlConnection>,
) -> Error {
    let mut winner = stage.outside();
    // The one who has changed more rows is not chosen as the victim.
    let many = "BEGIN; UPDATE accounts SET balance = 9 WHERE id = 2; \
                INSERT INTO accounts (owner, balance, version) SELECT CONCAT('extra ', seq), 0, 1 FROM seq_1_to_20";
    winner.batch_execute(many).expect("nobody has these rows");
    let id = mariadb::connection_id(&mut *winner);
    thread::scope(|threads| {
        let blocked = threads.spawn(move || {
            let wait = "UPDATE accounts SET balance = balance WHERE id = 1; ROLLBACK";
            winner.batch_execute(wait).expect("the victim sets it free");
        });
        server.wait_until_blocked(id);
        let error = (strike.run)(session).expect_err("it closes the circle");
        blocked.join().expect("it does not panic");
        error
    })
}

/// MariaDB has rolled back everything, answers ok to COMMIT, and would run what comes next in autocommit.
#[test]
fn a_deadlock_loses_the_transaction_by_whichever_call() -> aludel::Result<()> {
    let server = mariadb::server();
    let stage = Stage::<MysqlConnection>::open("deadlock");
    for strike in strikes() {
        for nested in [false, true] {
            let case = format!("{}, nested: {nested}", strike.name);
            let error = stage.engine.begin(|session| {
                MysqlConnection::withdraw(session, 1, 100)?;
                let lose = |session: &mut Session<MysqlConnection>| {
                    let lost = lose_a_deadlock(server, &stage, session, &strike);
                    assert!(lost.to_string().contains("Deadlock found"), "{case}: {lost}");
                    let refused = MysqlConnection::withdraw(session, 1, 7)
                        .map_err(Error::from)
                        .unwrap_err();
                    assert!(
                        refused.is_doomed() && refused.to_string().contains("Deadlock found"),
                        "{case}: {refused}"
                    );
                };
                if nested {
                    let answer = session.begin_nested(|nested| {
                        lose(nested);
                        Ok(())
                    });
                    assert!(answer.unwrap_err().is_doomed(), "{case}");
                    assert!(session.is_doomed(), "{case}");
                } else {
                    lose(session);
                }
                Ok(())
            });
            let error = error.unwrap_err();
            assert!(
                error.is_doomed() && error.to_string().contains("Deadlock found"),
                "{case}: {error}"
            );
            assert_eq!(error.outcome(), Some(aludel::Outcome::RolledBack), "{case}");
            assert_eq!(stage.balances(), [500, 0], "{case}");
            stage.assert_whole();
        }
    }
    Ok(())
}
