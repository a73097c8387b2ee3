//! Connecting, and failing to (facts D10, D11; and r2d2's half a minute).

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aludel::clock::Clock;
use aludel::prelude::*;
use aludel::{ErrorKind, RetryPolicy};
use aludel_tests::{mariadb, ports};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::stories::Bank;

#[test]
fn connection_refused_answers_at_once_with_its_cause() -> aludel::Result<()> {
    let (clock, time) = Clock::test();
    let url = format!("mysql://app:secret@127.0.0.1:{}/bank", ports::free());
    let engine = Engine::<MysqlConnection>::builder(&url).clock(clock).build()?;
    // The test clock does not move, so an answer that waited for the pool's timeout would never come.
    let error = engine.begin(|_| Ok(())).expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert_eq!(error.outcome(), Some(aludel::Outcome::NotBegun));
    let text = error.to_string();
    assert!(text.contains("Can't connect") && !text.contains("secret"), "{text}");
    assert!(error.is_retryable());
    assert_eq!(time.slept(), []);

    // #[retry] waits for the host until its deadline, without using up attempts.
    let policy = RetryPolicy::new().attempts(2).deadline(Duration::from_secs(2));
    engine.session().retry(&policy, |_| Ok(())).expect_err("nobody comes");
    assert!(time.slept().len() > 10 && time.slept().iter().sum::<Duration>() < Duration::from_secs(2));
    engine.pool().assert_invariants();
    Ok(())
}

#[test]
fn a_wrong_password_is_final_and_not_shown() -> aludel::Result<()> {
    let bank = Bank::open("password");
    let url = format!("mysql://nobody:hunter2@127.0.0.1:{}/x", bank.server.port());
    let (clock, time) = Clock::test();
    let engine = Engine::<MysqlConnection>::builder(&url).clock(clock).build()?;
    let error = engine
        .session()
        .retry(&RetryPolicy::new(), |_| Ok(()))
        .expect_err("there is no such user");
    assert!(
        error.to_string().contains("Access denied") && !error.is_retryable(),
        "{error}"
    );
    assert_eq!(time.slept(), []);
    for text in [
        error.to_string(),
        format!("{error:?}"),
        format!("{engine:?}"),
        engine.url().to_string(),
    ] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    Ok(())
}

#[test]
fn tls_that_was_asked_for_is_proved_or_refused() -> aludel::Result<()> {
    // libmariadb takes ssl_mode=required and connects in the clear; the test's server has no certificate.
    let bank = Bank::open("tls");
    let engine = Engine::<MysqlConnection>::new(bank.database.url_with("ssl_mode", "required"))?;
    let error = engine.raw_connection().expect_err("it is not encrypted").to_string();
    assert!(error.contains("not encrypted"), "{error}");
    let engine = Engine::<MysqlConnection>::new(bank.database.url_with("ssl_mode", "preferred"))?;
    drop(engine.raw_connection()?);
    Ok(())
}

#[test]
fn the_connect_timeout_reaches_the_client_library() -> aludel::Result<()> {
    let bank = Bank::open("connect_timeout");
    let engine = Engine::<MysqlConnection>::new(bank.database.url_with("connect_timeout", "5"))?;
    engine.begin(|session| Ok(session.batch_execute("SELECT 1")?))?;
    let error = Engine::<MysqlConnection>::new(bank.database.url_with("conect_timeout", "5")).expect_err("a typo");
    assert!(error.to_string().contains("`conect_timeout`") && error.to_string().contains("connect_timeout (seconds)"));
    Ok(())
}

#[test]
fn messages_are_english_whatever_the_server_speaks() -> aludel::Result<()> {
    let server = mariadb::private();
    server.execute("SET GLOBAL lc_messages = 'de_DE'");
    let database = server.database("german");
    let mut plain = MysqlConnection::establish(database.url()).expect("the server runs");
    let german = diesel::sql_query("SELECT * FROM missing")
        .execute(&mut plain)
        .expect_err("no table")
        .to_string();
    assert!(german.contains("existiert nicht"), "{german}");
    let engine = Engine::<MysqlConnection>::new(database.url())?;
    let english = engine.begin(|session| Ok(diesel::sql_query("SELECT * FROM missing").execute(session)?));
    assert!(english.expect_err("no table").to_string().contains("doesn't exist"));
    Ok(())
}

#[test]
fn a_first_connect_hook_that_connects_to_a_server_does_not_wait_for_itself() -> aludel::Result<()> {
    // Both connections are made on helper threads, and the second one for the hook of the first.
    let bank = Bank::open("first_connect");
    let own = Arc::new(OnceLock::<Engine<MysqlConnection>>::new());
    let inner = Arc::clone(&own);
    let engine = Engine::<MysqlConnection>::builder(bank.database.url())
        .on_first_connect(move |_, _| {
            let another = inner.get().expect("it was built").raw_connection()?;
            assert_eq!(another.id(), 1);
            Ok(())
        })
        .build()?;
    own.set(engine.clone()).expect("it is set once");
    assert_eq!(engine.raw_connection()?.id(), 2);
    engine.pool().assert_invariants();
    Ok(())
}
