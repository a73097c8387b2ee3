//! Being told to stop: what a cancelled token and an `Exit` do to transactions, to reruns, and to the pool.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // a story that fails is a test that fails

use std::error::Error as StdError;
use std::sync::mpsc;
use std::time::Duration;

use aludel::clock::Clock;
use aludel::prelude::*;
use aludel::{CommitPolicy, Error, Phase, RetryPolicy};
use diesel::connection::SimpleConnection as _;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::stage::{Stage, Staged};
use crate::{gate, poll};

const REASON: &str = "shutting down";

/// Whether Diesel's error is an exit of ours on its way.
#[track_caller]
fn is_exit(error: DieselError) {
    exits(&Error::from(error));
}

/// Nothing is added to an exit, and nobody runs it again.
#[track_caller]
fn exits(error: &Error) {
    assert!(error.is_exit() && !error.is_retryable(), "{error:?}");
    assert_eq!(error.to_string(), format!("exit: {REASON}"));
    assert!(error.later().is_empty());
}

/// A closure leaves by itself: through a scope, through a savepoint and a retry, and past somebody who swallows it.
///
/// # Errors
///
/// None that the story expects.
pub fn an_exit_of_the_closures_own_goes_through_as_it_is<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("own_exit");
    let leave = |session: &mut Session<C>| -> aludel::Result<()> {
        C::withdraw(session, 1, 100)?;
        Err(Exit::new(REASON).into())
    };
    exits(&stage.engine.begin(leave).unwrap_err());
    stage.log.expect(&["begin", "invalidate", "doomed", "rollback"]);

    let mut session = stage.engine.session();
    let mut runs = 0;
    let error = session.retry(&RetryPolicy::new(), |session| {
        runs += 1;
        session.begin_nested(leave)
    });
    exits(&error.unwrap_err());
    assert_eq!(runs, 1);
    stage
        .log
        .expect(&["begin", "savepoint 1", "invalidate", "doomed", "rollback"]);

    let error = session.begin(|session| {
        exits(&session.begin_nested(leave).unwrap_err());
        assert!(C::withdraw(session, 1, 1).is_err());
        Ok(())
    });
    let error = error.unwrap_err();
    assert!(
        error.is_doomed() && error.to_string().contains("the caller asked to stop"),
        "{error}"
    );
    assert_eq!((stage.times("invalidate"), stage.times("commit")), (1, 0));
    assert_eq!(
        session.begin(|session| Ok(C::withdraw(session, 1, 1)?))?,
        1,
        "on another connection"
    );
    drop(session);
    assert_eq!(stage.balances(), [499, 0]);
    stage.assert_whole();
    Ok(())
}

/// Whatever is sent next is refused, by whichever call; nothing of it reaches the server.
///
/// # Errors
///
/// None that the story expects.
pub fn the_next_statement_of_any_session_answers_exit<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("next_statement");
    let (mut idle, mut busy) = (stage.engine.session(), stage.engine.session());
    C::withdraw(&mut busy, 1, 100)?;
    let sent = stage.log.snapshot();
    stage.engine.cancel_token().cancel(REASON);
    for session in [&mut idle, &mut busy] {
        is_exit(C::withdraw(session, 1, 1).unwrap_err());
        is_exit(session.batch_execute("SELECT 1").unwrap_err());
        is_exit(C::execute(session, "SELECT 1").unwrap_err());
        is_exit(C::fragile(session).unwrap_err());
        is_exit(C::each_owner(session, &mut |_| unreachable!("no row was asked for")).unwrap_err());
        exits(&session.with_raw(|_| Ok(())).unwrap_err());
        exits(&session.backend_id().unwrap_err());
        exits(&session.isolation_level().unwrap_err());
        exits(&session.begin_nested(|_| Ok(())).unwrap_err());
    }
    for error in [
        idle.begin(|_| Ok(())).unwrap_err(),
        stage.engine.begin(|_| Ok(())).unwrap_err(),
        idle.retry(&RetryPolicy::new(), |_| Ok(())).unwrap_err(),
        Error::from(C::diesels_transaction(&mut idle, |_| Ok(())).unwrap_err()),
    ] {
        exits(&error);
    }
    assert_eq!(stage.log.snapshot(), sent);
    assert!(busy.in_transaction() && !idle.in_transaction());
    // ROLLBACK is sent as ever, and a commit of nothing has nothing to refuse.
    busy.rollback()?;
    busy.commit()?;
    drop((idle, busy));
    assert_eq!(stage.balances(), [500, 0]);
    assert_eq!(stage.times("invalidate"), 0, "nobody was in the middle of anything");
    stage.assert_whole();
    Ok(())
}

/// A COMMIT that was not sent yet is not sent.
///
/// # Errors
///
/// None that the story expects.
pub fn a_commit_that_was_not_sent_yet_answers_exit<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("no_commit");
    let token = CancelToken::new();
    let pay = |session: &mut Session<C>| -> diesel::QueryResult<()> {
        session.set_cancel_token(token.child_token());
        C::withdraw(session, 1, 100)?;
        session.cancel_token().cancel(REASON);
        Ok(())
    };
    exits(&stage.engine.begin(|session| Ok(pay(session)?)).unwrap_err());
    exits(
        &stage
            .engine
            .begin(|session| session.begin_nested(|nested| Ok(pay(nested)?)))
            .unwrap_err(),
    );
    let mut session = stage.engine.session();
    exits(
        &session
            .retry(&RetryPolicy::new(), |session| Ok(pay(session)?))
            .unwrap_err(),
    );
    session.set_cancel_token(CancelToken::new());
    is_exit(C::diesels_transaction(&mut session, pay).unwrap_err());
    session.set_cancel_token(CancelToken::new());
    pay(&mut session)?;
    exits(&session.commit().unwrap_err());
    assert!(!session.in_transaction());
    session.set_cancel_token(CancelToken::new());
    assert_eq!(session.begin(|session| Ok(C::withdraw(session, 1, 1)?))?, 1);
    drop(session);
    assert_eq!(stage.balances(), [499, 0]);
    assert_eq!(
        (stage.times("invalidate"), stage.times("retire")),
        (5, 0),
        "{:?}",
        stage.log
    );
    stage.assert_whole();
    Ok(())
}

/// What a closure makes of the exit changes nothing: nobody commits over it or runs it again.
///
/// # Errors
///
/// None that the story expects.
pub fn an_exit_that_is_swallowed_or_dressed_up_is_not_survived<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("swallowed_exit");
    let mut session = stage.engine.session();
    let stopped = |session: &mut Session<C>| {
        C::withdraw(session, 1, 100).expect("nobody has cancelled anything");
        session.cancel_token().cancel(REASON);
        C::withdraw(session, 1, 100).unwrap_err()
    };
    let mut runs = 0;
    // Swallowed.
    let token = CancelToken::new();
    session.set_cancel_token(token.clone());
    let error = session.begin(|session| {
        is_exit(stopped(session));
        Ok(())
    });
    exits(&error.unwrap_err());
    // Swallowed, and the token exchanged for one that says nothing.
    session.set_cancel_token(CancelToken::new());
    let error = session.begin(|session| {
        is_exit(stopped(session));
        session.set_cancel_token(CancelToken::new());
        Ok(())
    });
    assert!(error.unwrap_err().is_exit());
    // Swallowed in a savepoint.
    session.set_cancel_token(CancelToken::new());
    let error = session.begin(|session| {
        let nested = session.begin_nested(|nested| -> aludel::Result<()> { Err(stopped(nested).into()) });
        exits(&nested.unwrap_err());
        is_exit(C::withdraw(session, 1, 1).unwrap_err());
        Ok(())
    });
    exits(&error.unwrap_err());
    // Turned into something that looks as if it should be run again.
    session.set_cancel_token(CancelToken::new());
    let error = session.retry(&RetryPolicy::new(), |session| -> aludel::Result<()> {
        runs += 1;
        stopped(session);
        let text = Box::new("could not serialize access".to_owned());
        Err(DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, text).into())
    });
    assert!(!error.unwrap_err().is_exit(), "the closure's own error is given back");
    assert_eq!(runs, 1);
    // In a box, and as an error of the caller's own.
    session.set_cancel_token(CancelToken::new());
    let error = session.begin_with(|session| -> Result<(), Box<dyn StdError + Send + Sync>> {
        Err(Error::from(stopped(session)).into())
    });
    assert_eq!(error.unwrap_err().to_string(), format!("exit: {REASON}"));
    session.set_cancel_token(CancelToken::new());
    let error = session.begin_with(|session| -> Result<(), Own> {
        stopped(session);
        Err(Own)
    });
    assert!(error.is_err());
    session.set_cancel_token(CancelToken::new());
    is_exit(C::diesels_transaction::<()>(&mut session, |session| Err(stopped(session))).unwrap_err());

    drop(session);
    assert_eq!(stage.balances(), [500, 0]);
    assert_eq!(
        (stage.times("invalidate"), stage.times("commit")),
        (7, 0),
        "{:?}",
        stage.log
    );
    assert!(!stage.log.snapshot().iter().any(|line| line.starts_with("rerun")));
    stage.assert_whole();
    Ok(())
}

struct Own;

impl From<Error> for Own {
    fn from(_: Error) -> Self {
        Self
    }
}

/// A conflict would be run again; once somebody has cancelled, it is not, and the pause is not slept.
///
/// # Errors
///
/// None that the story expects.
pub fn a_retry_stops_where_it_would_have_run_again<C: Staged>() -> aludel::Result<()> {
    let (clock, time) = Clock::test();
    let stage = Stage::<C>::open_with("retry_stops", |builder| builder.clock(clock));
    let conflict = DatabaseErrorKind::SerializationFailure;
    stage
        .script
        .fail_before(Phase::Statement, conflict, "could not serialize access");
    let mut runs = 0;
    let error = stage.engine.session().retry(&RetryPolicy::new(), |session| {
        runs += 1;
        let failed = C::withdraw(session, 1, 100);
        session.cancel_token().cancel(REASON);
        Ok(failed?)
    });
    exits(&error.unwrap_err());
    assert_eq!((runs, time.slept()), (1, vec![]));
    assert_eq!(stage.balances(), [500, 0]);
    stage.assert_whole();
    Ok(())
}

/// Waiting for a host that is down would go on for the whole deadline.
///
/// # Errors
///
/// None that the story expects.
pub fn a_retry_that_waits_for_its_host_is_woken<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("woken");
    let mut session = stage.engine.session();
    let token = stage.engine.cancel_token();
    for attempt in 0..3 {
        let token = token.clone();
        stage.script.call_before(Phase::Begin, move || {
            if attempt == 2 {
                token.cancel(REASON);
            }
        });
        let down = DatabaseErrorKind::ClosedConnection;
        stage
            .script
            .fail_before(Phase::Begin, down, "server closed the connection unexpectedly");
        stage
            .script
            .fail_before(Phase::Begin, down, "server closed the connection unexpectedly");
    }
    // On the system's clock: the deadline is longer than any test.
    let policy = RetryPolicy::new().deadline(Duration::from_hours(1));
    let mut runs = 0;
    let error = session.retry(&policy, |_| {
        runs += 1;
        Ok(())
    });
    exits(&error.unwrap_err());
    assert_eq!(runs, 0, "no transaction ever began");
    drop(session);
    stage.assert_whole();
    Ok(())
}

/// Who must find out whether a COMMIT happened is told so, however much somebody wanted to stop.
///
/// # Errors
///
/// None that the story expects.
pub fn an_unknown_commit_outweighs_being_stopped<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("unknown_commit");
    let token = stage.engine.cancel_token();
    let lost = "server closed the connection unexpectedly";
    stage
        .script
        .fail_after(Phase::Commit, DatabaseErrorKind::ClosedConnection, lost);
    stage.script.call_before(Phase::Commit, move || token.cancel(REASON));
    let policy = RetryPolicy::new().commit(CommitPolicy::Idempotent);
    let mut runs = 0;
    let error = stage.engine.session().retry(&policy, |session| {
        runs += 1;
        Ok(C::withdraw(session, 1, 100)?)
    });
    let error = error.unwrap_err();
    assert!(error.is_commit_unknown() && !error.is_exit(), "{error:?}");
    assert_eq!((runs, stage.balances()), (1, vec![400, 0]), "here it had happened");
    Ok(())
}

/// A request's own limit stops that request alone; work that goes on after a shutdown has a token of its own.
///
/// # Errors
///
/// None that the story expects.
pub fn a_session_obeys_the_token_that_it_was_given<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("own_token");
    let (mut request, mut other, mut cleaner) =
        (stage.engine.session(), stage.engine.session(), stage.engine.session());
    let limit = stage.engine.cancel_token().child_token();
    request.set_cancel_token(limit.clone());
    cleaner.set_cancel_token(CancelToken::new());
    limit.cancel("it took too long");
    let error = request.begin(|session| Ok(C::withdraw(session, 1, 1)?)).unwrap_err();
    assert_eq!(error.to_string(), "exit: it took too long");
    other.begin(|session| Ok(C::withdraw(session, 1, 100)?))?;
    stage.engine.cancel_token().cancel(REASON);
    exits(&other.begin(|session| Ok(C::withdraw(session, 1, 1)?)).unwrap_err());
    let sub_engine = stage
        .engine
        .execution_options(aludel::ExecutionOptions::new().read_write())?;
    exits(&sub_engine.begin(|session| Ok(C::withdraw(session, 1, 1)?)).unwrap_err());
    let mut connection = stage.engine.connect();
    exits(
        &connection
            .begin(|connection| Ok(C::execute_on(connection, "SELECT 1")?))
            .unwrap_err(),
    );
    cleaner.begin(|session| Ok(C::withdraw(session, 1, 100)?))?;
    drop((request, other, cleaner, connection));
    assert_eq!(stage.balances(), [300, 0]);
    stage.assert_whole();
    Ok(())
}

/// Statements that stand for themselves are refused in the same way.
///
/// # Errors
///
/// None that the story expects.
pub fn a_statement_in_autocommit_answers_exit<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open_with("autocommit", |builder| {
        builder.isolation_level(IsolationLevel::Autocommit)
    });
    let mut session = stage.engine.session();
    C::withdraw(&mut session, 1, 100)?;
    session.cancel_token().cancel(REASON);
    is_exit(C::withdraw(&mut session, 1, 100).unwrap_err());
    drop(session);
    assert_eq!(stage.balances(), [400, 0]);
    stage.assert_whole();
    Ok(())
}

/// Where the engine is told so, an exit costs no connection: it gets a ROLLBACK.
///
/// # Errors
///
/// None that the story expects.
pub fn an_exit_between_statements_keeps_its_connection_where_it_may<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open_with("rollback_if_idle", |builder| builder.on_exit(OnExit::RollbackIfIdle));
    let leave = |session: &mut Session<C>| -> aludel::Result<()> {
        C::withdraw(session, 1, 100)?;
        Err(Exit::new(REASON).into())
    };
    exits(&stage.engine.begin(leave).unwrap_err());
    stage.log.expect(&["begin", "doomed", "rollback"]);
    exits(&stage.engine.begin(|session| session.begin_nested(leave)).unwrap_err());
    stage.log.expect(&["begin", "savepoint 1", "doomed", "rollback"]);
    // Caught inside, it still cannot be committed over.
    let error = stage.engine.begin(|session| {
        exits(&session.begin_nested(leave).unwrap_err());
        assert!(Error::from(C::withdraw(session, 1, 1).unwrap_err()).is_doomed());
        Ok(())
    });
    assert!(error.unwrap_err().to_string().contains("the caller asked to stop"));
    stage.log.expect(&["begin", "savepoint 1", "doomed", "rollback"]);
    // So does one that a token caused.
    let token = stage.engine.cancel_token();
    let error = stage.engine.begin(|session| {
        C::withdraw(session, 1, 100)?;
        token.cancel(REASON);
        Ok(C::withdraw(session, 1, 100)?)
    });
    exits(&error.unwrap_err());
    stage.log.expect(&["begin", "doomed", "rollback"]);
    assert_eq!((stage.engine.pool().closed(), stage.balances()), (0, vec![500, 0]));
    stage.assert_whole();
    Ok(())
}

/// A connection that cannot be told to roll back is closed, whatever the engine was told.
///
/// # Errors
///
/// None that the story expects.
pub fn an_exit_whose_rollback_fails_closes_its_connection<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open_with("rollback_fails", |builder| builder.on_exit(OnExit::RollbackIfIdle));
    let unwell = DatabaseErrorKind::Unknown;
    stage
        .script
        .fail_before(Phase::Rollback, unwell, "the server is unwell");
    let error = stage.engine.begin(|session| -> aludel::Result<()> {
        C::withdraw(session, 1, 100)?;
        Err(Exit::new(REASON).into())
    });
    exits(&error.unwrap_err());
    stage.log.expect(&["begin", "doomed", "invalidate", "rollback"]);
    assert_eq!(stage.balances(), [500, 0]);
    stage.assert_whole();
    Ok(())
}

/// Whoever waits for the pool is woken, and its place in the queue is free.
///
/// # Errors
///
/// None that the story expects.
pub fn a_session_that_waits_for_the_pool_is_woken<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open_with("waits", |builder| {
        // On the system's clock: the time-out is longer than any test.
        builder
            .pool_size(1)
            .max_overflow(0)
            .pool_timeout(Duration::from_hours(1))
    });
    let held = stage.engine.raw_connection()?;
    let (sender, woken) = mpsc::channel();
    let engine = stage.engine.clone();
    std::thread::spawn(move || {
        let answer = engine.begin(|session| Ok(C::withdraw(session, 1, 1)?));
        sender.send(answer).expect("the story waits for it");
    });
    let pool = stage.engine.pool();
    let waits = || (pool.status().waiting == 1).then_some(());
    poll::until("somebody waits for the pool", gate::PATIENCE, waits);
    stage.engine.cancel_token().cancel(REASON);
    exits(&woken.recv_timeout(gate::PATIENCE).expect("it is woken").unwrap_err());
    assert_eq!(stage.engine.pool().status().waiting, 0);
    drop(held);
    assert_eq!((stage.times("pool timeout"), stage.balances()), (0, vec![500, 0]));
    stage.assert_whole();
    Ok(())
}

/// Every story of this module, on one database.
#[macro_export]
macro_rules! exit_stories {
    ($connection:ty) => {
        $crate::tell!(
            $connection,
            $crate::exits,
            [
                an_exit_of_the_closures_own_goes_through_as_it_is,
                the_next_statement_of_any_session_answers_exit,
                a_commit_that_was_not_sent_yet_answers_exit,
                an_exit_that_is_swallowed_or_dressed_up_is_not_survived,
                a_retry_stops_where_it_would_have_run_again,
                a_retry_that_waits_for_its_host_is_woken,
                an_unknown_commit_outweighs_being_stopped,
                a_session_obeys_the_token_that_it_was_given,
                a_statement_in_autocommit_answers_exit,
                an_exit_between_statements_keeps_its_connection_where_it_may,
                an_exit_whose_rollback_fails_closes_its_connection,
                a_session_that_waits_for_the_pool_is_woken,
            ]
        );
    };
}
