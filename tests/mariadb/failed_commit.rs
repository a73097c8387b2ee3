//! COMMITs that MariaDB refuses, or does not answer.

use aludel::prelude::*;
use aludel::{ErrorKind, Phase};
use aludel_tests::failed_commit::{Cause, a_failed_commit_leaves_nothing_open};
use aludel_tests::mariadb;
use aludel_tests::stage::Stage;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

aludel_tests::tell!(
    MysqlConnection,
    aludel_tests::failed_commit,
    [a_commit_that_was_not_heard_leaves_nothing_open]
);

#[test]
fn a_connection_that_is_killed_before_it_is_sent() -> aludel::Result<()> {
    let stage = Stage::<MysqlConnection>::open("killed");
    let kind = a_failed_commit_leaves_nothing_open(
        &stage,
        Cause {
            name: "killed",
            spoil: &mut |session| {
                let id = session.backend_id()?.expect("MariaDB has one");
                let kill = move || mariadb::server().kill(u64::try_from(id).expect("it is not negative"));
                stage.script.call_before(Phase::Commit, kill);
                Ok(())
            },
            mend: &mut || (),
        },
    )?;
    assert_eq!(kind, ErrorKind::CommitUnknown);
    Ok(())
}

/// A server that is told to refuse writes lets a transaction run up to its COMMIT, and waits there for a lock of the whole
/// server's.
#[test]
fn a_server_that_takes_no_writes() -> aludel::Result<()> {
    let server = mariadb::private();
    let database = server.database("refuses");
    // The user of the tests may write whatever the server has been told.
    server.execute(&format!(
        "CREATE USER plain@'127.0.0.1' IDENTIFIED BY 'plain'; GRANT ALL ON `{}`.* TO plain@'127.0.0.1'",
        database.name()
    ));
    let url = format!("mysql://plain:plain@127.0.0.1:{}/{}", server.port(), database.name());
    let stage = Stage::<MysqlConnection>::at(&url, |builder| {
        builder.on_connect(|raw, _| Ok(raw.batch_execute("SET lock_wait_timeout = 1")?))
    });
    let mut admin = server.connect();
    let admin = std::cell::RefCell::new(&mut admin);
    let say = |sql: &str| admin.borrow_mut().batch_execute(sql).expect("root may");
    for (name, close, open) in [
        ("read lock", "FLUSH TABLES WITH READ LOCK", "UNLOCK TABLES"),
        ("read only", "SET GLOBAL read_only = ON", "SET GLOBAL read_only = OFF"),
    ] {
        let kind = a_failed_commit_leaves_nothing_open(
            &stage,
            Cause {
                name,
                spoil: &mut |_| {
                    // At the very end: what comes before must still be let through.
                    say(close);
                    Ok(())
                },
                mend: &mut || say(open),
            },
        )?;
        assert_eq!(kind, ErrorKind::Commit, "{name}");
    }
    Ok(())
}

/// There is a limit for the prepared statements of all clients together, and any of them can reach it.
#[test]
fn a_server_that_prepares_no_more_statements_commits_and_rolls_back() -> aludel::Result<()> {
    let server = mariadb::private();
    let database = server.database("prepares_no_more");
    let mut admin = MysqlConnection::establish(database.url()).expect("the server is there");
    admin.batch_execute("CREATE TABLE t (a INT)")?;
    let engine = Engine::<MysqlConnection>::new(database.url())?;
    engine.begin(|session| {
        session.batch_execute("INSERT INTO t VALUES (1)")?;
        Ok(admin.batch_execute("SET GLOBAL max_prepared_stmt_count = 0")?)
    })?;
    let mut session = engine.session();
    session.begin_nested(|nested| Ok(nested.batch_execute("INSERT INTO t VALUES (2)")?))?;
    session.rollback()?;
    admin.batch_execute("SET GLOBAL max_prepared_stmt_count = 1000")?;
    let rows: i64 = diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(
        "(SELECT COUNT(*) FROM t)",
    ))
    .get_result(&mut admin)?;
    assert_eq!(rows, 1);
    Ok(())
}
