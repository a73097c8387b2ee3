//! Statements that commit their transaction by the way: told, or refused where the engine is told to.

use aludel::prelude::*;
use aludel::{Error, ExecutionOptions, Outcome};
use aludel_tests::capture::Capture;
use aludel_tests::stage::{Stage, Staged as _};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

/// What commits, by its own text.
const BY_TEXT: [&str; 6] = [
    "CREATE TABLE extra (a INT)",
    "ALTER TABLE extra ADD b INT",
    "TRUNCATE TABLE extra",
    "ANALYZE TABLE extra",
    "LOCK TABLES accounts WRITE, extra WRITE",
    "FLUSH TABLES",
];

#[test]
fn a_definition_goes_on_with_an_event() -> aludel::Result<()> {
    let stage = Stage::<MysqlConnection>::open("told");
    for (sql, as_batch) in [("CREATE TABLE one (a INT)", true), ("CREATE TABLE two (a INT)", false)] {
        stage.log.clear();
        let answer = stage.engine.begin(|session| -> aludel::Result<()> {
            MysqlConnection::withdraw(session, 1, 10)?;
            if as_batch {
                session.batch_execute(sql)?;
            } else {
                diesel::sql_query(sql).execute(session)?;
            }
            MysqlConnection::withdraw(session, 1, 1)?;
            Err(Error::other("no"))
        });
        assert_eq!(answer.unwrap_err().outcome(), Some(Outcome::Committed));
        stage.log.expect(&["begin", "implicit commit", "rollback"]);
    }
    assert_eq!(stage.balances(), [480, 0], "what came before each of them is written");
    stage.assert_whole();
    Ok(())
}

/// A procedure, a prepared statement, a compound statement: what they do does not stand in their text.
#[test]
fn what_commits_in_secret_is_asked_about() -> aludel::Result<()> {
    let stage = Stage::<MysqlConnection>::open("secret");
    stage.outside().batch_execute("CREATE PROCEDURE p() COMMIT")?;
    let mut expected = 500;
    for sql in ["CALL p()", "EXECUTE IMMEDIATE 'COMMIT'", "IF 1 THEN CALL p(); END IF"] {
        stage.log.clear();
        let answer = stage.engine.begin(|session| -> aludel::Result<()> {
            MysqlConnection::withdraw(session, 1, 10)?;
            session.batch_execute(sql)?;
            MysqlConnection::withdraw(session, 1, 1)?;
            Err(Error::other("no"))
        });
        assert_eq!(answer.unwrap_err().outcome(), Some(Outcome::Committed), "{sql}");
        expected -= 10;
        assert_eq!(stage.balances(), [expected, 0], "{sql}");
        stage.log.expect(&["begin", "implicit commit", "rollback"]);
    }
    // With its rows, by the other call.
    let answer = stage.engine.begin(|session| {
        MysqlConnection::withdraw(session, 1, 10)?;
        let rows = diesel::sql_query("ANALYZE TABLE accounts").load::<Told>(session)?;
        assert_eq!(rows.len(), 1);
        MysqlConnection::withdraw(session, 1, 1)?;
        Ok(())
    });
    let error = answer.unwrap_err();
    assert!(error.is_doomed(), "{error}");
    assert_eq!(
        (error.outcome(), stage.balances()),
        (Some(Outcome::Committed), vec![expected - 10, 0])
    );
    assert_eq!(stage.times("implicit commit"), 1);
    stage.assert_whole();
    Ok(())
}

/// MariaDB commits before it looks whether it can do what it was told, so most definitions that fail have committed, too.
#[test]
fn what_fails_after_it_has_committed_is_told_to_have_committed() -> aludel::Result<()> {
    let stage = Stage::<MysqlConnection>::open("failed");
    stage.outside().batch_execute(
        "CREATE PROCEDURE p() BEGIN COMMIT; INSERT INTO accounts SELECT * FROM accounts; END; \
         CREATE TABLE twins (a INT); INSERT INTO twins VALUES (1), (1)",
    )?;
    let mut expected = 500;
    for sql in [
        "CREATE TABLE accounts (a INT)",            // 1050
        "ALTER TABLE nowhere ADD b INT",            // 1146
        "ALTER TABLE twins ADD UNIQUE (a)",         // 1062
        "ALTER TABLE accounts ADD UNIQUE (nobody)", // 1072
        "CALL p()",                                 // 1062
    ] {
        for (as_text, how) in [(true, as_batch as How), (false, as_statement), (false, as_query)] {
            stage.log.clear();
            let mut still_open = None;
            let answer = stage.engine.begin(|session| -> aludel::Result<()> {
                MysqlConnection::withdraw(session, 1, 10)?;
                how(session, sql).unwrap_err(); // swallowed
                // What is refused already when it is prepared has committed nothing.
                still_open = Some(stage.balances() == [expected, 0]);
                MysqlConnection::withdraw(session, 1, 1)?; // would be committed by itself
                Ok(())
            });
            let still_open = still_open.expect("the first withdrawal is a plain one");
            assert!(!(still_open && as_text), "{sql}");
            expected -= if still_open { 11 } else { 10 };
            assert_eq!(stage.balances(), [expected, 0], "{sql}");
            let outcome = answer.err().map(|error| (error.is_doomed(), error.outcome()));
            let lost = (true, Some(Outcome::Committed));
            assert_eq!(outcome, (!still_open).then_some(lost), "{sql}");
            assert_eq!(stage.times("implicit commit"), usize::from(!still_open), "{sql}");
        }
    }
    stage.assert_whole();
    Ok(())
}

/// A lock that is taken makes whoever waits for it in a transaction run again, save where half of that is committed.
#[test]
fn a_definition_that_found_a_lock_is_not_run_again_with_what_it_has_committed() -> aludel::Result<()> {
    let stage = Stage::<MysqlConnection>::open("locked");
    let mut reader = stage.outside();
    reader.batch_execute("BEGIN; SELECT * FROM accounts")?;
    let mut session = stage.engine.session();
    let mut attempts = 0;
    let answer = session.retry(&aludel::RetryPolicy::new(), |session| {
        attempts += 1;
        MysqlConnection::withdraw(session, 1, 10)?;
        Ok(session.batch_execute("ALTER TABLE accounts NOWAIT ADD extra INT")?) // 1205
    });
    let error = answer.unwrap_err();
    assert_eq!((attempts, stage.balances()), (1, vec![490, 0]), "{error}");
    assert_eq!(error.outcome(), Some(Outcome::Committed), "{error}");
    stage.assert_whole();
    Ok(())
}

type How = fn(&mut Session<MysqlConnection>, &str) -> QueryResult<()>;

fn as_batch(session: &mut Session<MysqlConnection>, sql: &str) -> QueryResult<()> {
    session.batch_execute(sql)
}

fn as_statement(session: &mut Session<MysqlConnection>, sql: &str) -> QueryResult<()> {
    diesel::sql_query(sql).execute(session).map(drop)
}

fn as_query(session: &mut Session<MysqlConnection>, sql: &str) -> QueryResult<()> {
    diesel::sql_query(sql).load::<Told>(session).map(drop)
}

#[derive(QueryableByName)]
struct Told {
    #[diesel(sql_type = diesel::sql_types::Text, column_name = "Msg_type")]
    _kind: String,
}

#[test]
fn an_engine_that_is_told_so_refuses_what_would_commit() -> aludel::Result<()> {
    let stage = Stage::<MysqlConnection>::open_with("refuses", |builder| builder.refuse_implicit_commits(true));
    let mut session = stage.engine.session();
    session.begin(|session| {
        MysqlConnection::withdraw(session, 1, 10)?;
        for sql in BY_TEXT {
            for error in [
                session.batch_execute(sql),
                diesel::sql_query(sql).execute(session).map(drop),
            ] {
                let text = error.unwrap_err().to_string();
                assert!(
                    text.contains("refuse_implicit_commits") && text.contains("nothing was sent"),
                    "{sql}: {text}"
                );
            }
        }
        assert!(
            diesel::sql_query("ANALYZE TABLE accounts")
                .load::<Told>(session)
                .is_err()
        );
        MysqlConnection::withdraw(session, 1, 1)?;
        Ok(())
    })?;
    assert_eq!((stage.balances(), stage.times("implicit commit")), (vec![489, 0], 0));
    // What only looks like it is sent.
    session.begin(|session| {
        session.batch_execute("CREATE TEMPORARY TABLE passing (a INT)")?;
        session.batch_execute("DROP TEMPORARY TABLE passing; ANALYZE SELECT 1")?;
        Ok(())
    })?;
    // In AUTOCOMMIT there is nothing to commit by the way.
    session.execution_options(ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit))?;
    for sql in BY_TEXT {
        session.batch_execute(sql)?;
    }
    session.batch_execute("UNLOCK TABLES; DROP TABLE extra")?;
    drop(session);
    stage.assert_whole();
    Ok(())
}

#[test]
fn a_warning_says_so() -> aludel::Result<()> {
    let stage = Stage::<MysqlConnection>::open("warned");
    let capture = Capture::new(tracing::Level::WARN);
    capture.during(|| {
        stage
            .engine
            .begin(|session| Ok(session.batch_execute("CREATE TABLE one (a INT)")?))
    })?;
    let warning = "The transaction was committed by a statement in it, and what came before cannot be rolled back: \
                   CREATE TABLE one (a INT)";
    let lines = capture.lines("aludel.session");
    assert!(lines.iter().any(|line| line.contains(warning)), "{lines:?}");
    Ok(())
}
