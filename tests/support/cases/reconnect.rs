//! Lost connections, and errors on their way: `MockReconnectTest`, `RealReconnectTest`, `HandleErrorTest`, `OnConnectTest`,
//! `CursorEventErrorTest`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aludel::clock::Clock;
use aludel::pool::Null;
use aludel::prelude::*;
use aludel::{Error, ErrorKind, Outcome, Phase};
use diesel::connection::{Connection as _, InstrumentationEvent, SimpleConnection};
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::{Stage, insert, insert_again, look};
use crate::EventLog;
use crate::account::Account;

/// The stories of this module as tests on the stages that a function makes.
#[macro_export]
macro_rules! reconnect_cases {
    ($stage:path) => {
        $crate::stories_as_tests! { $stage, reconnect:
            invalidate_dont_call_finalizer
            invalidated_close
            noreconnect_execute
            check_disconnect_no_cursor
            dialect_initialize_once
            invalidate_conn_w_contextmanager_disconnect
            reconnect
            rollback_on_invalid_plain
            no_begin_on_invalid
            explode_in_initializer_disconnect
            null_pool
            basic
            close
            exception_no_autorollback
            cursor_close_resultset_failed_connectionless
            cursor_close_resultset_failed_explicit
            base_exception_invalidates
            wraps_connect_in_dbapi
            invalidate_on_connect
            handle_error_event_revalidate
            handle_error_event_connect_invalidate_flag
        }
    };
}

/// What a connection was set to is forgotten with it: nothing is sent to put it back, and the next one is set anew.
pub fn invalidate_dont_call_finalizer<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    connection.execution_options(ExecutionOptions::new().read_only())?;
    look(&mut connection)?;
    stage.sent.clear();
    connection.invalidate("for the test");
    connection.rollback()?;
    stage.sent.expect(&[]);
    look(&mut connection)?;
    assert_eq!(connection.access_mode()?, AccessMode::ReadOnly);
    assert!(insert(&mut connection, 1).is_err());
    drop(connection);
    stage.engine.begin(|session| insert(session, 1))?;
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

/// A close of an invalidated connection is quiet; what is used again takes another raw connection.
pub fn invalidated_close<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    connection.invalidate("for the test");
    connection.close()?;
    assert!(!connection.in_transaction());
    stage.assert_whole();
    insert(&mut connection, 2)?;
    connection.commit()?;
    assert_eq!(stage.rows(), [2]);
    Ok(())
}

/// An ordinary error costs no connection, unless it comes in the place of ROLLBACK's answer.
pub fn noreconnect_execute<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    connection.commit()?;
    let closed = stage.engine.pool().closed();
    for _ in 0..2 {
        insert_again(&mut connection, 1);
        connection.rollback()?;
    }
    assert_eq!(stage.engine.pool().closed(), closed);
    assert_eq!(stage.engine.pool().generation(), 1, "that of the set-up's dispose");
    look(&mut connection)?;
    stage.fail(Phase::Rollback, DatabaseErrorKind::Unknown, "no");
    connection.rollback()?;
    assert_eq!(
        stage.engine.pool().closed(),
        closed + 1,
        "it may have a transaction open"
    );
    assert_eq!(stage.engine.pool().generation(), 1);
    Ok(())
}

/// A connection that is lost while rows are read.
pub fn check_disconnect_no_cursor<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = stage.engine.session();
    insert(&mut session, 1)?;
    stage
        .script
        .fail_at_row(1, DatabaseErrorKind::ClosedConnection, "it hung up");
    let error = session.get::<Account>(1).expect_err("a row was to be read");
    assert!(
        error.is_disconnect() && error.to_string().contains("it hung up"),
        "{error}"
    );
    assert!(session.is_doomed());
    session.rollback()?;
    stage.expect_loss(&["begin"], &["rollback"]);
    assert_eq!(session.get::<Account>(1)?, None);
    Ok(())
}

/// What is done with the first connection is done once an engine, however often it is disposed of; until it has succeeded
/// the pool stays empty.
pub fn dialect_initialize_once<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let runs = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&runs);
    let engine = stage.engine_with(|builder| {
        builder.on_first_connect(move |raw, _| match counter.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Ok(raw.batch_execute("this is no SQL")?),
            _ => Ok(raw.batch_execute("SELECT 1")?),
        })
    });
    for run in [1, 2] {
        engine.begin(look).expect_err("the hook fails");
        assert_eq!(runs.load(Ordering::Relaxed), run);
        assert_eq!((engine.pool().checkedin(), engine.pool().checkedout()), (0, 0));
    }
    for _ in 0..2 {
        engine.begin(look)?;
        engine.dispose();
    }
    assert_eq!(runs.load(Ordering::Relaxed), 3);
    Ok(())
}

/// The connection is lost in a scope: it and the pool are invalidated, and what comes after the scope works.
pub fn invalidate_conn_w_contextmanager_disconnect<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut session = stage.engine.session();
    let generation = stage.engine.pool().generation();
    let error = session
        .begin(|session| {
            insert(session, 1)?;
            stage.lose(session)?;
            insert(session, 2)
        })
        .expect_err("the connection is gone");
    assert!(error.is_disconnect() && error.is_retryable(), "{error}");
    assert_eq!(error.outcome(), Some(Outcome::RolledBack));
    assert_eq!(
        stage.engine.pool().generation(),
        generation + u64::from(stage.is_served())
    );
    session.begin(|session| insert(session, 3))?;
    assert_eq!(stage.rows(), [3]);
    stage.expect_loss(&["begin"], &["rollback", "begin", "commit"]);
    drop(session);
    stage.assert_whole();
    Ok(())
}

/// Twice: the error says disconnect, what follows is refused, a rollback makes it good.
pub fn reconnect<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut session = stage.engine.session();
    for id in [1, 2] {
        insert(&mut session, id)?;
        stage.lose(&mut session)?;
        let first = look(&mut session).expect_err("the connection is gone");
        assert!(first.is_disconnect() && !first.is_doomed(), "{first}");
        let refused = look(&mut session).expect_err("its transaction is lost");
        assert!(refused.is_doomed() && refused.is_disconnect(), "{refused}");
        assert_eq!(refused.first_cause(), first.first_cause());
        session.rollback()?;
        look(&mut session)?;
        session.commit()?;
    }
    assert_eq!(stage.rows(), []);
    stage.assert_whole();
    Ok(())
}

/// The loss of the connection in a savepoint is one of the root: no other savepoint is to be had before that is ended, and
/// ending it is quiet.
pub fn rollback_on_invalid_plain<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut session = stage.engine.session();
    insert(&mut session, 1)?;
    let inner = session.begin_nested(|nested| {
        stage.lose(nested)?;
        insert(nested, 2)
    });
    assert!(inner.expect_err("the connection is gone").is_disconnect());
    assert!(session.in_transaction() && !session.in_nested_transaction());
    let refused = session
        .begin_nested(|_| Ok(()))
        .expect_err("the root is to be rolled back");
    assert!(refused.is_doomed(), "{refused}");
    session.rollback()?;
    session.begin_nested(|nested| insert(nested, 3))?;
    session.commit()?;
    assert_eq!(stage.rows(), [3]);
    Ok(())
}

/// What was invalidated on purpose is refused as what was lost; invalidating it again changes nothing.
pub fn no_begin_on_invalid<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    connection.invalidate("once");
    connection.invalidate("twice");
    let refused = [
        look(&mut connection),
        connection.begin(|_| Ok(())),
        connection.begin_nested(|_| Ok(())),
    ];
    for refused in refused {
        let refused = refused.expect_err("the transaction is lost").to_string();
        assert!(refused.contains("the connection was invalidated: once"), "{refused}");
    }
    let refused = connection.commit().expect_err("nothing is there to be committed");
    assert!(refused.is_doomed(), "{refused}");
    assert_eq!(refused.outcome(), Some(Outcome::RolledBack));
    look(&mut connection)?; // commit() has ended it
    assert_eq!(stage.rows(), []);
    Ok(())
}

/// A probe of the first connection that finds it lost fails once, as what it is; nothing is tried again behind one's back.
pub fn explode_in_initializer_disconnect<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let runs = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&runs);
    let engine = stage.engine_with(|builder| {
        builder.on_first_connect(move |_, _| match counter.fetch_add(1, Ordering::Relaxed) {
            0 => Err(DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection,
                Box::new("it hung up".to_owned()),
            )
            .into()),
            _ => Ok(()),
        })
    });
    let error = engine.raw_connection().expect_err("the probe fails");
    // There was no connection yet, so none is lost: its host cannot serve.
    assert!(
        error.class() == Class::Failover && error.first_cause().contains("it hung up"),
        "{error:?}"
    );
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    engine.pool().assert_invariants();
    assert_eq!(engine.pool().checkedout(), 0);
    engine.begin(look)?;
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    Ok(())
}

/// The same contract where no connection is kept.
pub fn null_pool<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let engine = stage.engine_with(|builder| builder.pool(Null));
    let mut session = engine.session();
    for id in [1, 2] {
        insert(&mut session, id)?;
        stage.lose(&mut session)?;
        assert!(look(&mut session).expect_err("it is gone").is_disconnect());
        assert!(look(&mut session).expect_err("its transaction is lost").is_doomed());
        session.rollback()?;
        insert(&mut session, id)?;
        session.commit()?;
    }
    assert_eq!(stage.rows(), [1, 2]);
    assert_eq!((engine.pool().checkedin(), engine.pool().checkedout()), (0, 0));
    engine.pool().assert_invariants();
    Ok(())
}

/// What has died in the pool and is older than `pool_recycle` is replaced, and nobody hears of it.
pub fn basic<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let (clock, hour) = (Clock::test(), Duration::from_hours(1));
    let engine = stage.engine_with(|builder| builder.clock(clock.0).pool_recycle(hour));
    engine.begin(|session| insert(session, 1))?;
    stage.lose_idle(&engine)?;
    clock.1.advance(hour + Duration::from_secs(1));
    stage.log.clear();
    engine.begin(|session| insert(session, 2))?;
    stage.log.expect(&["begin", "commit"]);
    assert_eq!(stage.rows(), [1, 2]);
    assert_eq!((engine.pool().opened(), engine.pool().closed()), (2, 1));
    assert_eq!(engine.pool().generation(), 0, "the others may be well");
    Ok(())
}

/// One connection is lost; another one goes on to its end, and is not kept for the next borrower, being as old.
pub fn close<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let (mut one, mut other) = (stage.engine.session(), stage.engine.session());
    look(&mut one)?;
    look(&mut other)?;
    stage.lose(&mut one)?;
    assert!(look(&mut one).expect_err("it is gone").is_disconnect());
    assert!(
        one.in_transaction() && one.is_doomed(),
        "there is a transaction, and it is of no use"
    );
    one.close()?;
    assert!(!one.in_transaction() && !one.is_doomed());
    insert(&mut other, 1)?;
    other.commit()?;
    assert_eq!(stage.rows(), [1]);
    assert_eq!(stage.engine.pool().checkedin(), usize::from(!stage.is_served()));
    look(&mut one)?;
    Ok(())
}

/// A failed statement rolls nothing back by itself; and in AUTOCOMMIT there is nothing that could be.
pub fn exception_no_autorollback<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    insert_again(&mut connection, 1);
    assert!(connection.in_transaction());
    assert_eq!(stage.rollbacks(), (0, 0));
    connection.rollback()?;
    assert_eq!(stage.rollbacks(), (1, 0));
    connection.execution_options(ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit))?;
    insert(&mut connection, 1)?;
    insert_again(&mut connection, 1);
    assert_eq!(stage.rollbacks(), (0, 0));
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

/// A row that its type cannot take fails on our side of the wire.
fn unreadable<C: Dialect>(session: &mut Session<C>)
where
    Account: Persist<C::Backend>,
{
    let error = session.get::<Account>(1).expect_err("its version is NULL");
    assert!(!error.is_disconnect() && !error.is_retryable(), "{error}");
    assert!(
        matches!(error.as_diesel(), Some(DieselError::DeserializationError(_))),
        "{error:?}"
    );
}

/// It ends with its session, and the raw connection comes back whole.
pub fn cursor_close_resultset_failed_connectionless<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    stage
        .engine
        .begin(|session| Ok(session.batch_execute("INSERT INTO accounts VALUES (1, 'Ann', 0, NULL)")?))?;
    let (opened, closed) = (stage.engine.pool().opened(), stage.engine.pool().closed());
    unreadable(&mut stage.engine.session());
    stage.engine.begin(|session| insert(session, 2))?;
    assert_eq!(
        (stage.engine.pool().opened(), stage.engine.pool().closed()),
        (opened, closed)
    );
    stage.assert_whole();
    Ok(())
}

/// And it costs no transaction: the server knows nothing of it.
pub fn cursor_close_resultset_failed_explicit<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    stage.engine.begin(|session| {
        session.batch_execute("INSERT INTO accounts VALUES (1, 'Ann', 0, NULL)")?;
        unreadable(session);
        assert!(!session.is_doomed());
        insert(session, 2)
    })?;
    assert_eq!(stage.rows(), [1, 2]);
    Ok(())
}

/// What is thrown by whoever looks on while a statement is sent has interrupted it: the connection is closed.
pub fn base_exception_invalidates<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut session = stage.engine.session();
    insert(&mut session, 1)?;
    session.set_instrumentation(|event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            assert!(!query.to_string().contains("INSERT"), "nobody inserts while I look");
        }
    });
    let panic = catch_unwind(AssertUnwindSafe(|| insert(&mut session, 2)));
    assert!(panic.is_err());
    let refused = look(&mut session).expect_err("nobody knows what was interrupted");
    assert!(
        refused.is_doomed() && refused.to_string().contains("panic"),
        "{refused}"
    );
    session.rollback()?;
    stage.log.expect(&["begin", "invalidate", "doomed", "rollback"]);
    assert_eq!(stage.rows(), []);
    drop(session);
    stage.assert_whole();
    Ok(())
}

/// What the driver says when it connects comes out with its words, and nothing had begun.
pub fn wraps_connect_in_dbapi<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    stage.fail(Phase::Connect, DatabaseErrorKind::Unknown, "the door is locked");
    let error = stage.engine.begin(look).expect_err("it cannot connect");
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert_eq!(error.outcome(), Some(Outcome::NotBegun));
    assert!(
        !error.is_disconnect() && error.to_string().contains("the door is locked"),
        "{error}"
    );
    stage.assert_whole();
    stage.engine.begin(look)
}

/// What hangs up while it is connected to cannot serve now: there is no transaction that could be lost with it.
pub fn invalidate_on_connect<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    stage.fail(Phase::Connect, DatabaseErrorKind::ClosedConnection, "it hung up");
    let error = stage.engine.raw_connection().expect_err("it cannot connect");
    assert_eq!(
        (error.kind(), error.class()),
        (ErrorKind::Connect, Class::Failover),
        "{error}"
    );
    assert!(
        error.is_retryable() && error.to_string().contains("it hung up"),
        "{error}"
    );
    stage.assert_whole();
    Ok(())
}

/// The hook sees what fails while a lost connection is replaced as well.
pub fn handle_error_event_revalidate<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let heard = EventLog::new();
    let hook = heard.clone();
    let engine = stage.engine_with(|builder| {
        builder.handle_error(move |context| hook.push(format!("{}: {}", context.phase(), context.message())))
    });
    let mut connection = engine.connect();
    look(&mut connection)?;
    connection.invalidate("for the test");
    connection.rollback()?;
    for _ in 0..2 {
        stage.fail(Phase::Connect, DatabaseErrorKind::Unknown, "the door is locked");
        look(&mut connection).expect_err("there is no other");
        heard.expect(&["connect: the door is locked"]);
        assert!(!connection.in_transaction());
    }
    look(&mut connection)?;
    heard.expect(&[]);
    Ok(())
}

/// It may say that what looks like a disconnect is none.
pub fn handle_error_event_connect_invalidate_flag<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    for (class, is_disconnect) in [(Class::Permanent, false), (Class::Disconnect, true)] {
        let engine = stage.engine_with(|builder| builder.handle_error(move |context| context.set_class(class)));
        stage.fail(Phase::Connect, DatabaseErrorKind::ClosedConnection, "it hung up");
        let error: Error = engine.raw_connection().map(drop).expect_err("it cannot connect");
        assert_eq!(error.is_disconnect(), is_disconnect, "{error:?}");
    }
    Ok(())
}

/// A server is down, and one comes back: `stop` takes it away, `start` brings it back.
///
/// Without a ping the first statement says so; with one the checkout does. In both cases no slot is lost, and once the server
/// is back nobody has to do anything.
pub fn db_is_stopped<C: Dialect>(url: &str, pre_ping: PrePing, stop: impl FnOnce(), start: impl FnOnce()) {
    let engine = Engine::<C>::builder(url)
        .pool_pre_ping(pre_ping)
        .build()
        .expect("the URL of a test is sound");
    let mut session = engine.session();
    look(&mut session).expect("the server runs");
    session.rollback().expect("it still does");
    assert_eq!(engine.pool().checkedin(), 1);
    let overflow = engine.pool().overflow();
    stop();
    for _ in 0..20 {
        let error = look(&mut session).expect_err("nobody answers");
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        assert!(error.is_retryable(), "{error}");
        assert!(!session.in_transaction());
        assert_eq!((engine.pool().checkedin(), engine.pool().checkedout()), (0, 0));
    }
    engine.pool().assert_invariants();
    start();
    look(&mut session).expect("the server is back");
    session.commit().expect("it still is");
    assert_eq!((engine.pool().checkedin(), engine.pool().overflow()), (1, overflow));
}
