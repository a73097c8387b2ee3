//! How many ROLLBACKs the end of a transaction and the return of its connection cost: `ResetAgentTest`, counted as sent.
//!
//! SQLAlchemy's counts have one more wherever a transaction had ended before its connection came back, since its pool
//! resets what it cannot know to be clean.

use std::panic::{AssertUnwindSafe, catch_unwind};

use aludel::prelude::*;
use aludel::{Error, Exit};

use super::{Stage, insert};

/// The stories of this module as tests on the stages that a function makes.
#[macro_export]
macro_rules! reset_cases {
    ($stage:path) => {
        $crate::stories_as_tests! { $stage, reset:
            begin_close
            begin_rollback
            begin_commit
            trans_close
            reset_agent_no_conn_transaction
            begin_nested_trans_close_one
            begin_nested_trans_rollback
            begin_nested_close
            begin_begin_nested_rollback_rollback
        }
    };
}

/// The story is told, its connection comes back, and that many ROLLBACKs and ROLLBACKs to a savepoint were sent.
#[track_caller]
fn count<C: Dialect>(stage: &Stage<C>, expected: (usize, usize)) {
    assert_eq!(stage.rollbacks(), expected);
    stage.assert_whole();
}

pub fn begin_close<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    connection.close()?;
    drop(connection);
    count(stage, (1, 0));
    Ok(())
}

pub fn begin_rollback<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    connection.rollback()?;
    connection.close()?;
    drop(connection);
    count(stage, (1, 0)); // two in SQLAlchemy
    Ok(())
}

pub fn begin_commit<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    connection.commit()?;
    connection.close()?;
    drop(connection);
    count(stage, (0, 0)); // one in SQLAlchemy
    assert_eq!(stage.rows(), [1]);
    Ok(())
}

/// A transaction is closed by the end of its scope.
pub fn trans_close<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    let failed = connection.begin(|connection| {
        insert(connection, 1)?;
        Err::<(), _>(Error::other("no"))
    });
    assert!(failed.is_err());
    drop(connection);
    count(stage, (1, 0)); // two in SQLAlchemy
    Ok(())
}

pub fn reset_agent_no_conn_transaction<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    connection.isolation_level()?; // connects, and begins nothing
    assert_eq!(stage.engine.pool().checkedout(), 1);
    drop(connection);
    count(stage, (0, 0)); // one in SQLAlchemy
    Ok(())
}

/// An exit closes the connection: nothing has to be rolled back on the way, neither to the savepoint nor at all.
pub fn begin_nested_trans_close_one<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    let left = connection.begin(|connection| {
        insert(connection, 1)?;
        connection.begin_nested(|nested| {
            insert(nested, 2)?;
            Err::<(), _>(Exit::new("shutting down").into())
        })
    });
    assert!(left.expect_err("it leaves").is_exit());
    drop(connection);
    count(stage, (0, 0)); // one in SQLAlchemy
    assert_eq!(stage.rows(), []);
    Ok(())
}

pub fn begin_nested_trans_rollback<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    connection.begin_nested(|nested| insert(nested, 2))?;
    connection.rollback()?;
    drop(connection);
    count(stage, (1, 0)); // two in SQLAlchemy
    Ok(())
}

/// A panic in a savepoint is the one way to leave it with neither a RELEASE nor a ROLLBACK TO.
pub fn begin_nested_close<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let mut connection = stage.engine.connect();
        insert(&mut connection, 1)?;
        connection.begin_nested(|nested| -> aludel::Result<()> {
            insert(nested, 2)?;
            panic!("the roof is on fire")
        })
    }));
    assert!(panic.is_err());
    count(stage, (0, 0)); // one in SQLAlchemy; here the connection is closed
    assert_eq!(stage.rows(), []);
    Ok(())
}

pub fn begin_begin_nested_rollback_rollback<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let mut connection = stage.engine.connect();
    insert(&mut connection, 1)?;
    let failed = connection.begin_nested(|nested| {
        insert(nested, 2)?;
        Err::<(), _>(Error::other("no"))
    });
    assert!(failed.is_err());
    connection.rollback()?;
    drop(connection);
    count(stage, (1, 1)); // two and one in SQLAlchemy
    Ok(())
}
