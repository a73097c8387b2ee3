//! Isolation levels and access modes: `IsolationLevelTest` and `ConnectionCharacteristicTest`. The characteristic that
//! SQLAlchemy's users add by themselves is here the access mode, which every backend has.

use aludel::ErrorKind;
use aludel::prelude::*;

use super::{Stage, insert, look};

/// The stories of this module as tests on the stages that a function makes.
#[macro_export]
macro_rules! isolation_cases {
    ($stage:path) => {
        $crate::stories_as_tests! { $stage, isolation:
            engine_param_stays
            default_level
            reset_level_with_setting
            per_connection
            per_engine
            per_option_engine
            isolation_level_accessors_connection_default
            isolation_level_accessors_connection_option_modified
            characteristic_engine_param_stays
            characteristic_default_level
            characteristic_exception_in_transaction
            characteristic_per_engine
            characteristic_per_option_engine
        }
    };
}

/// A level that no database has unless it is asked for.
const OTHER: IsolationLevel = IsolationLevel::ReadUncommitted;
const OTHERWISE: ExecutionOptions = ExecutionOptions::new().isolation_level(OTHER);

/// What a transaction on this engine says that it has.
fn level<C: Dialect>(engine: &Engine<C>) -> aludel::Result<IsolationLevel> {
    engine.begin(|session| {
        look(session)?;
        session.isolation_level()
    })
}

/// What the database has by itself.
fn usual<C: Dialect>(stage: &Stage<C>) -> aludel::Result<IsolationLevel> {
    let level = level(&stage.engine)?;
    assert_ne!(level, OTHER);
    assert_eq!(stage.engine.default_isolation_level(), Some(level));
    Ok(level)
}

pub fn engine_param_stays<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let usual = usual(stage)?;
    let engine = stage.engine_with(|builder| builder.isolation_level(OTHER));
    let (mut one, mut two) = (engine.connect(), engine.connect());
    for connection in [&mut one, &mut two] {
        look(connection)?;
        assert_eq!(connection.isolation_level()?, OTHER, "on each of its connections");
    }
    drop((one, two));
    assert_eq!(level(&engine)?, OTHER, "and on those that come back");
    engine.dispose();
    assert_eq!(level(&engine)?, OTHER);
    assert_eq!(level(&stage.engine)?, usual, "another engine has none of it");
    Ok(())
}

pub fn default_level<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let usual = usual(stage)?;
    let mut connection = stage.engine.connect();
    assert_eq!(connection.isolation_level()?, usual);
    assert!(!connection.in_transaction(), "a question begins nothing");
    let engine = stage.engine_with(|builder| builder.isolation_level(OTHER));
    assert_eq!(engine.default_isolation_level(), None, "nobody has asked yet");
    look(&mut engine.session())?;
    assert_eq!(
        engine.default_isolation_level(),
        Some(usual),
        "what it was before the engine's own"
    );
    Ok(())
}

/// What a connection has asked for goes with it; the next borrower has the engine's own, not the database's.
pub fn reset_level_with_setting<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let usual = usual(stage)?;
    let engine = stage.engine_with(|builder| builder.isolation_level(OTHER).pool_size(1).max_overflow(0));
    let mut connection = engine.connect();
    connection.execution_options(ExecutionOptions::new().isolation_level(usual))?;
    look(&mut connection)?;
    assert_eq!(connection.isolation_level()?, usual);
    drop(connection);
    assert_eq!(level(&engine)?, OTHER);
    assert_eq!(engine.pool().opened(), 1, "it was the same connection");
    Ok(())
}

/// An option holds for its connection alone and outlives an invalidated raw one; it cannot change in a transaction.
pub fn per_connection<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let usual = usual(stage)?;
    let (mut one, mut two) = (stage.engine.connect(), stage.engine.connect());
    one.execution_options(OTHERWISE)?;
    for (connection, expected) in [(&mut one, OTHER), (&mut two, usual)] {
        look(connection)?;
        assert_eq!(connection.isolation_level()?, expected);
    }
    let refused = two
        .execution_options(OTHERWISE)
        .map(|_| ())
        .expect_err("a transaction is open");
    assert_eq!(refused.kind(), ErrorKind::Misuse, "{refused}");
    one.invalidate("for the test");
    one.rollback()?;
    look(&mut one)?;
    assert_eq!(one.isolation_level()?, OTHER);
    drop((one, two));
    for _ in 0..2 {
        assert_eq!(level(&stage.engine)?, usual);
    }
    Ok(())
}

pub fn per_engine<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let engine = stage.engine_with(|builder| builder.execution_options(OTHERWISE));
    assert_eq!(level(&engine)?, OTHER);
    assert_ne!(level(&stage.engine)?, OTHER);
    Ok(())
}

/// A sub-engine has options of its own, and the pool of its engine.
pub fn per_option_engine<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let usual = usual(stage)?;
    let sub = stage.engine.execution_options(OTHERWISE)?;
    let opened = stage.engine.pool().opened();
    for _ in 0..2 {
        assert_eq!(level(&sub)?, OTHER);
        assert_eq!(level(&stage.engine)?, usual);
    }
    assert_eq!(stage.engine.pool().opened(), opened);
    Ok(())
}

pub fn isolation_level_accessors_connection_default<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let usual = usual(stage)?;
    let mut connection = stage.engine.connect();
    assert_eq!(connection.isolation_level()?, usual);
    look(&mut connection)?;
    assert_eq!(connection.isolation_level()?, usual);
    Ok(())
}

pub fn isolation_level_accessors_connection_option_modified<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let usual = usual(stage)?;
    let mut connection = stage.engine.connect();
    connection.execution_options(OTHERWISE)?;
    assert_eq!(connection.isolation_level()?, OTHER);
    look(&mut connection)?;
    assert_eq!(connection.isolation_level()?, OTHER);
    assert_eq!(
        stage.engine.default_isolation_level(),
        Some(usual),
        "that stays what it is"
    );
    Ok(())
}

const READ_ONLY: ExecutionOptions = ExecutionOptions::new().read_only();

/// Whether a transaction on this engine may write, by trying.
fn writes<C: Dialect>(engine: &Engine<C>, id: i32) -> bool {
    engine.begin(|session| insert(session, id)).is_ok()
}

pub fn characteristic_engine_param_stays<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let engine = stage.engine_with(|builder| builder.access_mode(AccessMode::ReadOnly));
    for _ in 0..2 {
        assert_eq!(engine.connect().access_mode()?, AccessMode::ReadOnly);
        assert!(!writes(&engine, 1));
        engine.dispose();
    }
    assert!(writes(&stage.engine, 1));
    Ok(())
}

pub fn characteristic_default_level<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    assert_eq!(stage.engine.connect().access_mode()?, AccessMode::ReadWrite);
    assert!(writes(&stage.engine, 1));
    Ok(())
}

/// An error in a transaction that has a characteristic of its own leaves nothing of it behind.
pub fn characteristic_exception_in_transaction<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let engine = stage.engine_with(|builder| builder.pool_size(1).max_overflow(0));
    let mut connection = engine.connect();
    connection.execution_options(READ_ONLY)?;
    let error = connection
        .begin(|connection| insert(connection, 1))
        .expect_err("it may only read");
    assert!(!error.is_retryable(), "{error}");
    look(&mut connection)?;
    let refused = connection
        .execution_options(ExecutionOptions::new().read_write())
        .map(|_| ());
    assert_eq!(refused.expect_err("a transaction is open").kind(), ErrorKind::Misuse);
    drop(connection);
    assert!(writes(&engine, 1));
    assert_eq!(engine.pool().opened(), 1, "on the same connection");
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

pub fn characteristic_per_engine<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let engine = stage.engine_with(|builder| builder.execution_options(READ_ONLY));
    assert_eq!(engine.session().access_mode()?, AccessMode::ReadOnly);
    assert!(!writes(&engine, 1) && writes(&stage.engine, 1));
    Ok(())
}

pub fn characteristic_per_option_engine<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let sub = stage.engine.execution_options(READ_ONLY)?;
    for id in [1, 2] {
        assert!(!writes(&sub, id) && writes(&stage.engine, id));
    }
    let inner = sub.execution_options(ExecutionOptions::new().read_write())?;
    assert!(writes(&inner, 3), "the inner one's word counts");
    assert_eq!(stage.rows(), [1, 2, 3]);
    Ok(())
}
