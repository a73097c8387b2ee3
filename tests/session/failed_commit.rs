//! COMMITs that SQLite refuses, after which it leaves the transaction open.

use aludel::ErrorKind;
use aludel_tests::failed_commit::{Cause, a_failed_commit_leaves_nothing_open};
use aludel_tests::stage::Stage;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

aludel_tests::tell!(
    SqliteConnection,
    aludel_tests::failed_commit,
    [a_commit_that_was_not_heard_leaves_nothing_open]
);

#[test]
fn a_deferred_foreign_key() -> aludel::Result<()> {
    let stage = Stage::<SqliteConnection>::open_with("key", |builder| {
        builder.on_connect(|raw, _| Ok(raw.batch_execute("PRAGMA foreign_keys = ON")?))
    });
    stage
        .outside()
        .batch_execute("CREATE TABLE children (account INTEGER REFERENCES accounts DEFERRABLE INITIALLY DEFERRED)")?;
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

#[test]
fn a_reader_in_the_way() -> aludel::Result<()> {
    let stage = Stage::<SqliteConnection>::open_with("busy", |builder| {
        builder.on_connect(|raw, _| Ok(raw.batch_execute("PRAGMA busy_timeout = 0")?))
    });
    let reader = std::cell::RefCell::new(stage.outside());
    let kind = a_failed_commit_leaves_nothing_open(
        &stage,
        Cause {
            name: "busy",
            spoil: &mut |_| {
                Ok(reader
                    .borrow_mut()
                    .batch_execute("BEGIN; SELECT COUNT(*) FROM accounts")?)
            },
            mend: &mut || reader.borrow_mut().batch_execute("ROLLBACK").expect("it was reading"),
        },
    )?;
    assert_eq!(kind, ErrorKind::Commit);
    Ok(())
}
