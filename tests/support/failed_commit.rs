//! A COMMIT that fails, for whatever reason: its transaction is ended on the server, or the connection is closed, and what is
//! said of its outcome is so.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // a story that fails is a test that fails

use aludel::prelude::*;
use aludel::{Error, ErrorKind, Outcome, Phase};
use diesel::connection::SimpleConnection as _;
use diesel::result::DatabaseErrorKind;

use crate::stage::{Stage, Staged};

/// How a transaction comes to its COMMIT.
#[derive(Clone, Copy, Debug)]
enum Way {
    Scope,
    AsYouGo,
    DieselsTransaction,
    RawSql,
}

const WAYS: [Way; 4] = [Way::Scope, Way::AsYouGo, Way::DieselsTransaction, Way::RawSql];

/// What a COMMIT fails of.
pub struct Cause<'a, C: Dialect> {
    /// For the report.
    pub name: &'a str,
    /// Done in the transaction, as its last part.
    pub spoil: &'a mut dyn FnMut(&mut Session<C>) -> aludel::Result<()>,
    /// Done once COMMIT has failed, so that the next one may succeed.
    pub mend: &'a mut dyn FnMut(),
}

impl<C: Dialect> std::fmt::Debug for Cause<'_, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cause({})", self.name)
    }
}

impl<C: Staged> Cause<'_, C> {
    fn run(&mut self, way: Way, session: &mut Session<C>) -> aludel::Result<()> {
        let mut inside = |session: &mut Session<C>| -> aludel::Result<()> {
            C::withdraw(session, 1, 1)?;
            (self.spoil)(session)
        };
        match way {
            Way::Scope => session.begin(inside),
            Way::AsYouGo => {
                inside(session)?;
                session.commit()
            }
            Way::DieselsTransaction => Ok(C::diesels_transaction(session, |session| Ok(inside(session)?))?),
            Way::RawSql => {
                session.batch_execute("BEGIN")?;
                inside(session)?;
                Ok(session.batch_execute("COMMIT")?)
            }
        }
    }
}

/// One cause, by every way to a COMMIT. Answers the kind of error that came of it.
///
/// # Errors
///
/// None that the story expects.
///
/// # Panics
///
/// When something is left behind, or what was said of the outcome is not so.
pub fn a_failed_commit_leaves_nothing_open<C: Staged>(
    stage: &Stage<C>,
    mut cause: Cause<'_, C>,
) -> aludel::Result<ErrorKind> {
    let mut kind = ErrorKind::Commit;
    for way in WAYS {
        let case = format!("{}, {way:?}", cause.name);
        let before = stage.balances()[0];
        let mut session = stage.engine.session();
        let answer = cause.run(way, &mut session);
        (cause.mend)();
        let error: Error = answer.err().unwrap_or_else(|| panic!("{case}: it was committed"));
        assert!(!session.in_transaction(), "{case}: {error}");
        kind = error.kind();
        match kind {
            ErrorKind::Commit => {
                assert_eq!(error.outcome(), Some(Outcome::RolledBack), "{case}: {error}");
                assert_eq!(stage.balances()[0], before, "{case}: {error}");
            }
            ErrorKind::CommitUnknown => {
                assert_eq!(error.outcome(), Some(Outcome::Unknown), "{case}: {error}");
                assert!([before, before - 1].contains(&stage.balances()[0]), "{case}");
            }
            _ => panic!("{case}: {error:?}"),
        }
        // Somebody else may have the row, while the session still lives: its locks are gone.
        stage
            .outside()
            .batch_execute("UPDATE accounts SET balance = balance - 1 WHERE id = 1")?;
        // And the session goes on.
        session.begin(|session| Ok(C::withdraw(session, 1, 1)?))?;
        drop(session);
        stage.assert_whole();
    }
    Ok(kind)
}

/// A COMMIT that never reaches the server, whatever its error says: the server still has the transaction open.
///
/// # Errors
///
/// None that the story expects.
pub fn a_commit_that_was_not_heard_leaves_nothing_open<C: Staged>() -> aludel::Result<()> {
    use DatabaseErrorKind::{ClosedConnection, SerializationFailure, UniqueViolation, Unknown};
    let stage = Stage::<C>::open("not_heard");
    for (kind, text) in [
        (Unknown, "the server is unwell"),
        (Unknown, ""),
        (Unknown, "database is locked"),
        (
            Unknown,
            "Deadlock found when trying to get lock; try restarting transaction",
        ),
        (Unknown, "Lock wait timeout exceeded; try restarting transaction"),
        (Unknown, "Query execution was interrupted"),
        (Unknown, "Got error 1 \"Operation not permitted\" during COMMIT"),
        (Unknown, "Lost connection to server during query"),
        (Unknown, "terminating connection due to administrator command"),
        (Unknown, "canceling statement due to statement timeout"),
        (
            Unknown,
            "current transaction is aborted, commands ignored until end of transaction block",
        ),
        (Unknown, "cannot execute UPDATE in a read-only transaction"),
        (
            SerializationFailure,
            "could not serialize access due to concurrent update",
        ),
        (UniqueViolation, "duplicate key value violates unique constraint \"a\""),
        (ClosedConnection, "server closed the connection unexpectedly"),
    ] {
        a_failed_commit_leaves_nothing_open(
            &stage,
            Cause {
                name: text,
                spoil: &mut |_| {
                    stage.script.fail_before(Phase::Commit, kind, text);
                    Ok(())
                },
                mend: &mut || (),
            },
        )?;
    }
    Ok(())
}
