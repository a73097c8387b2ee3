//! Transaction control that comes as raw SQL: followed where nobody else is in charge, refused where somebody is.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // a story that fails is a test that fails

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aludel::prelude::*;
use aludel::{Error, ExecutionOptions, Flavour, Phase, RetryPolicy};
use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::stage::{Stage, Staged};

/// Diesel's own kind of error, and in it what to use instead.
#[track_caller]
fn refused(answer: diesel::QueryResult<impl std::fmt::Debug>) -> String {
    match answer.unwrap_err() {
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, information) => {
            let text = information.message();
            assert!(text.starts_with("aludel: ") && text.contains("begin_nested"), "{text}");
            text.to_owned()
        }
        other => panic!("{other:?}"),
    }
}

/// The words by which each database begins a transaction, and ends one.
fn words<C: Staged>() -> ([&'static str; 2], [&'static str; 2], [&'static str; 2]) {
    match C::FLAVOUR {
        Flavour::MySql => (
            ["BEGIN", "start transaction"],
            ["COMMIT", "COMMIT WORK;"],
            ["ROLLBACK", "rollback work"],
        ),
        Flavour::PostgreSql => (
            ["BEGIN WORK", "start transaction"],
            ["COMMIT", "END"],
            ["ROLLBACK", "ABORT -- all of it"],
        ),
        _ => (
            ["BEGIN", "begin deferred transaction;"],
            ["COMMIT", "END TRANSACTION"],
            ["ROLLBACK", "/* no */ rollback"],
        ),
    }
}

/// By both calls that Diesel has for raw SQL without rows.
fn send<C: Staged>(session: &mut Session<C>, as_batch: bool, sql: &str) -> diesel::QueryResult<()> {
    if as_batch {
        session.batch_execute(sql)
    } else {
        C::execute(session, sql).map(drop)
    }
}

/// It is a transaction like one of the session's own: joined by those who join, followed by objects and hooks, committed and
/// rolled back by whoever began it.
///
/// # Errors
///
/// None that the story expects.
pub fn a_raw_begin_is_an_explicit_begin_and_is_followed<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("raw_begin");
    let told = Arc::new(AtomicUsize::new(0));
    let (begins, commits, rollbacks) = words::<C>();
    let mut expected = 500;
    for (round, as_batch) in [true, false].into_iter().enumerate() {
        let mut session = stage.engine.session();
        let hear = |session: &mut Session<C>| {
            let told = told.clone();
            session.on_commit(move || {
                told.fetch_add(1, Ordering::SeqCst);
            });
        };
        stage.log.clear();
        send(&mut session, as_batch, begins[round])?;
        assert!(session.in_transaction());
        stage.log.expect(&["begin"]);
        C::withdraw(&mut session, 1, 1)?;
        session.begin(|session| Ok(C::withdraw(session, 1, 10)?))?;
        C::diesels_transaction(&mut session, |session| C::withdraw(session, 1, 100))?;
        C::open_account(&mut session, &format!("Carl {round}"));
        hear(&mut session);
        assert_eq!(told.load(Ordering::SeqCst), round);
        send(&mut session, as_batch, commits[round])?;
        assert!(!session.in_transaction());
        assert_eq!(told.load(Ordering::SeqCst), round + 1, "the hook has waited for it");
        expected -= 111;
        stage.log.expect(&["begin", "savepoint 1", "release 1", "commit"][1..]);
        assert_eq!(stage.balances()[..2], [expected, 0]);
        assert_eq!(stage.balances().len(), 3 + round, "what was pending has been written");

        send(&mut session, as_batch, begins[round])?;
        C::withdraw(&mut session, 1, 1)?;
        let dora = C::open_account(&mut session, "Dora");
        hear(&mut session);
        send(&mut session, as_batch, rollbacks[round])?;
        assert!(!session.in_transaction());
        assert_eq!(told.load(Ordering::SeqCst), round + 1, "the hook is dropped with it");
        assert!(!C::knows(&mut session, dora));
        drop(session);
        assert_eq!(stage.balances()[..2], [expected, 0]);
        stage.assert_whole();
    }
    // And on a connection without objects.
    let mut connection = stage.engine.connect();
    connection.batch_execute(begins[0])?;
    C::execute_on(&mut connection, "UPDATE accounts SET balance = 7 WHERE id = 2")?;
    assert_eq!(C::execute_on(&mut connection, commits[0])?, 0);
    assert!(!connection.in_transaction());
    drop(connection);
    assert_eq!(stage.balances()[1], 7);
    stage.assert_whole();
    Ok(())
}

/// A raw COMMIT is ours: it tells the truth about what came before, and about itself.
///
/// # Errors
///
/// None that the story expects.
pub fn a_raw_commit_tells_the_truth<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("raw_commit");
    let mut session = stage.engine.session();
    let lose = |session: &mut Session<C>| {
        stage
            .script
            .fail_before(Phase::Statement, DatabaseErrorKind::ClosedConnection, "it hung up");
        C::withdraw(session, 1, 100).unwrap_err();
    };
    // Of a transaction that has failed.
    session.batch_execute("BEGIN")?;
    C::withdraw(&mut session, 1, 100)?;
    lose(&mut session);
    let error = Error::from(session.batch_execute("COMMIT").unwrap_err());
    assert!(
        error.is_doomed() && error.to_string().contains("rolled back"),
        "{error}"
    );
    assert!(!session.in_transaction());
    // A function that has joined and failed may not be committed over.
    session.batch_execute("BEGIN")?;
    let joined = session.retry(&RetryPolicy::new(), |session| -> aludel::Result<()> {
        C::withdraw(session, 1, 100)?;
        Err(Error::other("no tea"))
    });
    assert!(joined.is_err());
    assert!(Error::from(session.batch_execute("COMMIT").unwrap_err()).is_doomed());
    // A failed one may always be rolled back.
    session.batch_execute("BEGIN")?;
    C::withdraw(&mut session, 1, 100)?;
    lose(&mut session);
    session.batch_execute("ROLLBACK")?;
    // One whose answer never comes.
    session.batch_execute("BEGIN")?;
    C::withdraw(&mut session, 1, 100)?;
    let lost = "server closed the connection unexpectedly";
    stage
        .script
        .fail_after(Phase::Commit, DatabaseErrorKind::ClosedConnection, lost);
    let error = Error::from(C::execute(&mut session, "COMMIT").unwrap_err());
    assert!(error.is_commit_unknown(), "{error}");
    // One that somebody has told to stop.
    session.set_cancel_token(CancelToken::new());
    session.batch_execute("BEGIN")?;
    C::withdraw(&mut session, 1, 100)?;
    session.cancel_token().cancel("enough");
    assert!(Error::from(session.batch_execute("COMMIT").unwrap_err()).is_exit());
    session.set_cancel_token(CancelToken::new());
    // One that nobody ends.
    session.batch_execute("BEGIN")?;
    C::withdraw(&mut session, 1, 100)?;
    drop(session);
    assert_eq!(stage.times("dropped uncommitted"), 1);
    assert_eq!(stage.balances(), [400, 0], "the one whose answer was lost had happened");
    stage.assert_whole();
    Ok(())
}

/// Inside a scope, and where it would end or begin something of somebody else's, it is refused and nothing is sent.
///
/// # Errors
///
/// None that the story expects.
pub fn raw_control_is_refused_where_somebody_else_is_in_charge<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("raw_refused");
    let all = [
        "BEGIN",
        "COMMIT",
        "/* hidden */ rollback",
        "SELECT 1; COMMIT",
        "SAVEPOINT mine",
        "BEGIN; SELECT 1",
    ];
    let nothing_passes = |session: &mut Session<C>| {
        for sql in all {
            refused(session.batch_execute(sql));
            refused(C::execute(session, sql));
        }
        diesel::QueryResult::Ok(())
    };
    let mut session = stage.engine.session();
    session.begin(|session| {
        C::withdraw(session, 1, 1)?;
        nothing_passes(session)?;
        session.begin_nested(|nested| Ok(nothing_passes(nested)?))
    })?;
    C::diesels_transaction(&mut session, |session| {
        C::withdraw(session, 1, 1)?;
        nothing_passes(session)
    })?;
    session.retry(&RetryPolicy::new(), |session| {
        C::withdraw(session, 1, 1)?;
        Ok(nothing_passes(session)?)
    })?;
    // A transaction that began by itself is the session's to end, and so is what is only pending.
    C::withdraw(&mut session, 1, 1)?;
    for sql in &all[1..] {
        refused(session.batch_execute(sql));
    }
    let already = Error::from(session.batch_execute("BEGIN").unwrap_err());
    assert!(already.is_transaction_already_open(), "{already}");
    session.commit()?;
    C::open_account(&mut session, "Carl");
    refused(session.batch_execute("COMMIT"));
    let already = Error::from(C::execute(&mut session, "BEGIN").unwrap_err());
    assert!(already.is_transaction_already_open(), "{already}");
    session.rollback()?;
    // One that raw SQL has begun is not begun twice, and what is around it cannot be ended from inside.
    session.batch_execute("BEGIN")?;
    C::withdraw(&mut session, 1, 1)?;
    assert!(refused(session.batch_execute("BEGIN")).contains("a BEGIN inside a transaction"));
    refused(session.batch_execute("COMMIT; SELECT 1"));
    session.begin_nested(|nested| Ok(nothing_passes(nested)?))?;
    session.batch_execute("COMMIT")?;
    // A test transaction is never ended: what would be a transaction is a part of it, and with none open nothing is sent.
    assert!(!stage.log.take().contains(&"doomed".to_owned()));
    session.begin_test_transaction()?;
    stage.log.clear();
    for end in ["COMMIT", "ROLLBACK"] {
        session.batch_execute("BEGIN")?;
        C::withdraw(&mut session, 1, 1)?;
        session.batch_execute(end)?;
        session.batch_execute(end)?;
    }
    for sql in &all[3..] {
        refused(session.batch_execute(sql));
    }
    stage
        .log
        .expect(&["savepoint 1", "release 1", "savepoint 1", "rollback to 1"]);
    session.close()?;
    drop(session);
    stage.log.expect(&["rollback"]);
    assert_eq!(stage.balances(), [495, 0]);
    stage.assert_whole();
    Ok(())
}

/// With nothing open the server has it, and does nothing (which SQLite calls an error).
///
/// # Errors
///
/// None that the story expects.
pub fn a_raw_end_with_nothing_open_does_what_the_server_does<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("nothing_open");
    let mut session = stage.engine.session();
    let autocommit = ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit);
    for round in 0..2 {
        for sql in ["COMMIT", "ROLLBACK"] {
            let answer = session.batch_execute(sql);
            if C::FLAVOUR == Flavour::Sqlite {
                let text = answer.unwrap_err().to_string();
                assert!(text.contains("no transaction is active"), "{text}");
            } else {
                answer?;
            }
            assert!(!session.in_transaction());
        }
        assert_eq!(stage.engine.pool().checkedout(), 0, "its connection went back");
        if round == 0 {
            session.execution_options(autocommit)?;
        }
    }
    // In AUTOCOMMIT nothing is begun by the way, and what stood for itself stays.
    C::withdraw(&mut session, 1, 1)?;
    let misuse = Error::from(session.batch_execute("BEGIN").unwrap_err());
    assert!(misuse.to_string().contains("AUTOCOMMIT"), "{misuse}");
    let _ = session.batch_execute("ROLLBACK");
    C::withdraw(&mut session, 1, 1)?;
    drop(session);
    assert_eq!(stage.balances(), [498, 0]);
    stage.assert_whole();
    Ok(())
}

/// One that began by itself and has only read is nobody's, and makes room.
///
/// # Errors
///
/// None that the story expects.
pub fn a_raw_begin_ends_what_has_only_read<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("only_read");
    let mut session = stage.engine.session();
    C::each_owner(&mut session, &mut |_| ())?;
    session.batch_execute("BEGIN")?;
    C::withdraw(&mut session, 1, 1)?;
    session.batch_execute("COMMIT")?;
    drop(session);
    stage.log.expect(&["begin", "commit", "begin", "commit"]);
    assert_eq!(stage.balances(), [499, 0]);
    stage.assert_whole();
    Ok(())
}

/// What a BEGIN asks for is what its transaction gets; what cannot be had is refused by its name.
///
/// # Errors
///
/// None that the story expects.
pub fn a_raw_begin_gets_what_it_asks_for<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("asks_for");
    let mut session = stage.engine.session();
    let unknown = match C::FLAVOUR {
        Flavour::PostgreSql => {
            session.batch_execute("BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE")?;
            assert_eq!(session.isolation_level()?, IsolationLevel::Serializable);
            assert_eq!(session.access_mode()?, AccessMode::ReadOnly);
            session.batch_execute("ROLLBACK")?;
            session.batch_execute("BEGIN")?;
            assert_eq!(session.isolation_level()?, IsolationLevel::ReadCommitted);
            "COMMIT AND CHAIN"
        }
        Flavour::MySql => {
            session.batch_execute("START TRANSACTION READ ONLY")?;
            let refused = C::withdraw(&mut session, 1, 1).unwrap_err().to_string();
            assert!(refused.contains("READ ONLY transaction"), "{refused}");
            session.batch_execute("ROLLBACK")?;
            session.batch_execute("BEGIN")?;
            "COMMIT AND CHAIN"
        }
        _ => {
            session.batch_execute("BEGIN IMMEDIATE")?;
            let locked = stage
                .outside()
                .batch_execute("PRAGMA busy_timeout = 0; BEGIN IMMEDIATE");
            assert!(locked.unwrap_err().to_string().contains("locked"));
            session.batch_execute("ROLLBACK")?;
            session.batch_execute("BEGIN")?;
            "COMMIT TRANSACTION RELEASE"
        }
    };
    C::withdraw(&mut session, 1, 1)?;
    let text = refused(session.batch_execute(unknown));
    assert!(text.contains("cannot be followed"), "{text}");
    session.batch_execute("COMMIT")?;
    let unknown = match C::FLAVOUR {
        Flavour::MySql => "START TRANSACTION WITH CONSISTENT SNAPSHOT",
        Flavour::PostgreSql => "BEGIN ISOLATION LEVEL ANY",
        _ => "BEGIN EXCLUSIVE",
    };
    let text = refused(session.batch_execute(unknown));
    assert!(
        text.contains("cannot be followed") && text.contains("build_transaction"),
        "{text}"
    );
    assert!(!session.in_transaction());
    drop(session);
    assert_eq!(stage.balances(), [499, 0]);
    stage.assert_whole();
    Ok(())
}

/// How transactions run is not changed behind the session's back, inside one or outside, in whichever form.
///
/// # Errors
///
/// None that the story expects.
pub fn a_level_or_a_mode_is_not_changed_by_raw_sql<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("levels");
    let forms: &[&str] = match C::FLAVOUR {
        Flavour::MySql => &[
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SET SESSION TRANSACTION READ ONLY",
            "SET tx_isolation = 'SERIALIZABLE'",
            "SET @@session.tx_read_only = 1",
            "SET `transaction_isolation` = 'SERIALIZABLE'",
            "SET STATEMENT tx_isolation = 'SERIALIZABLE' FOR SELECT 1",
            "SET autocommit = 0",
            "SET SESSION completion_type = 1",
            "/*!40101 SET autocommit = 0 */",
        ],
        Flavour::PostgreSql => &[
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "SET transaction_isolation = 'serializable'",
            "SET LOCAL \"transaction_read_only\" = on",
            "SET default_transaction_isolation TO 'serializable'",
            "RESET default_transaction_read_only",
            "RESET ALL",
            "DISCARD ALL",
            "SELECT set_config('transaction_isolation', 'serializable', true)",
            "UPDATE pg_settings SET setting = 'on' WHERE name = 'default_transaction_read_only'",
        ],
        _ => &[
            "PRAGMA query_only = 1",
            "PRAGMA main.query_only(1)",
            "PRAGMA 'query_only' = ON",
            "PRAGMA read_uncommitted = 1",
        ],
    };
    let mut session = stage.engine.session();
    for form in forms {
        refused(session.batch_execute(form));
        refused(C::execute(&mut session, form));
    }
    session.begin(|session| {
        C::withdraw(session, 1, 1)?;
        for form in forms {
            refused(session.batch_execute(form));
        }
        assert!(session.execution_options(ExecutionOptions::new().read_only()).is_err());
        C::withdraw(session, 1, 1)?;
        Ok(())
    })?;
    drop(session);
    assert_eq!(stage.balances(), [498, 0]);
    stage.assert_whole();
    Ok(())
}

/// Every story of this module, on one database.
#[macro_export]
macro_rules! raw_control_stories {
    ($connection:ty) => {
        $crate::tell!(
            $connection,
            $crate::raw_control,
            [
                a_raw_begin_is_an_explicit_begin_and_is_followed,
                a_raw_commit_tells_the_truth,
                raw_control_is_refused_where_somebody_else_is_in_charge,
                a_raw_end_with_nothing_open_does_what_the_server_does,
                a_raw_begin_ends_what_has_only_read,
                a_raw_begin_gets_what_it_asks_for,
                a_level_or_a_mode_is_not_changed_by_raw_sql,
            ]
        );
    };
}
