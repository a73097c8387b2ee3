//! What an error costs whose words somebody made up, as a story for any server.

use aludel::classify::{Class, Flavour};
use aludel::clock::Clock;
use aludel::prelude::*;
use aludel::{Dialect, Event, Phase, RetryPolicy};
use diesel::connection::{Connection as _, SimpleConnection};
use diesel::result::DatabaseErrorKind;

use crate::{EventLog, corpus, stories};

/// Attempts of a transaction that always fails.
const ATTEMPTS: u32 = 3;

/// All words of the corpus that a statement could say in a server's place, of one class; none longer than `SIGNAL` takes.
pub fn words(flavour: Flavour, class: Class) -> Vec<String> {
    let mut words: Vec<String> = corpus::lines()
        .into_iter()
        .filter(|line| line.flavour == flavour && line.phase != Phase::Connect)
        .filter(|line| line.verdict_of(&line.text).class == class && said(flavour, &line.text) == class)
        .map(|line| line.text)
        .filter(|text| text.len() <= 128)
        .collect();
    words.sort();
    words.dedup();
    words
}

/// What the words are taken for without a kind.
fn said(flavour: Flavour, text: &str) -> Class {
    let error = diesel::result::Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(text.to_owned()));
    aludel::classify::classify(flavour, Phase::Statement, &error).class
}

/// Each of these statements fails with the words of a lost connection. The connection is asked once, answers, and goes on.
///
/// # Panics
///
/// If more is asked, or anything is closed.
#[track_caller]
pub fn a_forged_disconnect_costs_a_probe<C>(url: &str, statements: &[String])
where
    C: Dialect,
    Session<C>: SimpleConnection,
{
    let log = EventLog::new();
    let engine = Engine::<C>::builder(url).build().expect("a good URL");
    let mut session = engine.session();
    session.set_instrumentation(stories::statements(&log));
    for sql in statements {
        session.batch_execute("SELECT 1").expect("it lives");
        log.take();
        let error = session.batch_execute(sql).expect_err(sql);
        let sent = log.take();
        assert!(
            sent.len() <= 2 && sent[0] == *sql,
            "{sql} says {error}, and costs {sent:?}"
        );
        session.rollback().expect("it can be rolled back");
    }
    drop(session);
    let pool = engine.pool();
    assert_eq!((pool.generation(), pool.closed(), pool.opened()), (0, 0, 1));
}

/// Each of these statements fails with the words of a conflict. The transaction runs as often as it may, and no more; the
/// connection is not replaced.
///
/// # Panics
///
/// If it is not so.
#[track_caller]
pub fn a_forged_conflict_costs_its_attempts<C>(url: &str, statements: &[String])
where
    C: Dialect,
    Session<C>: SimpleConnection,
{
    let log = EventLog::new();
    let reruns = log.clone();
    let engine = Engine::<C>::builder(url)
        .clock(Clock::test().0) // it turns itself in a pause
        .listen(move |event| {
            if let Event::Rerun { attempt, class, .. } = event {
                reruns.push(format!("{attempt} after {class}"));
            }
        })
        .build()
        .expect("a good URL");
    let policy = RetryPolicy::new().attempts(ATTEMPTS);
    let mut session = engine.session();
    for sql in statements {
        let mut runs = 0;
        session
            .retry(&policy, |session| {
                runs += 1;
                Ok(session.batch_execute(sql)?)
            })
            .expect_err(sql);
        assert_eq!(runs, ATTEMPTS, "{sql}");
        log.expect(&["2 after retry", "3 after retry"]);
    }
    drop(session);
    assert_eq!((engine.pool().generation(), engine.pool().opened()), (0, 1));
}
