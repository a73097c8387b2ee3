//! What a session tells its listeners, and hooks: `SessionEventsTest`.

use aludel::prelude::*;
use aludel::{CommitPolicy, Error, ErrorKind, Phase, RetryPolicy, SessionEvent, SessionFactory, SessionTransaction};
use diesel::connection::SimpleConnection as _;
use diesel::result::DatabaseErrorKind;

use super::session::no;
use super::{Stage, insert, look};
use crate::EventLog;
use crate::account::Account;

/// A factory whose sessions write SQLAlchemy's names of their events into the log; those of savepoints with their depth, and those
/// of objects not at all.
fn heard<C: Dialect>(stage: &Stage<C>) -> (SessionFactory<C>, EventLog) {
    let log = EventLog::new();
    let canary = log.clone();
    let factory = SessionFactory::new(&stage.engine).listen(move |event| match event.transaction() {
        _ if matches!(event, SessionEvent::ObjectChanged { .. }) => {}
        SessionTransaction::Nested { depth } => canary.push(format!("{} {depth}", event.name())),
        SessionTransaction::Flush if event.name().starts_with("after_transaction") => {
            canary.push(format!("{} (flush)", event.name()));
        }
        _ => canary.push(event.name()),
    });
    (factory, log)
}

const FLUSH: [&str; 6] = [
    "before_flush",
    "after_transaction_create (flush)",
    "after_begin",
    "after_flush",
    "after_flush_postexec",
    "after_transaction_end (flush)",
];

/// A commit with nothing to commit.
pub fn standalone_on_commit_hook<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let (factory, log) = heard(stage);
    let mut session = factory.session();
    session.commit()?;
    let told = [
        "after_transaction_create",
        "before_commit",
        "after_commit",
        "after_transaction_end",
    ];
    log.expect(&told);
    session.rollback()?; // with nothing begun it is nothing
    drop(session);
    log.expect(&[]);
    stage.log.expect(&[]);
    Ok(())
}

pub fn flush_noautocommit_hook<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (factory, log) = heard(stage);
    let mut session = factory.session();
    session.add(Account::new("Ann", 1));
    session.flush()?;
    log.expect(&[&["after_transaction_create"], &FLUSH[..]].concat());
    session.close()?;
    log.expect(&["after_transaction_end"]);
    Ok(())
}

/// A flush and a commit that go well, and a flush that fails on its way to a commit. *Differs:* a flush that fails dooms the
/// transaction, which is rolled back by whoever ends it, so `after_rollback` comes with that.
pub fn rollback_hook<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (factory, log) = heard(stage);
    let mut session = factory.session();
    session.add(Account::new("Ann", 1));
    session.commit()?;
    let begins = ["after_transaction_create", "before_commit"];
    let ends = ["after_commit", "after_transaction_end"];
    log.expect(&[&begins[..], &FLUSH, &ends].concat());

    session.add(Account::new("Ann", 1));
    session.commit().expect_err("there is an Ann");
    let flush = [
        FLUSH[0],
        FLUSH[1],
        FLUSH[2],
        "after_transaction_end (flush)",
        "after_soft_rollback",
    ];
    let ends = ["after_rollback", "after_transaction_end", "after_soft_rollback"];
    log.expect(&[&begins[..], &flush, &ends].concat());

    // Doomed by a flush of its own, and rolled back by its caller.
    session.add(Account::new("Ann", 1));
    session.flush().expect_err("there is an Ann");
    log.expect(&[&["after_transaction_create"], &flush[..]].concat());
    session.rollback()?;
    log.expect(&ends);
    Ok(())
}

pub fn connection_emits_after_begin<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let (factory, log) = heard(stage);
    let mut session = factory.session();
    look(&mut session)?;
    log.expect(&["after_transaction_create", "after_begin"]);
    look(&mut session)?;
    log.expect(&[]);
    session.rollback()?;
    log.expect(&["after_rollback", "after_transaction_end", "after_soft_rollback"]);
    Ok(())
}

/// Scopes and savepoints, by whichever call.
pub fn each_level_is_told_of<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let (factory, log) = heard(stage);
    let mut session = factory.session();
    look(&mut session)?;
    log.clear();
    session.begin(|session| {
        log.expect(&["after_transaction_end", "after_transaction_create", "after_begin"]);
        session.begin(|_| Ok(()))?; // joins, and is none
        log.expect(&[]);
        session.begin_nested(|nested| {
            log.expect(&["after_transaction_create 1", "after_begin 1"]);
            let undone = nested.begin_nested(|_| Err::<(), _>(no()));
            assert!(undone.is_err());
            log.expect(&[
                "after_transaction_create 2",
                "after_begin 2",
                "after_rollback 2",
                "after_transaction_end 2",
                "after_soft_rollback 2",
            ]);
            Ok(())
        })?;
        log.expect(&["before_commit 1", "after_commit 1", "after_transaction_end 1"]);
        Ok(())
    })?;
    log.expect(&["before_commit", "after_commit", "after_transaction_end"]);
    let failed = session.begin(|_| Err::<(), _>(no()));
    assert!(failed.is_err());
    log.expect(&[
        "after_transaction_create",
        "after_begin",
        "after_rollback",
        "after_transaction_end",
        "after_soft_rollback",
    ]);
    session.batch_execute("BEGIN")?;
    session.batch_execute("COMMIT")?;
    log.expect(&[
        "after_transaction_create",
        "after_begin",
        "before_commit",
        "after_commit",
        "after_transaction_end",
    ]);
    // One that cannot begin ends all the same.
    stage.fail(Phase::Begin, DatabaseErrorKind::Unknown, "too early");
    session.begin(|_| Ok(())).expect_err("BEGIN was refused");
    log.expect(&["after_transaction_create", "after_transaction_end"]);
    // And a session that is dropped ends what it has.
    look(&mut session)?;
    log.clear();
    drop(session);
    log.expect(&["after_transaction_end"]);
    Ok(())
}

/// A listener that panics changes nothing, and the others are told.
pub fn a_listener_that_panics_changes_nothing<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let log = EventLog::new();
    let canary = log.clone();
    let factory = SessionFactory::new(&stage.engine).listen(|_| std::panic::resume_unwind(Box::new("a quiet panic")));
    let mut session = factory.session();
    let number = session.number();
    session.listen(move |event| {
        assert_eq!(event.session().number(), number);
        canary.push(event.name());
    });
    session.begin(|session| insert(session, 1))?;
    log.expect(&[
        "after_transaction_create",
        "after_begin",
        "before_commit",
        "after_commit",
        "after_transaction_end",
    ]);
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

// ---- before_commit --------------------------------------------------------------------------------------------------

/// What runs before a commit may flush, write, join, and register more of its kind.
pub fn flush_in_commit_hook<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let (factory, log) = heard(stage);
    let heard = log.clone();
    let factory = factory.before_commit(move |_| {
        heard.push("the factory's hook");
        Ok(())
    });
    let mut session = factory.session();
    session.add(Account::new("Ann", 1));
    let own = log.clone();
    session.before_commit(move |session| {
        own.push("the session's hook");
        session.flush()?;
        session.begin(|session| {
            session.add(Account::new("Bob", 1));
            Ok(())
        })?;
        let refused = session.commit().expect_err("it is being committed");
        assert_eq!(refused.kind(), ErrorKind::Misuse);
        let late = own.clone();
        session.before_commit(move |session| {
            late.push("and another one");
            insert(session, 9)
        });
        Ok(())
    });
    session.commit()?;
    assert_eq!(stage.rows().len(), 3);
    let told = log.take();
    let told: Vec<&str> = told
        .iter()
        .map(String::as_str)
        .filter(|line| !line.contains("flush"))
        .collect();
    let expected = [
        "after_transaction_create",
        "after_begin", // for the hooks, which may join
        "before_commit",
        "the factory's hook",
        "the session's hook",
        "and another one",
        "after_commit",
        "after_transaction_end",
    ];
    assert_eq!(told, expected);
    session.commit()?;
    assert!(
        !log.take().contains(&"the session's hook".to_owned()),
        "it has had its commit"
    );
    Ok(())
}

/// Hooks that register hooks come to an end.
pub fn continue_flushing_on_commit<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    #[allow(clippy::unnecessary_wraps, reason = "a hook answers a Result")]
    fn again<C: Dialect>(session: &mut Session<C>) -> aludel::Result<()> {
        session.before_commit(again);
        Ok(())
    }
    let mut session = stage.engine.session();
    insert(&mut session, 1)?;
    session.before_commit(again);
    let error = session.commit().expect_err("it would never end");
    assert!(
        error.to_string().contains("registered further ones 100 times"),
        "{error}"
    );
    stage.log.expect(&["begin", "rollback"]);
    assert_eq!(stage.rows(), []);
    Ok(())
}

/// Its error is the caller's, and nothing is committed; where running again would help, it does.
pub fn a_hook_before_the_commit_can_prevent_it<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut session = stage.engine.session();
    let refused = session.begin(|session| {
        insert(session, 1)?;
        session.before_commit(|_| Err(no()));
        Ok(())
    });
    let text = refused.expect_err("it said no").to_string();
    assert_eq!(text, "not enough tea [rolled back, nothing was written]");
    stage.log.expect(&["begin", "rollback"]);

    // One that was registered before a rerun runs in each attempt.
    let hooks = stage.log.clone();
    session.before_commit(move |session| {
        hooks.push("hook");
        insert(session, 2)
    });
    stage.fail(Phase::Commit, DatabaseErrorKind::SerializationFailure, "deadlock");
    session.retry(&RetryPolicy::new(), |session| insert(session, 1))?;
    stage.log.expect(&[
        "begin",
        "hook",
        "rollback",
        "rerun 2 after retry",
        "begin",
        "hook",
        "commit",
    ]);
    assert_eq!(stage.rows(), [1, 2]);

    // One in a savepoint that was undone is gone, and so is one in a transaction that was.
    session.begin(|session| {
        let undone = session.begin_nested(|nested| {
            nested.before_commit(|_| Err(no()));
            Err::<(), _>(no())
        });
        assert!(undone.is_err());
        Ok(())
    })?;
    session.before_commit(|_| Err(no()));
    session.rollback()?;
    session.begin(|session| insert(session, 3))?;
    assert_eq!(stage.rows(), [1, 2, 3]);
    Ok(())
}

// ---- on_commit, on_rollback -----------------------------------------------------------------------------------------

/// Registers a pair, of which exactly one runs.
fn pair<C: Dialect>(session: &mut Session<C>, log: &EventLog, name: &'static str) {
    let (committed, undone) = (log.clone(), log.clone());
    session.on_commit(move || committed.push(format!("{name} committed")));
    session.on_rollback(move || undone.push(format!("{name} undone")));
}

/// Of two hooks that were registered together exactly one runs, whichever way the transaction ends.
pub fn one_of_each_pair_of_hooks_runs<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let log = EventLog::new();
    let mut session = stage.engine.session();
    // A session that has begun nothing waits for the next commit.
    pair(&mut session, &log, "before");
    let failed = session.begin(|session| {
        pair(session, &log, "inside");
        Err::<(), _>(no())
    });
    assert!(failed.is_err());
    log.expect(&["inside undone"]);
    session.begin(|session| {
        insert(session, 1)?;
        let undone = session.begin_nested(|nested| {
            pair(nested, &log, "nested");
            nested.begin_nested(|deeper| {
                pair(deeper, &log, "deeper");
                Ok(())
            })?;
            log.expect(&[]);
            Err::<(), _>(no())
        });
        assert!(undone.is_err());
        log.expect(&["nested undone", "deeper undone"]);
        pair(session, &log, "outer");
        Ok(())
    })?;
    log.expect(&["before committed", "outer committed"]);
    // As one goes.
    for end in [Session::rollback, Session::close, Session::reset] {
        pair(&mut session, &log, "idle");
        look(&mut session)?;
        pair(&mut session, &log, "open");
        end(&mut session)?;
        log.expect(&["idle undone", "open undone"]);
    }
    pair(&mut session, &log, "idle");
    session.rollback()?;
    log.expect(&["idle undone"]);
    session.batch_execute("BEGIN")?;
    pair(&mut session, &log, "raw");
    session.batch_execute("ROLLBACK")?;
    log.expect(&["raw undone"]);
    pair(&mut session, &log, "lost");
    look(&mut session)?;
    session.invalidate("for the test");
    log.expect(&["lost undone"]);
    pair(&mut session, &log, "dropped");
    insert(&mut session, 2)?;
    drop(session);
    log.expect(&["dropped undone"]);
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

/// Each attempt's own hooks end with it; those from before wait for the last.
pub fn hooks_and_reruns<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let log = EventLog::new();
    let mut session = stage.engine.session();
    pair(&mut session, &log, "before");
    stage.fail(Phase::Commit, DatabaseErrorKind::SerializationFailure, "deadlock");
    session.retry(&RetryPolicy::new(), |session| {
        log.push("attempt");
        pair(session, &log, "inside");
        insert(session, 1)
    })?;
    log.expect(&[
        "attempt",
        "inside undone",
        "attempt",
        "before committed",
        "inside committed",
    ]);
    Ok(())
}

/// Where nobody knows whether the COMMIT has happened, neither runs; where it is found out, the right one does.
pub fn hooks_after_a_lost_answer<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let log = EventLog::new();
    let mut session = stage.engine.session();
    let lose_the_answer = || {
        stage
            .script
            .fail_after(Phase::Commit, DatabaseErrorKind::ClosedConnection, "it hung up");
    };
    pair(&mut session, &log, "before");
    lose_the_answer();
    let unknown = session.begin(|session| {
        pair(session, &log, "inside");
        insert(session, 1)
    });
    assert!(unknown.expect_err("nobody knows").is_commit_unknown());
    log.expect(&[]);
    // As one goes, and by Diesel's manager.
    pair(&mut session, &log, "open");
    insert(&mut session, 2)?;
    lose_the_answer();
    assert!(session.commit().expect_err("nobody knows").is_commit_unknown());
    session.rollback()?;
    log.expect(&[]);

    stage.engine.create_commit_table()?;
    let verified = RetryPolicy::new().commit(CommitPolicy::Verify);
    pair(&mut session, &log, "before");
    lose_the_answer();
    session.retry(&verified, |session| {
        log.push("attempt");
        pair(session, &log, "inside");
        insert(session, 3)
    })?;
    log.expect(&["attempt", "before committed", "inside committed"]);

    // The COMMIT never got there.
    pair(&mut session, &log, "before");
    stage.fail(Phase::Commit, DatabaseErrorKind::ClosedConnection, "it hung up");
    session.retry(&verified, |session| {
        log.push("attempt");
        pair(session, &log, "inside");
        insert(session, 4)
    })?;
    log.expect(&[
        "attempt",
        "inside undone",
        "attempt",
        "before committed",
        "inside committed",
    ]);
    assert_eq!(stage.rows(), [1, 2, 3, 4]);
    Ok(())
}

/// What a hook does comes too late to change anything, and the others run.
pub fn a_hook_that_panics_changes_nothing<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let log = EventLog::new();
    let quiet = || -> () { std::panic::resume_unwind(Box::new("a quiet panic")) };
    let mut session = stage.engine.session();
    session.retry(&RetryPolicy::new(), |session| {
        log.push("attempt");
        session.on_commit(quiet);
        pair(session, &log, "pair");
        insert(session, 1)
    })?;
    log.expect(&["attempt", "pair committed"]);
    let failed = session.begin(|session| {
        session.on_rollback(quiet);
        pair(session, &log, "pair");
        Err::<(), _>(no())
    });
    assert_eq!(
        failed.expect_err("it said no").to_string(),
        "not enough tea [rolled back, nothing was written]"
    );
    log.expect(&["pair undone"]);
    // In the midst of another panic as well.
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        session.begin(|session| -> aludel::Result<()> {
            session.on_rollback(quiet);
            pair(session, &log, "pair");
            std::panic::resume_unwind(Box::new("another one"))
        })
    }));
    assert!(unwound.is_err());
    log.expect(&["pair undone"]);
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

/// In AUTOCOMMIT there is nothing to wait for, and nothing to be rolled back.
pub fn hooks_in_autocommit<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let log = EventLog::new();
    let autocommit = SessionFactory::new(&stage.engine).isolation_level(IsolationLevel::Autocommit);
    let mut session = autocommit.session();
    pair(&mut session, &log, "pair");
    log.expect(&["pair committed"]);
    let hook = log.clone();
    session.before_commit(move |_| {
        hook.push("before a commit");
        Ok(())
    });
    insert(&mut session, 1)?;
    session.commit()?;
    log.expect(&[]);
    session
        .build_transaction()
        .isolation_level(IsolationLevel::Serializable)
        .run(|session| {
            pair(session, &log, "pair");
            insert(session, 2)
        })?;
    log.expect(&["before a commit", "pair committed"]);
    drop(session);
    log.expect(&[]);
    Ok(())
}

/// A hook may use the engine: the transaction is over, and its connection given back.
pub fn a_hook_runs_outside_of_the_transaction<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let (engine, log) = (stage.engine.clone(), stage.log.clone());
    stage.engine.begin(|session| {
        session.on_commit(move || {
            assert_eq!(engine.pool().checkedout(), 0);
            engine.begin(|other| insert(other, 2)).expect("nobody holds a lock");
            log.push("hook");
        });
        insert(session, 1)
    })?;
    stage.log.expect(&["begin", "commit", "begin", "commit", "hook"]);
    assert_eq!(stage.rows(), [1, 2]);
    Ok::<(), Error>(())
}
