//! COMMITs that PostgreSQL refuses, or does not answer.

use aludel::{ErrorKind, IsolationLevel};
use aludel_tests::failed_commit::{Cause, a_failed_commit_leaves_nothing_open};
use aludel_tests::stage::Stage;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

aludel_tests::tell!(
    PgConnection,
    aludel_tests::failed_commit,
    [a_commit_that_was_not_heard_leaves_nothing_open]
);

#[test]
fn a_deferred_constraint() -> aludel::Result<()> {
    let stage = Stage::<PgConnection>::open("constraint");
    let children = "CREATE TABLE children (account INTEGER REFERENCES accounts DEFERRABLE INITIALLY DEFERRED)";
    stage.outside().batch_execute(children)?;
    let kind = a_failed_commit_leaves_nothing_open(
        &stage,
        Cause {
            name: "foreign key",
            spoil: &mut |session| Ok(session.batch_execute("INSERT INTO children VALUES (99)")?),
            mend: &mut || (),
        },
    )?;
    assert_eq!(kind, ErrorKind::Commit);
    Ok(())
}

/// Whatever a function says that runs at COMMIT: words that are known, words that lie, and the end of the connection.
#[test]
fn a_deferred_trigger() -> aludel::Result<()> {
    let stage = Stage::<PgConnection>::open("trigger");
    stage.outside().batch_execute(
        "CREATE TABLE wishes (what TEXT); \
         CREATE FUNCTION wish() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF NEW.what = 'die' THEN PERFORM pg_terminate_backend(pg_backend_pid()); \
             ELSE RAISE EXCEPTION '%', NEW.what; END IF; RETURN NULL; END $$; \
         CREATE CONSTRAINT TRIGGER wishes AFTER INSERT ON wishes DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION wish()",
    )?;
    for (what, expected) in [
        // Nobody knows these words, so nobody knows what became of the COMMIT.
        ("no", ErrorKind::CommitUnknown),
        ("deadlock detected", ErrorKind::Commit),
        ("could not serialize access", ErrorKind::Commit),
        ("die", ErrorKind::CommitUnknown),
        ("server closed the connection unexpectedly", ErrorKind::CommitUnknown),
    ] {
        let kind = a_failed_commit_leaves_nothing_open(
            &stage,
            Cause {
                name: what,
                spoil: &mut |session| Ok(session.batch_execute(&format!("INSERT INTO wishes VALUES ('{what}')"))?),
                mend: &mut || (),
            },
        )?;
        assert_eq!(kind, expected, "{what}");
    }
    Ok(())
}

/// Each of two transactions has read what the other one writes: whoever commits last is told so at COMMIT.
#[test]
fn a_serialization_failure() -> aludel::Result<()> {
    let stage =
        Stage::<PgConnection>::open_with("skew", |builder| builder.isolation_level(IsolationLevel::Serializable));
    let other = std::cell::RefCell::new(stage.outside());
    let kind = a_failed_commit_leaves_nothing_open(
        &stage,
        Cause {
            name: "write skew",
            spoil: &mut |session| {
                let skew = "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT SUM(balance) FROM accounts; \
                            INSERT INTO accounts (owner, balance, version) VALUES (gen_random_uuid()::text, 0, 1)";
                session.batch_execute("SELECT SUM(balance) FROM accounts")?;
                let mut other = other.borrow_mut();
                other.batch_execute(skew)?;
                Ok(other.batch_execute("COMMIT")?)
            },
            mend: &mut || (),
        },
    )?;
    assert_eq!(kind, ErrorKind::Commit);
    Ok(())
}
