//! Panics: whoever catches them, and wherever, nothing half-done is committed and nothing half-done goes back to the pool.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // a story that fails is a test that fails

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::time::Duration;

use aludel::clock::Clock;
use aludel::prelude::*;
use aludel::{Error, Event, Phase, RetryPolicy};
use diesel::connection::{Connection as _, InstrumentationEvent};
use diesel::result::DatabaseErrorKind;

use crate::stage::{OutOfSugar, Stage, Staged};

/// Where the panic comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    BetweenStatements,
    InsideTheLoopOverRows,
    WhileARowIsRead,
    OnTheRawConnection,
    InDieselsTransaction,
}

/// Who catches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caught {
    /// Whoever is in the innermost closure.
    Inside,
    /// The outer closure, around `begin_nested`.
    Between,
    /// The caller of `begin`.
    Outside,
}

const PLACES: [Place; 5] = [
    Place::BetweenStatements,
    Place::InsideTheLoopOverRows,
    Place::WhileARowIsRead,
    Place::OnTheRawConnection,
    Place::InDieselsTransaction,
];

impl Place {
    fn panics<C: Staged>(self, session: &mut Session<C>) {
        match self {
            Self::BetweenStatements => panic_any(OutOfSugar),
            Self::InsideTheLoopOverRows => C::each_owner(session, &mut |_| panic_any(OutOfSugar)),
            Self::WhileARowIsRead => C::fragile(session).map(drop),
            Self::OnTheRawConnection => {
                session
                    .with_raw(|_| -> aludel::Result<()> { panic_any(OutOfSugar) })
                    .expect("it panics");
                Ok(())
            }
            Self::InDieselsTransaction => C::diesels_transaction(session, |_| panic_any(OutOfSugar)),
        }
        .expect("it panics before it can fail");
    }

    /// Whether a call to the driver is cut short, or a level of its own is left.
    fn is_noticed_by_itself(self) -> bool {
        self != Self::BetweenStatements
    }

    /// Whether a ROLLBACK is enough.
    fn is_idle(self) -> bool {
        matches!(self, Self::BetweenStatements | Self::InDieselsTransaction)
    }
}

/// The payload goes on unchanged.
#[track_caller]
fn caught<T>(f: impl FnOnce() -> T) {
    let payload = catch_unwind(AssertUnwindSafe(f)).err().expect("it panics");
    let payload = payload.downcast::<OutOfSugar>().expect("the payload goes on unchanged");
    assert_eq!(*payload, OutOfSugar);
}

/// Nobody knows what was interrupted, so nothing more is sent.
#[track_caller]
fn not_forgotten<T: std::fmt::Debug>(answer: Result<T, impl Into<Error>>) {
    let refused = answer.unwrap_err().into();
    assert!(
        refused.is_doomed() && refused.to_string().contains("a panic interrupted"),
        "{refused}"
    );
}

/// One panic; answers what `begin` did, where it came back.
fn tell<C: Staged>(stage: &Stage<C>, place: Place, by: Caught) -> Option<aludel::Result<()>> {
    let mut answer = None;
    let run = || {
        stage.engine.begin(|session| {
            C::withdraw(session, 1, 100)?;
            let nest = |session: &mut Session<C>| {
                session.begin_nested(|nested| {
                    C::withdraw(nested, 1, 10)?;
                    match by {
                        Caught::Inside => caught(|| place.panics(nested)),
                        Caught::Between | Caught::Outside => place.panics(nested),
                    }
                    Ok(())
                })
            };
            match by {
                Caught::Between => {
                    caught(|| nest(session));
                    not_forgotten(C::withdraw(session, 1, 1));
                }
                Caught::Inside => drop(nest(session)),
                Caught::Outside => nest(session)?,
            }
            Ok(())
        })
    };
    match by {
        Caught::Outside => caught(run),
        Caught::Inside | Caught::Between => answer = Some(run()),
    }
    answer
}

/// Every place, every catcher, and both ways of dealing with the connection.
///
/// # Errors
///
/// None that the story expects.
pub fn a_panic_anywhere_caught_at_any_level<C: Staged>() -> aludel::Result<()> {
    for on_exit in [OnExit::Invalidate, OnExit::RollbackIfIdle] {
        let stage = Stage::<C>::open_with("panics", |builder| builder.on_exit(on_exit));
        let mut expected = vec![500, 0];
        for place in PLACES {
            for by in [Caught::Inside, Caught::Between, Caught::Outside] {
                let case = format!("{place:?}, caught {by:?}, {on_exit:?}");
                let closed = stage.engine.pool().closed();
                let answer = tell(&stage, place, by);
                let survived = by == Caught::Inside && !place.is_noticed_by_itself();
                match answer {
                    Some(Ok(())) => {
                        assert!(survived, "{case}");
                        expected[0] -= 110;
                    }
                    Some(Err(error)) => {
                        assert!(
                            !survived && error.is_doomed() && !error.is_retryable(),
                            "{case}: {error}"
                        );
                        assert!(error.to_string().contains("a panic interrupted"), "{case}: {error}");
                    }
                    None => assert_eq!(by, Caught::Outside, "{case}"),
                }
                let kept = survived || (on_exit == OnExit::RollbackIfIdle && place.is_idle());
                assert_eq!(
                    stage.engine.pool().closed() - closed,
                    u64::from(!kept),
                    "{case}: {:?}",
                    stage.log
                );
                assert_eq!(stage.balances(), expected, "{case}");
                stage.assert_whole();
                assert_eq!(stage.times("retire"), 0, "{case}");
                let log = stage.log.take();
                if (place, by, on_exit) == (Place::BetweenStatements, Caught::Outside, OnExit::Invalidate) {
                    assert_eq!(
                        log,
                        ["begin", "savepoint 1", "invalidate", "doomed", "rollback"],
                        "{case}"
                    );
                }
            }
        }
    }
    Ok(())
}

/// A session without a scope: its drop finds the panic.
///
/// # Errors
///
/// None that the story expects.
pub fn a_panic_with_a_session_as_you_go<C: Staged>() -> aludel::Result<()> {
    for on_exit in [OnExit::Invalidate, OnExit::RollbackIfIdle] {
        let stage = Stage::<C>::open_with("as_you_go", |builder| builder.on_exit(on_exit));
        for place in PLACES {
            let closed = stage.engine.pool().closed();
            caught(|| {
                let mut session = stage.engine.session();
                C::withdraw(&mut session, 1, 100).expect("there is enough");
                place.panics(&mut session);
            });
            let kept = on_exit == OnExit::RollbackIfIdle && place.is_idle();
            assert_eq!(
                stage.engine.pool().closed() - closed,
                u64::from(!kept),
                "{place:?}, {on_exit:?}"
            );
            assert_eq!(stage.balances(), [500, 0], "{place:?}, {on_exit:?}");
            stage.assert_whole();
        }
    }
    Ok(())
}

/// A session as you go that outlives the panic refuses what comes next, until it was told that it cannot commit.
///
/// # Errors
///
/// None that the story expects.
pub fn a_panic_as_you_go_that_is_caught_is_not_forgotten<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("as_you_go_caught");
    let mut session = stage.engine.session();
    for place in PLACES {
        let closed = stage.engine.pool().closed();
        C::withdraw(&mut session, 1, 100)?;
        caught(|| place.panics(&mut session));
        if place.is_noticed_by_itself() {
            not_forgotten(C::withdraw(&mut session, 1, 1));
            not_forgotten(session.commit());
            C::withdraw(&mut session, 1, 1)?; // on another connection
        }
        session.rollback()?;
        assert_eq!(
            stage.engine.pool().closed() - closed,
            u64::from(place.is_noticed_by_itself()),
            "{place:?}"
        );
        assert_eq!(stage.balances(), [500, 0], "{place:?}");
    }
    drop(session);
    assert_eq!((stage.times("commit"), stage.times("retire")), (0, 0));
    stage.assert_whole();
    Ok(())
}

/// Diesel's `transaction()` with nothing around it, which begins a root.
///
/// # Errors
///
/// None that the story expects.
pub fn a_panic_in_diesels_outermost_transaction_rolls_back<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("diesels_outermost");
    let mut session = stage.engine.session();
    caught(|| {
        C::diesels_transaction(&mut session, |session| -> diesel::QueryResult<()> {
            C::withdraw(session, 1, 100)?;
            panic_any(OutOfSugar)
        })
    });
    assert!(!session.in_transaction());
    drop(session);
    assert_eq!((stage.balances(), stage.times("commit")), (vec![500, 0], 0));
    assert_eq!((stage.times("invalidate"), stage.times("retire")), (1, 0));
    stage.assert_whole();
    Ok(())
}

/// Where nothing is open, nothing can be half-done.
///
/// # Errors
///
/// None that the story expects.
pub fn a_panic_with_nothing_open_costs_no_connection<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("nothing_open");
    caught(|| {
        let mut session = stage.engine.session();
        C::withdraw(&mut session, 1, 100).expect("there is enough");
        session.commit().expect("nothing is in its way");
        panic_any(OutOfSugar)
    });
    assert_eq!((stage.times("invalidate"), stage.engine.pool().checkedin()), (0, 1));
    assert_eq!(stage.balances(), [400, 0]);
    stage.assert_whole();
    Ok(())
}

/// A retry does not run it again, and its session goes on with another connection.
///
/// # Errors
///
/// None that the story expects.
pub fn a_panic_in_a_retry_is_not_run_again<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("retry");
    let mut session = stage.engine.session();
    for place in PLACES {
        let mut runs = 0;
        caught(|| {
            session.retry(&RetryPolicy::new(), |session| {
                runs += 1;
                C::withdraw(session, 1, 100)?;
                place.panics(session);
                Ok(())
            })
        });
        assert_eq!(runs, 1, "{place:?}");
        assert!(!session.in_transaction());
        assert_eq!(stage.balances(), [500, 0], "{place:?}");
    }
    session.begin(|session| Ok(C::withdraw(session, 1, 1)?))?;
    drop(session);
    assert_eq!(stage.balances(), [499, 0]);
    stage.assert_whole();
    Ok(())
}

/// Those who only look on cannot break what they look at: a listener that panics at each and every event, a `handle_error`
/// hook, and a hook that waits for the commit.
///
/// # Errors
///
/// None that the story expects.
pub fn a_panic_in_a_listener_or_a_hook_changes_nothing<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open_with("onlookers", |builder| {
        builder
            .listen(|event| {
                // Not while a connection is made: that is the pool's own story.
                if !matches!(event, Event::FirstConnect { .. } | Event::Connect { .. }) {
                    panic_any(OutOfSugar);
                }
            })
            .listen_statements(|_| panic_any(OutOfSugar))
            .handle_error(|_| panic_any(OutOfSugar))
    });
    stage.engine.begin(|session| {
        session.on_commit(|| panic_any(OutOfSugar));
        C::withdraw(session, 1, 100)?;
        let refused = session.begin_nested(|nested| Ok(C::withdraw(nested, 2, 1)?));
        assert!(!refused.unwrap_err().is_retryable());
        session.begin_nested(|nested| Ok(C::withdraw(nested, 1, 10)?))?;
        Ok(())
    })?;
    assert_eq!(stage.balances(), [390, 0]);
    let error = stage
        .engine
        .begin(|session| Ok(C::withdraw(session, 2, 1)?))
        .unwrap_err();
    assert!(error.as_diesel().is_some(), "{error:?}");
    let unwell = DatabaseErrorKind::Unknown;
    stage.script.fail_before(Phase::Commit, unwell, "the server is unwell");
    assert!(stage.engine.begin(|session| Ok(C::withdraw(session, 1, 1)?)).is_err());
    stage.log.clear();
    assert_eq!(stage.balances(), [390, 0]);
    stage.assert_whole();
    Ok(())
}

/// Diesel's instrumentation runs in the middle of the driver's call, whatever it is called with.
///
/// # Errors
///
/// None that the story expects.
pub fn a_panic_in_diesels_instrumentation_is_a_call_cut_short<C: Staged>() -> aludel::Result<()> {
    let stage = Stage::<C>::open("instrumentation");
    let mut session = stage.engine.session();
    let armed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let trigger = armed.clone();
    session.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        let query = matches!(event, InstrumentationEvent::StartQuery { .. });
        if query && trigger.swap(false, std::sync::atomic::Ordering::SeqCst) {
            panic_any(OutOfSugar);
        }
    });
    C::withdraw(&mut session, 1, 100)?;
    armed.store(true, std::sync::atomic::Ordering::SeqCst);
    caught(|| C::withdraw(&mut session, 1, 100));
    assert!(Error::from(C::withdraw(&mut session, 1, 1).unwrap_err()).is_doomed());
    assert!(session.commit().unwrap_err().is_doomed());
    session.begin(|session| Ok(C::withdraw(session, 1, 1)?))?;
    drop(session);
    assert_eq!((stage.times("invalidate"), stage.balances()), (1, vec![499, 0]));
    stage.assert_whole();
    Ok(())
}

/// Nobody runs the destructor of a session with a transaction open: its slot stays taken and is named, the engine lives on.
///
/// # Errors
///
/// None that the story expects.
pub fn a_session_that_is_forgotten_keeps_its_slot_and_is_named<C: Staged>() -> aludel::Result<()> {
    let (clock, time) = Clock::test();
    let place = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let heard = place.clone();
    let stage = Stage::<C>::open_with("forgotten", |builder| {
        builder
            .clock(clock)
            .pool_size(2)
            .max_overflow(0)
            .pool_timeout(Duration::ZERO)
            .leak_detection_threshold(Duration::from_mins(1))
            .listen(move |event| {
                if let Event::Leak { holder } = event {
                    *heard.lock().expect("nobody panics here") = holder.to_string();
                }
            })
    });
    let (mut forgotten, line) = (stage.engine.session(), line!());
    // A table that it has looked at would be locked for ever on SQLite.
    C::execute(&mut forgotten, "SELECT 1")?;
    std::mem::forget(forgotten);
    let pool = stage.engine.pool();
    assert_eq!((pool.checkedout(), pool.checkedin()), (1, 0));
    stage.engine.begin(|session| Ok(C::withdraw(session, 1, 100)?))?;
    time.advance(Duration::from_mins(2));
    pool.maintain();
    let named = place.lock().expect("nobody panics here").clone();
    assert!(
        named.contains(&format!("panics.rs:{line}")) && named.contains("transaction"),
        "{named}"
    );
    let held = stage.engine.raw_connection()?;
    let full = stage.engine.raw_connection().unwrap_err();
    assert!(
        full.is_pool_timeout() && full.to_string().contains(&format!("panics.rs:{line}")),
        "{full}"
    );
    drop(held);
    stage.engine.dispose();
    stage.engine.begin(|session| Ok(C::withdraw(session, 1, 100)?))?;
    assert_eq!(stage.balances(), [300, 0]);
    assert_eq!(stage.engine.pool().checkedout(), 1, "it still counts");
    stage.engine.pool().assert_invariants();
    Ok(())
}

/// Every story of this module, on one database.
#[macro_export]
macro_rules! panic_stories {
    ($connection:ty) => {
        $crate::tell!(
            $connection,
            $crate::panics,
            [
                a_panic_anywhere_caught_at_any_level,
                a_panic_with_a_session_as_you_go,
                a_panic_as_you_go_that_is_caught_is_not_forgotten,
                a_panic_in_diesels_outermost_transaction_rolls_back,
                a_panic_with_nothing_open_costs_no_connection,
                a_panic_in_a_retry_is_not_run_again,
                a_panic_in_a_listener_or_a_hook_changes_nothing,
                a_panic_in_diesels_instrumentation_is_a_call_cut_short,
                a_session_that_is_forgotten_keeps_its_slot_and_is_named,
            ]
        );
    };
}
