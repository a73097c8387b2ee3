//! What each word of a propagation does in each place: a table, held against the statements that are sent.
//!
//! Every case is played twice, with a session in the hand and with an ambient one, which must send the same.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // a story that fails is a test that fails

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::{Arc, Mutex, PoisonError};

use aludel::plumbing::{Ambient, transactional_ambient};
use aludel::prelude::*;
use aludel::{ErrorKind, Propagation, TransactionPolicy};

use crate::stage::{OutOfSugar, Stage, Staged};

use Ends::{ByPanic, WithErr, WithOk};
use Place::{Autobegun, Autocommit, Explicit, Free, Nested, Written};
use Propagation::{Mandatory, Never, NotSupported, Required, RequiresNew, Supports};

const WORDS: [Propagation; 7] = [
    Required,
    RequiresNew,
    Propagation::Nested,
    Mandatory,
    Never,
    Supports,
    NotSupported,
];

const READ: &str = "SELECT 1";
const WRITE: &str = "UPDATE accounts SET balance = balance + 1 WHERE id = 1";
const BODY: &str = "UPDATE accounts SET balance = balance + 10 WHERE id = 2";

/// Where the function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nothing is open.
    Free,
    /// A transaction has begun by itself and has only read.
    Autobegun,
    /// It has written.
    Written,
    /// Somebody has begun one.
    Explicit,
    /// A savepoint in such a one.
    Nested,
    /// The session is in AUTOCOMMIT.
    Autocommit,
}

const PLACES: [Place; 6] = [Free, Autobegun, Written, Explicit, Nested, Autocommit];

/// How the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    WithOk,
    WithErr,
    ByPanic,
}

/// What runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    InTheHand,
    Ambient,
}

/// What is sent, and what the caller of the function is told; the connections are called A and B, in the order in which they
/// come up.
type Played = (Vec<String>, Result<(), ErrorKind>);

/// The statements of one case.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Vec<(u64, String)>>>);

impl Wire {
    fn listener(&self) -> impl Fn(&Event<'_>) + Send + Sync + use<> + 'static {
        let wire = self.clone();
        move |event| {
            if let Event::Statement { connection, sql, .. } = event {
                let mut lines = wire.0.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push((*connection, (*sql).to_owned()));
            }
        }
    }

    fn take(&self) -> Vec<String> {
        let lines = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut names = BTreeMap::new();
        let mut next = b'A'..;
        lines
            .into_iter()
            .map(|(connection, sql)| {
                let name = *names
                    .entry(connection)
                    .or_insert_with(|| next.next().expect("there are few"));
                format!("{} {}", char::from(name), short(&sql))
            })
            .collect()
    }
}

fn short(sql: &str) -> &str {
    match sql {
        READ => "read",
        WRITE => "write",
        BODY => "body",
        sql => sql,
    }
}

/// The body of the function.
fn body<C: Staged>(session: &mut Session<C>) -> aludel::Result<()> {
    C::execute(session, BODY)?;
    Ok(())
}

fn ended(ends: Ends) -> aludel::Result<()> {
    match ends {
        WithOk => Ok(()),
        WithErr => Err(aludel::Error::other("no")),
        ByPanic => panic_any(OutOfSugar),
    }
}

/// What the function's caller is told; its panic is caught there.
fn told(call: impl FnOnce() -> aludel::Result<()>) -> Result<(), ErrorKind> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => answer.map_err(|error| error.kind()),
        Err(payload) => {
            assert!(payload.is::<OutOfSugar>(), "the payload goes on unchanged");
            Err(ErrorKind::Exit)
        }
    }
}

/// The function, and what it is called in, with a session in the hand.
fn in_the_hand<C: Staged>(
    session: &mut Session<C>,
    place: Place,
    word: Propagation,
    ends: Ends,
) -> Result<(), ErrorKind> {
    let policy = TransactionPolicy::new().propagation(word);
    let call = |session: &mut Session<C>| {
        told(|| {
            session.transactional(&policy, |session| {
                body(session)?;
                ended(ends)
            })
        })
    };
    let read = |session: &mut Session<C>| {
        C::execute(session, READ).expect("it reads");
    };
    let mut answer = Ok(());
    match place {
        Free => answer = call(session),
        Autobegun => {
            read(session);
            answer = call(session);
        }
        Written => {
            C::execute(session, WRITE).expect("Ann is there");
            answer = call(session);
        }
        Autocommit => {
            let options = ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit);
            session.execution_options(options).expect("nothing is open");
            read(session);
            answer = call(session);
        }
        // Whoever began it may be refused at its end.
        Explicit => drop(session.begin(|session| {
            read(session);
            answer = call(session);
            Ok(())
        })),
        Nested => drop(session.begin(|session| {
            read(session);
            drop(session.begin_nested(|session| {
                answer = call(session);
                Ok(())
            }));
            Ok(())
        })),
    }
    answer
}

/// The same, with an ambient one.
fn ambient<C: Staged>(place: Place, word: Propagation, ends: Ends) -> Result<(), ErrorKind> {
    let call = || {
        told(|| {
            transactional_ambient(
                Ambient::innermost(),
                &TransactionPolicy::new().propagation(word),
                "called",
                || {
                    aludel::current(body::<C>)?;
                    ended(ends)
                },
            )
        })
    };
    let session = |f: &dyn Fn(&mut Session<C>) -> aludel::Result<()>| aludel::current(f).expect("nobody has it");
    let read = || session(&|session| Ok(C::execute(session, READ).map(drop)?));
    let begin = |word: Propagation, f: &mut dyn FnMut()| {
        let policy = TransactionPolicy::new().propagation(word);
        // Whoever began it may be refused at its end.
        drop(transactional_ambient(
            Ambient::of::<C>(),
            &policy,
            "around",
            || -> aludel::Result<()> {
                f();
                Ok(())
            },
        ));
    };
    let mut answer = Ok(());
    match place {
        Free => answer = call(),
        Autobegun => {
            read();
            answer = call();
        }
        Written => {
            session(&|session| Ok(C::execute(session, WRITE).map(drop)?));
            answer = call();
        }
        Autocommit => {
            session(&|session| {
                let options = ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit);
                session.execution_options(options).map(drop)
            });
            read();
            answer = call();
        }
        Explicit => begin(Required, &mut || {
            read();
            answer = call();
        }),
        Nested => begin(Required, &mut || {
            read();
            begin(Propagation::Nested, &mut || answer = call());
        }),
    }
    answer
}

/// One case, from a fresh session to its end.
fn play<C: Staged>(
    stage: &Stage<C>,
    wire: &Wire,
    form: Form,
    (place, word, ends): (Place, Propagation, Ends),
) -> Played {
    wire.take();
    let answer = match form {
        Form::InTheHand => in_the_hand(&mut stage.engine.session(), place, word, ends),
        Form::Ambient => stage.engine.scope(|| ambient::<C>(place, word, ends)),
    };
    (wire.take(), answer)
}

fn lines(text: &str) -> Vec<String> {
    let lines = text.split(", ").filter(|line| !line.is_empty());
    lines.map(|line| line.replace("sp_", "SAVEPOINT aludel_sp_")).collect()
}

fn open_with_wire<C: Staged>(name: &str) -> (Stage<C>, Wire) {
    let wire = Wire::default();
    let listener = wire.listener();
    // Whoever gives a connection back and takes one gets the same.
    let stage = Stage::<C>::open_with(name, |builder| builder.pool_use_lifo(true).listen_statements(listener));
    (stage, wire)
}

/// What a function that ends well is expected to do.
fn expected(place: Place, word: Propagation) -> Played {
    let misuse = Err(ErrorKind::Misuse);
    let (text, answer) = match (place, word) {
        (Free, Required | RequiresNew | Propagation::Nested) => ("A BEGIN, A body, A COMMIT", Ok(())),
        (Free, Mandatory) => ("", misuse),
        (Free, Never | Supports | NotSupported) => ("A body", Ok(())),

        (Autobegun, Required | RequiresNew | Propagation::Nested) => {
            ("A BEGIN, A read, A COMMIT, A BEGIN, A body, A COMMIT", Ok(()))
        }
        (Autobegun, Mandatory) => ("A BEGIN, A read, A ROLLBACK", misuse),
        (Autobegun, Never | Supports | NotSupported) => ("A BEGIN, A read, A COMMIT, A body", Ok(())),

        (Written, _) => ("A BEGIN, A write, A ROLLBACK", Err(ErrorKind::TransactionAlreadyOpen)),

        (Explicit, Required | Mandatory | Supports) => ("A BEGIN, A read, A body, A COMMIT", Ok(())),
        (Explicit, RequiresNew) => ("A BEGIN, A read, B BEGIN, B body, B COMMIT, A COMMIT", Ok(())),
        (Explicit, Propagation::Nested) => ("A BEGIN, A read, A sp_1, A body, A RELEASE sp_1, A COMMIT", Ok(())),
        (Explicit, Never) => ("A BEGIN, A read, A COMMIT", misuse),
        (Explicit, NotSupported) => ("A BEGIN, A read, B body, A COMMIT", Ok(())),

        (Nested, Required | Mandatory | Supports) => {
            ("A BEGIN, A read, A sp_1, A body, A RELEASE sp_1, A COMMIT", Ok(()))
        }
        (Nested, RequiresNew) => (
            "A BEGIN, A read, A sp_1, B BEGIN, B body, B COMMIT, A RELEASE sp_1, A COMMIT",
            Ok(()),
        ),
        (Nested, Propagation::Nested) => (
            "A BEGIN, A read, A sp_1, A sp_2, A body, A RELEASE sp_2, A RELEASE sp_1, A COMMIT",
            Ok(()),
        ),
        (Nested, Never) => ("A BEGIN, A read, A sp_1, A RELEASE sp_1, A COMMIT", misuse),
        (Nested, NotSupported) => ("A BEGIN, A read, A sp_1, B body, A RELEASE sp_1, A COMMIT", Ok(())),

        (Autocommit, Required | RequiresNew | Propagation::Nested | Mandatory) => ("A read", misuse),
        (Autocommit, Never | Supports | NotSupported) => ("A read, A body", Ok(())),
    };
    (lines(text), answer)
}

/// Seven words in six places.
///
/// # Errors
///
/// None that the story expects.
pub fn each_word_in_each_place<C: Staged>() -> aludel::Result<()> {
    let (stage, wire) = open_with_wire::<C>("propagation");
    let mut balances = vec![500, 0];
    for form in [Form::InTheHand, Form::Ambient] {
        for place in PLACES {
            for word in WORDS {
                let case = format!("{word:?}, {place:?}, {form:?}");
                let expected = expected(place, word);
                assert_eq!(play(&stage, &wire, form, (place, word, WithOk)), expected, "{case}");
                if expected.1.is_ok() {
                    balances[1] += 10;
                }
                assert_eq!(stage.balances(), balances, "{case}");
                stage.assert_whole();
            }
        }
    }
    Ok(())
}

/// What a function that fails, or panics, is expected to do, and whether what it has written stays.
fn expected_of_a_failure(place: Place, word: Propagation, ends: Ends) -> (&'static str, bool) {
    match (place, word, ends) {
        (Free, Required | RequiresNew | Propagation::Nested, WithErr) => ("A BEGIN, A body, A ROLLBACK", false),
        // Who was interrupted is closed and not told.
        (Free, Required | RequiresNew | Propagation::Nested, _) => ("A BEGIN, A body", false),
        (Free, _, _) => ("A body", true),

        // A part that failed half-way is not committed by an owner who does not look.
        (_, Required | Mandatory | Supports, WithErr) => ("A BEGIN, A read, A body, A ROLLBACK", false),
        (_, Required | Mandatory | Supports, _) => ("A BEGIN, A read, A body", false),
        (_, RequiresNew, WithErr) => ("A BEGIN, A read, B BEGIN, B body, B ROLLBACK, A COMMIT", false),
        (_, RequiresNew, _) => ("A BEGIN, A read, B BEGIN, B body, A COMMIT", false),
        (_, Propagation::Nested, WithErr) => (
            "A BEGIN, A read, A sp_1, A body, A ROLLBACK TO sp_1, A RELEASE sp_1, A COMMIT",
            false,
        ),
        (_, Propagation::Nested, _) => ("A BEGIN, A read, A sp_1, A body", false),
        (_, NotSupported | Never, _) => ("A BEGIN, A read, B body, A COMMIT", true),
    }
}

/// An error and a panic in the function, alone and inside a transaction whose owner survives them.
///
/// # Errors
///
/// None that the story expects.
pub fn a_word_whose_function_fails<C: Staged>() -> aludel::Result<()> {
    let (stage, wire) = open_with_wire::<C>("propagation_fails");
    let mut balances = vec![500, 0];
    for form in [Form::InTheHand, Form::Ambient] {
        for ends in [WithErr, ByPanic] {
            for place in [Free, Explicit] {
                for word in WORDS {
                    let told = match ends {
                        ByPanic => ErrorKind::Exit,
                        WithOk | WithErr => ErrorKind::Other,
                    };
                    // What is refused is in the other table.
                    if [(Free, Mandatory), (Explicit, Never)].contains(&(place, word)) {
                        continue;
                    }
                    let case = format!("{word:?}, {place:?}, {ends:?}, {form:?}");
                    let (text, stays) = expected_of_a_failure(place, word, ends);
                    let closed = stage.engine.pool().closed();
                    let played = play(&stage, &wire, form, (place, word, ends));
                    assert_eq!(played, (lines(text), Err(told)), "{case}");
                    // Whoever panics costs the connection that it had.
                    let closed = stage.engine.pool().closed() - closed;
                    assert_eq!(closed, u64::from(ends == ByPanic), "{case}");
                    balances[1] += if stays { 10 } else { 0 };
                    assert_eq!(stage.balances(), balances, "{case}");
                    stage.assert_whole();
                }
            }
        }
    }
    Ok(())
}

/// A session that was in AUTOCOMMIT for a function's sake is afterwards what it was before, whichever way that is left.
///
/// # Errors
///
/// None that the story expects.
pub fn autocommit_ends_with_its_function<C: Staged>() -> aludel::Result<()> {
    let (stage, wire) = open_with_wire::<C>("propagation_autocommit");
    for word in [Never, Supports, NotSupported] {
        for ends in [WithOk, WithErr, ByPanic] {
            let mut session = stage.engine.session();
            let _ = in_the_hand(&mut session, Free, word, ends);
            wire.take();
            session.begin(body)?;
            assert_eq!(wire.take(), lines("A BEGIN, A body, A COMMIT"), "{word:?}, {ends:?}");
            C::execute(&mut session, READ)?;
            assert!(session.in_transaction(), "{word:?}, {ends:?}");
            session.rollback()?;

            // Nor is what the user has said of his session touched.
            session.execution_options(ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit))?;
            let _ = in_the_hand(&mut session, Autocommit, word, ends);
            assert_eq!(
                session.begin(body).unwrap_err().kind(),
                ErrorKind::Misuse,
                "{word:?}, {ends:?}"
            );
        }
    }
    stage.assert_whole();
    Ok(())
}

/// What is called from a function in AUTOCOMMIT may begin a transaction of its own, a real one.
///
/// # Errors
///
/// None that the story expects.
pub fn a_transaction_inside_of_autocommit<C: Staged>() -> aludel::Result<()> {
    let (stage, wire) = open_with_wire::<C>("propagation_inside");
    let supports = TransactionPolicy::new().propagation(Supports);
    let mut session = stage.engine.session();
    session.transactional(&supports, |session| {
        body(session)?;
        let refused: aludel::Result<()> = session.transactional(&TransactionPolicy::new(), |session| {
            body(session)?;
            Err(aludel::Error::other("no"))
        });
        assert_eq!(refused.unwrap_err().outcome(), Some(aludel::Outcome::RolledBack));
        session.retry(&aludel::RetryPolicy::new(), body)?;
        assert!(!session.in_transaction());
        let refused = session.begin_nested(|_| Ok(())).unwrap_err();
        assert!(
            refused.to_string().contains("begin_nested was called in AUTOCOMMIT"),
            "{refused}"
        );
        body(session)
    })?;
    let expected = "A body, A BEGIN, A body, A ROLLBACK, A BEGIN, A body, A COMMIT, A body";
    assert_eq!(wire.take(), lines(expected));
    assert_eq!(stage.balances(), [500, 30]);
    drop(session);
    stage.assert_whole();
    Ok(())
}

/// Every story of this module, on one database.
#[macro_export]
macro_rules! propagation_stories {
    ($connection:ty) => {
        $crate::tell!(
            $connection,
            $crate::propagation,
            [
                each_word_in_each_place,
                a_word_whose_function_fails,
                autocommit_ends_with_its_function,
                a_transaction_inside_of_autocommit,
            ]
        );
    };
}
