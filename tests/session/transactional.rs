//! `#[transactional]` with a session in the hand: what its transaction is like, and what becomes of its COMMIT.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aludel::clock::Clock;
use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::verify::Resolution;
use aludel::{CommitPolicy, Error, ErrorKind, Outcome, Phase, Propagation, TransactionPolicy};
use aludel_tests::sqlite;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;

use crate::stories::{Account, Bank, accounts, withdraw};

const REQUIRED: TransactionPolicy = TransactionPolicy::new();

fn with(propagation: Propagation) -> TransactionPolicy {
    TransactionPolicy::new().propagation(propagation)
}

#[test]
fn it_is_never_run_again() {
    let bank = Bank::open();
    bank.script
        .fail_before(Phase::Commit, DatabaseErrorKind::SerializationFailure, "conflict");
    let mut runs = 0;
    let error = bank.engine.session().transactional(&REQUIRED, |session| {
        runs += 1;
        withdraw(session, 1, 100)
    });
    let error = error.unwrap_err();
    assert!(
        error.is_retryable() && error.attempts().is_none(),
        "its caller may: {error}"
    );
    assert_eq!(runs, 1);
    bank.log.expect(&["begin", "rollback"]);
    assert_eq!(bank.balances(), [500, 0]);
    bank.assert_whole();
}

#[test]
fn inside_of_a_retry_it_is_a_part_of_what_runs_again() -> aludel::Result<()> {
    #[transactional]
    fn part(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
        withdraw(session, 1, 100)
    }

    #[retry]
    fn whole(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
        part(session)?;
        part(session)
    }

    let bank = Bank::open();
    bank.script
        .fail_after(Phase::Statement, DatabaseErrorKind::SerializationFailure, "conflict");
    whole(&mut bank.engine.session())?;
    bank.log
        .expect(&["begin", "rollback", "rerun 2 after retry", "begin", "commit"]);
    assert_eq!(bank.balances(), [300, 0]);
    Ok(())
}

#[test]
fn a_transaction_of_its_kind_is_joined_and_of_no_other() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    for word in [Propagation::Required, Propagation::Nested, Propagation::Mandatory] {
        let reads = with(word).read_only();
        let refused = session
            .begin(|session| session.transactional(&reads, |_| Ok(())))
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Misuse, "{word:?}");
        assert!(
            refused
                .to_string()
                .starts_with("a transaction with READ ONLY was asked for inside one with the server's defaults"),
            "{word:?}: {refused}"
        );
        let inside = session
            .build_transaction()
            .read_only()
            .run(|session| session.transactional(&reads, Session::access_mode))?;
        assert_eq!(inside, AccessMode::ReadOnly, "{word:?}");
    }
    // A session of its own has what it asks for.
    let reads = with(Propagation::RequiresNew).read_only();
    let (outside, inside) = session.begin(|session| {
        let inside = session.transactional(&reads, Session::access_mode)?;
        Ok((session.access_mode()?, inside))
    })?;
    assert_eq!((outside, inside), (AccessMode::ReadWrite, AccessMode::ReadOnly));
    let refused = session.transactional(&REQUIRED.read_only(), |session| withdraw(session, 1, 1));
    assert_eq!(refused.unwrap_err().outcome(), Some(Outcome::RolledBack));
    drop(session);
    assert_eq!(bank.balances(), [500, 0]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn autocommit_may_be_read_only() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    for word in [Propagation::Never, Propagation::Supports, Propagation::NotSupported] {
        let reads = with(word).read_only();
        let refused = session.transactional(&reads, |session| {
            accounts::table.count().get_result::<i64>(session)?;
            assert_eq!(session.isolation_level()?, IsolationLevel::Autocommit);
            withdraw(session, 1, 1)
        });
        assert!(
            refused.unwrap_err().to_string().contains("readonly database"),
            "{word:?}"
        );
        // And its connection is as it was.
        session.transactional(&with(word), |session| withdraw(session, 1, 1))?;
        session.begin(|session| withdraw(session, 1, 10))?;
    }
    drop(session);
    assert_eq!(bank.balances(), [467, 0]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn what_contradicts_itself_is_refused_before_anything_is_sent() {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    let refusals = [
        (
            with(Propagation::Never).isolation_level(IsolationLevel::Serializable),
            "SERIALIZABLE was asked for a function that runs in AUTOCOMMIT where no transaction is open",
        ),
        (
            with(Propagation::Supports).isolation_level(IsolationLevel::ReadUncommitted),
            "READ UNCOMMITTED was asked for a function that runs in AUTOCOMMIT where no transaction is open",
        ),
        (
            REQUIRED.isolation_level(IsolationLevel::Autocommit),
            "AUTOCOMMIT was asked for a transaction, and is the absence of one",
        ),
        (
            REQUIRED.isolation_level(IsolationLevel::ReadCommitted),
            "SQLite has no isolation level READ COMMITTED",
        ),
        (REQUIRED.deferrable(), "SQLite has no DEFERRABLE transactions"),
        (
            REQUIRED.commit(CommitPolicy::Idempotent),
            "commit = idempotent says that a transaction may be run again",
        ),
    ];
    for (policy, expected) in refusals {
        let refused = session.transactional(&policy, |_| Ok(())).unwrap_err().to_string();
        assert!(refused.starts_with(expected), "{refused}");
    }
    bank.log.expect(&[]);
}

#[test]
fn objects_wait_for_a_transaction() {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    // Added before, they are work that somebody has to end.
    session.add(Account::new("Cid", 7));
    for word in [
        Propagation::Required,
        Propagation::RequiresNew,
        Propagation::Never,
        Propagation::Mandatory,
    ] {
        let refused = session.transactional(&with(word), |_| Ok(())).unwrap_err();
        assert!(refused.is_transaction_already_open(), "{word:?}: {refused}");
        assert!(
            refused.to_string().contains("tests/session/transactional.rs:"),
            "{word:?}: {refused}"
        );
    }
    session.rollback().expect("nothing is in its way");
    // Added in AUTOCOMMIT, they cannot be written, and are forgotten.
    let mut dora = None;
    let refused = session.transactional(&with(Propagation::Supports), |session| {
        dora = Some(session.add(Account::new("Dora", 7)));
        Ok(())
    });
    let refused = refused.unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("objects were added, changed or deleted in AUTOCOMMIT"),
        "{refused}"
    );
    assert!(session.read(dora.expect("it was added")).is_err());
    session
        .begin(|session| withdraw(session, 1, 1))
        .expect("nothing is pending");
    assert_eq!(bank.balances(), [499, 0]);
}

#[test]
fn values_that_were_read_in_autocommit_are_read_again() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    let ann = session.transactional(&with(Propagation::Supports), |session| session.get_one::<Account>(1))?;
    diesel::update(accounts::table.find(1))
        .set(accounts::balance.eq(7))
        .execute(&mut bank.outside())?;
    assert_eq!(session.read(ann)?.balance, 7);
    session.rollback()?;
    Ok(())
}

#[test]
fn a_hook_waits_for_a_transaction_of_its_session() -> aludel::Result<()> {
    let bank = Bank::open();
    let log = bank.log.clone();
    let hook = move |text: &'static str| {
        let log = log.clone();
        move || log.push(text)
    };
    let mut session = bank.engine.session();
    session.on_commit(hook("before"));
    let failed: aludel::Result<()> = session.transactional(&with(Propagation::Never), |session| {
        session.on_commit(hook("at once"));
        bank.log.push("body");
        Err(Error::other("no"))
    });
    assert!(failed.is_err());
    bank.log.expect(&["at once", "body"]);
    session.transactional(&with(Propagation::Never), |session| withdraw(session, 1, 1))?;
    bank.log.expect(&[]);
    session.transactional(&REQUIRED, |session| {
        session.on_commit(hook("inside"));
        // What commits apart has hooks of its own.
        session.transactional(&with(Propagation::RequiresNew), |session| {
            session.on_commit(hook("apart"));
            Ok(())
        })?;
        let undone: aludel::Result<()> = session.transactional(&with(Propagation::Nested), |session| {
            session.on_commit(hook("undone"));
            Err(Error::other("no"))
        });
        assert!(undone.is_err());
        Ok(())
    })?;
    bank.log.expect(&[
        "begin",
        "begin",
        "commit",
        "apart",
        "savepoint 1",
        "rollback to 1",
        "commit",
        "before",
        "inside",
    ]);
    Ok(())
}

#[test]
fn a_stop_of_long_ago_costs_no_connection() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    let token = CancelToken::new();
    token.cancel("the client has gone");
    session.set_cancel_token(token);
    assert!(withdraw(&mut session, 1, 1).unwrap_err().is_exit());
    let stopped = session
        .transactional(&with(Propagation::Never), |_| Ok(()))
        .unwrap_err();
    assert!(stopped.is_exit(), "{stopped}");
    session.set_cancel_token(CancelToken::new());
    let failed: aludel::Result<()> = session.transactional(&with(Propagation::Never), |session| {
        withdraw(session, 1, 1)?;
        Err(Error::other("no"))
    });
    assert_eq!(failed.unwrap_err().to_string(), "no");
    assert_eq!(bank.engine.pool().closed(), 0);

    // One that comes in the middle does.
    let token = CancelToken::new();
    session.set_cancel_token(token.clone());
    let stopped = session.transactional(&with(Propagation::Never), |session| {
        withdraw(session, 1, 1)?;
        token.cancel("the client has gone");
        withdraw(session, 1, 1)
    });
    assert!(stopped.unwrap_err().is_exit());
    assert_eq!(bank.engine.pool().closed(), 1);
    drop(session);
    assert_eq!(bank.balances(), [498, 0]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn in_a_test_transaction_a_savepoint_plays_its_part() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    session.begin_test_transaction()?;
    bank.log.expect(&["begin"]);
    for word in [
        Propagation::Required,
        Propagation::RequiresNew,
        Propagation::Nested,
        Propagation::Never,
        Propagation::Supports,
        Propagation::NotSupported,
    ] {
        session.transactional(&with(word), |session| withdraw(session, 1, 10))?;
        bank.log.expect(&["savepoint 1", "release 1"]);
        let failed = session.transactional(&with(word), |session| withdraw(session, 1, 1000));
        assert!(failed.is_err());
        bank.log.expect(&["savepoint 1", "rollback to 1"]);
    }
    let refused = session
        .transactional(&with(Propagation::Mandatory), |_| Ok(()))
        .unwrap_err();
    assert!(
        refused.to_string().contains("none is open"),
        "as it would be outside of a test: {refused}"
    );
    session.begin(|session| {
        session.transactional(&with(Propagation::Mandatory), |session| withdraw(session, 1, 10))?;
        for word in [Propagation::RequiresNew, Propagation::NotSupported] {
            let refused = session.transactional(&with(word), |_| Ok(())).unwrap_err();
            assert!(
                refused
                    .to_string()
                    .starts_with("a session of its own was asked for inside a test transaction")
            );
        }
        let refused = session
            .transactional(&with(Propagation::Never), |_| Ok(()))
            .unwrap_err();
        assert!(
            refused.to_string().contains("never runs inside a transaction"),
            "{refused}"
        );
        Ok(())
    })?;
    bank.log.expect(&["savepoint 1", "release 1"]);
    assert_eq!(
        accounts::table
            .find(1)
            .select(accounts::balance)
            .first::<i64>(&mut session)?,
        430
    );
    drop(session);
    assert_eq!(bank.balances(), [500, 0]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_commit_without_an_answer_is_resolved_within_the_deadline() -> aludel::Result<()> {
    let bank = Bank::open();
    let verified = REQUIRED.commit(CommitPolicy::Verify).deadline(Duration::from_secs(10));
    let mut session = bank.engine.session();
    let mut runs = 0;
    let mut pay = |session: &mut Session<SqliteConnection>| {
        session.transactional(&verified, |session| {
            runs += 1;
            withdraw(session, 1, 100)
        })
    };
    // The answer is lost, the COMMIT is not.
    bank.script
        .fail_after(Phase::Commit, DatabaseErrorKind::ClosedConnection, "gone");
    pay(&mut session)?;
    assert_eq!(bank.balances(), [400, 0]);
    // The COMMIT is lost.
    bank.script
        .fail_before(Phase::Commit, DatabaseErrorKind::ClosedConnection, "gone");
    let error = pay(&mut session).unwrap_err();
    assert!(!error.is_commit_unknown(), "{error}");
    assert_eq!(error.outcome(), Some(Outcome::RolledBack));
    assert!(error.to_string().contains("rolled back"), "{error}");
    assert_eq!((runs, bank.balances()), (2, vec![400, 0]));
    // With nobody to ask the doubt goes to the caller.
    bank.script
        .fail_before(Phase::Commit, DatabaseErrorKind::ClosedConnection, "gone");
    let error = session
        .transactional(&REQUIRED, |session| withdraw(session, 1, 100))
        .unwrap_err();
    assert!(error.is_commit_unknown() && error.commit_token().is_none(), "{error}");
    drop(session);
    bank.assert_whole();
    Ok(())
}

/// It counts from the missing answer on, so that a long body leaves as much of it as a short one.
#[test]
fn the_deadline_is_that_of_finding_out() -> aludel::Result<()> {
    const DEADLINE: Duration = Duration::from_millis(15);
    let (clock, time) = Clock::test();
    let file = sqlite::file();
    let script = FaultScript::new();
    let engine = Engine::<SqliteConnection>::builder(file.url())
        .clock(clock.clone())
        .faults(script.clone())
        .build()?;
    engine.create_commit_table()?;
    let rival = SqliteConnection::establish(&file.path().display().to_string()).expect("the file is there");
    let rival = Arc::new(Mutex::new(rival));
    let lock = |rival: &Mutex<SqliteConnection>, sql| {
        rival
            .lock()
            .expect("nobody panics here")
            .batch_execute(sql)
            .expect("nobody else has it");
    };
    let taken = Arc::clone(&rival);
    let listening = engine.listen(move |event| {
        if matches!(event, Event::Close { .. }) {
            lock(&taken, "BEGIN IMMEDIATE"); // nobody can find out anything now
        }
    });
    let verified = REQUIRED.commit(CommitPolicy::Verify).deadline(DEADLINE);
    let body = Duration::from_mins(1);
    let started = clock.now();
    let unknown = engine.session().transactional(&verified, |session| {
        diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(session)?;
        script.fail_before(Phase::Commit, DatabaseErrorKind::ClosedConnection, "gone");
        time.advance(body);
        Ok(())
    });
    let unknown = unknown.unwrap_err();
    let spent = clock.now().duration_since(started + body);
    assert!(unknown.is_commit_unknown(), "{unknown}");
    assert!(spent > Duration::ZERO && spent <= DEADLINE, "{spent:?}");
    drop(listening);
    lock(&rival, "ROLLBACK");
    let token = unknown.commit_token().expect("whoever has time finds out by it");
    assert_eq!(engine.resolve(token, Duration::from_secs(5))?, Resolution::NotCommitted);
    Ok(())
}
