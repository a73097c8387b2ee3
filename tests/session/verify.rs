//! A COMMIT on `SQLite` whose answer never comes.

use aludel::prelude::*;
use aludel::verify::Resolution;
use aludel::{CommitPolicy, Phase, RetryPolicy};
use aludel_tests::sqlite::{self, TempDatabase};
use aludel_tests::verify::{self, Scene, ask};
use aludel_tests::{fork, verify_stories};
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;

use crate::stories::{Account, Bank, withdraw};

pub(crate) struct File(
    Scene<SqliteConnection>,
    #[expect(dead_code, reason = "it goes with the scene")] TempDatabase,
);

impl std::ops::Deref for File {
    type Target = Scene<SqliteConnection>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

pub(crate) fn scene(_: &str) -> File {
    let file = sqlite::file();
    File(Scene::set(file.url(), ask), file)
}

verify_stories!(scene);

#[test]
fn another_process_finds_out() {
    let file = sqlite::file();
    let note = || verify::note_of_a_crash(file.url());
    fork::stage(another_process_finds_out, note, |note| {
        verify::another_process_finds_out::<SqliteConnection>(note, ask);
    });
}

#[test]
fn objects_follow_what_was_found_out() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    let policy = RetryPolicy::new().commit(CommitPolicy::Verify);
    bank.script
        .fail_after(Phase::Commit, DatabaseErrorKind::ClosedConnection, "gone");
    let cid = session.retry(&policy, |session| Ok(session.add(Account::new("Cid", 7))))?;
    assert_eq!(session[cid].balance, 7, "as after any commit");

    bank.script
        .fail_before(Phase::Commit, DatabaseErrorKind::ClosedConnection, "gone");
    let mut runs = 0;
    let dora = session.retry(&policy, |session| {
        runs += 1;
        Ok(session.add(Account::new("Dora", runs)))
    })?;
    assert_eq!(session[dora].balance, 2, "that of the first run has left");
    assert_eq!(bank.balances(), [500, 0, 7, 2]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn an_attempt_that_was_not_committed_counts() {
    let bank = Bank::open();
    let policy = RetryPolicy::new().attempts(2).commit(CommitPolicy::Verify);
    let error = bank
        .engine
        .session()
        .retry(&policy, |session| {
            bank.script
                .fail_before(Phase::Commit, DatabaseErrorKind::ClosedConnection, "gone");
            withdraw(session, 1, 100)
        })
        .expect_err("both were cut");
    assert!(!error.is_commit_unknown() && error.is_retryable(), "{error}");
    assert_eq!(error.attempts(), Some(2));
    assert!(
        error
            .to_string()
            .starts_with("COMMIT failed: gone [rolled back, nothing was written]"),
        "{error}"
    );
    assert_eq!(bank.balances(), [500, 0]);
    bank.assert_whole();
}

#[test]
fn a_database_in_memory_has_its_tokens_too() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    // There is no other connection on which a table could be made.
    let error = session.begin(Session::commit_token).unwrap_err();
    assert!(error.to_string().contains("engine.create_commit_table()"), "{error}");
    engine.create_commit_table()?;
    let token = session.begin(Session::commit_token)?;
    assert_eq!(
        engine.resolve(&token, std::time::Duration::ZERO)?,
        Resolution::Committed
    );
    Ok(())
}

#[test]
fn a_mock_sees_the_token_being_written() -> aludel::Result<()> {
    let log = aludel_tests::EventLog::new();
    let told = log.clone();
    let engine = Engine::<aludel::mock::Mock<diesel::sqlite::Sqlite>>::mock(move |statement| {
        told.push(statement.sql());
        Ok(1)
    });
    let mut session = engine.session();
    let policy = RetryPolicy::new().commit(CommitPolicy::Verify);
    session.retry(&policy, |session| {
        Ok(diesel::sql_query("INSERT INTO charges VALUES (1)").execute(session)?)
    })?;
    log.expect(&[
        "BEGIN",
        "INSERT INTO charges VALUES (1)",
        "INSERT INTO aludel_commits (token, outcome, created_at) VALUES (?, 'committed', 0)",
        "COMMIT",
    ]);
    Ok(())
}

#[cfg(feature = "serde")]
#[test]
fn a_token_is_its_text_in_every_format() {
    let text = "1-000102030405060708090a0b0c0d0e0f-00112233aabbccdd-1700000000000000-4711-5--";
    let token: aludel::verify::CommitToken = text.parse().expect("it is one");
    let written = serde_json::to_string(&token).expect("it can be written");
    assert_eq!(written, format!("{text:?}"));
    assert_eq!(
        serde_json::from_str::<aludel::verify::CommitToken>(&written).expect("and read"),
        token
    );
    let error = serde_json::from_str::<aludel::verify::CommitToken>("17").unwrap_err();
    assert!(error.to_string().contains("a commit token as text"), "{error}");
}
