//! Connections that are killed: before, in and after a savepoint, in the pool, and at COMMIT (facts D1, D2, D8).

use aludel::prelude::*;
use aludel::{Outcome, Phase, RetryPolicy};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::stories::{Account, Bank, backend, withdraw};

#[retry(attempts = 5, deadline = "30s")]
fn transfer(session: &mut Session<MysqlConnection>, amount: i64) -> aludel::Result<i64> {
    let from = session.get_one::<Account>(1)?;
    let to = session.get_one::<Account>(2)?;
    session[from].balance -= amount;
    session[to].balance += amount;
    session.begin_nested(|nested| withdraw(nested, 1, 0))?;
    Ok(session.read(from)?.balance) // read again: the UPDATE beside it may have changed it
}

/// The transfer loses its connection right before a phase, and still ends with the right balances.
fn survives_a_kill_before(phase: Phase, name: &str) -> aludel::Result<()> {
    let bank = Bank::open(name);
    let mut session = bank.engine.session();
    // A session gives its connection back between transactions; with one in the pool it gets the same one again.
    bank.kill_before(&mut session, phase)?;
    session.rollback()?;
    bank.log.take();
    assert_eq!(transfer(&mut session, 100)?, 400);
    assert_eq!(bank.balances(), [400, 100]);
    assert_eq!(bank.script.remaining(), 0);
    let log = bank.log.take();
    assert!(log.contains(&"retire".to_owned()), "{log:?}");
    assert_eq!(log.iter().filter(|line| *line == "commit").count(), 1, "{log:?}");
    drop(session);
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_transfer_survives_a_kill_before_its_first_statement() -> aludel::Result<()> {
    survives_a_kill_before(Phase::Statement, "kill_statement")
}

#[test]
fn a_transfer_survives_a_kill_before_the_savepoint() -> aludel::Result<()> {
    survives_a_kill_before(Phase::Savepoint, "kill_savepoint")
}

#[test]
fn a_transfer_survives_a_kill_before_the_release() -> aludel::Result<()> {
    survives_a_kill_before(Phase::Release, "kill_release")
}

#[test]
fn a_kill_inside_a_savepoint_is_told_as_what_it_was() -> aludel::Result<()> {
    let bank = Bank::open("kill_inside");
    let error = bank
        .engine
        .begin(|session| {
            withdraw(session, 1, 100)?;
            let id = backend(session)?;
            let inner = session.begin_nested(|nested| {
                withdraw(nested, 1, 100)?;
                bank.server.kill(id);
                withdraw(nested, 1, 100)
            });
            let inner = inner.expect_err("the connection is gone");
            assert!(inner.is_disconnect(), "{inner}");
            assert_eq!(inner.outcome(), Some(Outcome::RolledBack));
            let refused = withdraw(session, 1, 1).expect_err("nothing goes on");
            assert!(refused.is_doomed() && refused.is_disconnect(), "{refused}");
            Ok(())
        })
        .expect_err("swallowing it does not help");
    assert!(error.is_doomed() && error.is_disconnect() && error.is_retryable());
    let text = error.to_string().to_lowercase();
    assert!(
        text.contains("server") && text.contains("nothing was written"),
        "{text}"
    );
    assert_eq!(bank.balances(), [500, 0]);
    bank.log
        .expect(&["begin", "savepoint 1", "doomed", "retire", "invalidate", "rollback"]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_session_as_you_go_refuses_until_it_is_rolled_back() -> aludel::Result<()> {
    let bank = Bank::open("kill_as_you_go");
    let mut session = bank.engine.session();
    withdraw(&mut session, 1, 100)?;
    bank.server.kill(backend(&mut session)?);
    let first = withdraw(&mut session, 1, 100).expect_err("the connection is gone");
    assert!(first.is_disconnect() && !first.is_doomed(), "{first}");
    let second = withdraw(&mut session, 1, 100).expect_err("the transaction is lost");
    assert!(
        second.is_doomed() && second.to_string().contains(&first.as_diesel().unwrap().to_string()),
        "{second}"
    );
    assert!(session.commit().expect_err("it is doomed").is_doomed());
    // commit() has ended it.
    withdraw(&mut session, 1, 1)?;
    session.commit()?;
    assert_eq!(bank.balances(), [499, 0]);
    Ok(())
}

#[test]
fn one_failed_statement_retires_all_that_is_as_old() -> aludel::Result<()> {
    let bank = Bank::open("kill_stale");
    // Five connections wait in the pool, and all are killed.
    let mut sessions: Vec<_> = (0..5).map(|_| bank.engine.session()).collect();
    for session in &mut sessions {
        withdraw(session, 1, 0).ok();
        session.rollback()?;
    }
    let mut raw: Vec<_> = (0..5)
        .map(|_| bank.engine.pool().checkout())
        .collect::<Result<_, _>>()?;
    for connection in &mut raw {
        bank.server
            .kill(aludel_tests::mariadb::connection_id(&mut **connection));
    }
    drop((raw, sessions));
    assert_eq!(bank.engine.pool().checkedin(), 5);
    bank.log.take();

    // BEGIN may be repeated on another connection without a thought, so nobody notices.
    for _ in 0..50 {
        bank.engine.begin(|session| withdraw(session, 1, 1))?;
    }
    assert_eq!(bank.balances(), [450, 0]);
    let log = bank.log.take();
    assert_eq!(log.iter().filter(|line| *line == "retire").count(), 1, "{log:?}");
    assert_eq!(log.iter().filter(|line| *line == "invalidate").count(), 1, "{log:?}");
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_pre_ping_replaces_a_dead_connection_within_the_checkout() -> aludel::Result<()> {
    let bank = Bank::open("kill_ping");
    let engine = Engine::<MysqlConnection>::builder(bank.database.url())
        .pool_pre_ping(PrePing::Always)
        .build()?;
    let mut connection = engine.raw_connection()?;
    bank.server.kill(aludel_tests::mariadb::connection_id(&mut *connection));
    drop(connection);
    let mut connection = engine.raw_connection()?;
    withdraw(&mut *connection, 1, 1)?;
    assert_eq!(engine.pool().opened(), 2);
    Ok(())
}

#[test]
fn a_kill_at_commit_leaves_the_outcome_unknown() -> aludel::Result<()> {
    let bank = Bank::open("kill_commit");
    let mut session = bank.engine.session();
    let mut runs = 0;
    let error = session
        .retry(&RetryPolicy::new(), |session| {
            runs += 1;
            withdraw(session, 1, 100)?;
            bank.kill_before(session, Phase::Commit)
        })
        .expect_err("nobody knows");
    assert!(
        error.is_commit_unknown() && error.is_disconnect() && !error.is_retryable(),
        "{error}"
    );
    assert_eq!(error.outcome(), Some(Outcome::Unknown));
    assert_eq!((runs, bank.balances()), (1, vec![500, 0]));
    let log = bank.log.take();
    assert!(
        log.contains(&"commit unknown".to_owned()) && log.contains(&"retire".to_owned()),
        "{log:?}"
    );
    withdraw(&mut session, 1, 1)?;
    session.commit()?;
    drop(session);
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_forged_disconnect_costs_a_probe_and_nothing_more() -> aludel::Result<()> {
    let bank = Bank::open("forged");
    bank.outside()
        .batch_execute("CREATE PROCEDURE forge() SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Server has gone away'")?;
    bank.engine.begin(|session| {
        withdraw(session, 1, 1)?;
        let error = diesel::sql_query("CALL forge()")
            .execute(session)
            .expect_err("it signals");
        assert_eq!(error.to_string(), "Server has gone away");
        withdraw(session, 1, 1)
    })?;
    assert_eq!(bank.balances(), [498, 0]);
    bank.log.expect(&["begin", "commit"]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn an_entity_from_outside_shows_fresh_values_after_a_kill() -> aludel::Result<()> {
    #[retry]
    fn pay(session: &mut Session<MysqlConnection>, account: Entity<Account>) -> aludel::Result<i64> {
        session.edit(account)?.balance -= 100;
        session.begin_nested(|_| Ok(()))?;
        Ok(session[account].balance)
    }
    let bank = Bank::open("kill_entity");
    let (server, database) = (bank.server, bank.database.name().to_owned());
    // Between the attempts somebody else changes the row.
    let engine = Engine::<MysqlConnection>::builder(bank.database.url())
        .faults(bank.script.clone())
        .listen(move |event| {
            if matches!(event, Event::Rerun { .. }) {
                server.execute_in(
                    &database,
                    "UPDATE accounts SET balance = 1000, version = 9 WHERE id = 1",
                );
            }
        })
        .build()?;
    let mut session = engine.session();
    let account = session.get_one::<Account>(1)?;
    bank.kill_before(&mut session, Phase::Release)?;
    session.commit()?;
    assert_eq!(pay(&mut session, account)?, 900);
    assert_eq!(bank.balances(), [900, 0]);
    assert_eq!(bank.script.remaining(), 0);
    Ok(())
}
