//! What hooks may do, and what becomes of one that fails (`HandleErrorTest`, `OnConnectTest`, `first_connect`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use aludel::prelude::*;
use aludel::{EngineBuilder, Error, ErrorKind, Phase};
use aludel_tests::capture::Capture;
use aludel_tests::{EventLog, Gate, poll, sqlite};
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;
use tracing::Level;

fn memory() -> EngineBuilder<SqliteConnection> {
    Engine::builder(sqlite::shared()).pool_size(1).max_overflow(0)
}

#[test]
fn handle_error() -> aludel::Result<()> {
    let log = EventLog::new();
    let into = log.clone();
    let engine = memory()
        .handle_error(move |context| {
            into.push(format!(
                "{:?} on {:?}: {} in {}; pre-ping {}",
                context.phase(),
                context.connection(),
                context.message(),
                context.statement().unwrap_or("?"),
                context.is_pre_ping(),
            ));
        })
        .build()?;
    engine
        .begin(|session| Ok(session.batch_execute("SELECT * FROM missing")?))
        .expect_err("there is no such table");
    log.expect(&["Statement on Some(1): no such table: missing in SELECT * FROM missing; pre-ping false"]);
    Ok(())
}

#[test]
fn exception_event_reraise() -> aludel::Result<()> {
    // Handlers chain: each sees what those before it have said, in the order in which they were added.
    let log = EventLog::new();
    let (first, second) = (log.clone(), log.clone());
    let engine = memory()
        .handle_error(move |context| {
            first.push(format!("first sees {}", context.class()));
            context.set_class(Class::Retry);
        })
        .handle_error(move |context| {
            second.push(format!("second sees {}", context.class()));
            context.set_class(Class::Busy);
        })
        .build()?;
    let error = engine
        .begin(|session| Ok(session.batch_execute("SELECT * FROM missing")?))
        .expect_err("there is no such table");
    log.expect(&["first sees permanent", "second sees retry"]);
    assert_eq!(error.class(), Class::Busy);
    Ok(())
}

#[test]
fn a_handle_error_hook_that_panics_is_logged_and_what_it_changed_does_not_count() -> aludel::Result<()> {
    let capture = Capture::new(Level::ERROR);
    let engine = memory()
        .handle_error(|context| context.set_class(Class::Retry))
        .handle_error(|context| {
            context.set_class(Class::Busy);
            panic!("a hook of the user's");
        })
        .build()?;
    let error = capture
        .during(|| engine.begin(|session| Ok(session.batch_execute("SELECT * FROM missing")?)))
        .expect_err("there is no such table");
    assert_eq!(error.class(), Class::Retry);
    assert_eq!(
        capture.lines("aludel.engine"),
        ["ERROR a handle_error hook panicked; what it had changed does not count"]
    );
    engine.pool().assert_invariants();
    Ok(())
}

#[test]
fn exception_event_disable_handlers() -> aludel::Result<()> {
    let calls = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&calls);
    let engine = memory()
        .handle_error(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        })
        .build()?;
    let mut session = engine.session();
    for (skip, seen) in [(false, 1), (true, 1), (false, 2)] {
        session.set_skip_user_error_events(skip);
        session
            .batch_execute("SELECT * FROM missing")
            .expect_err("there is no such table");
        session.rollback()?; // it outlives the transaction
        assert_eq!(calls.load(Ordering::Relaxed), seen, "{skip}");
    }
    Ok(())
}

#[test]
fn alter_disconnect_to_true_and_alter_invalidate_pool_stays_true() -> aludel::Result<()> {
    for (whole_pool, generation) in [(true, 1), (false, 0)] {
        let engine = memory()
            .handle_error(move |context| {
                context.set_class(Class::Disconnect);
                context.set_invalidate_pool_on_disconnect(whole_pool);
            })
            .build()?;
        let error = engine
            .begin(|session| Ok(session.batch_execute("SELECT * FROM missing")?))
            .expect_err("there is no such table");
        assert!(error.is_disconnect(), "{error:?}");
        // The connection is closed either way, the others of its age only where the hook said so.
        assert_eq!((engine.pool().closed(), engine.pool().generation()), (1, generation));
    }
    Ok(())
}

#[test]
fn handle_error_custom_connect() -> aludel::Result<()> {
    // It is called for errors of connecting, and may say what they are.
    let log = EventLog::new();
    let into = log.clone();
    let engine = Engine::<SqliteConnection>::builder("sqlite:///nowhere/at/all/bank.db")
        .handle_error(move |context| {
            into.push(format!("{:?} on {:?}", context.phase(), context.connection()));
            context.set_class(Class::Busy);
        })
        .build()?;
    let error = engine.raw_connection().expect_err("there is no such folder");
    assert_eq!((error.kind(), error.class()), (ErrorKind::Connect, Class::Busy));
    assert!(error.is_retryable());
    log.expect(&["Connect on None"]);
    Ok(())
}

#[test]
fn dont_touch_non_dbapi_exception_on_connect() -> aludel::Result<()> {
    // An error of the user's own hook goes through as it is, and handle_error is not asked about it.
    #[derive(Debug, PartialEq, Eq)]
    struct NotToday;
    impl std::fmt::Display for NotToday {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("not today")
        }
    }
    impl std::error::Error for NotToday {}
    let engine = memory()
        .on_connect(|_, _| Err(Error::other(NotToday)))
        .handle_error(|context| panic!("{:?}", context.phase() == Phase::Connect))
        .build()?;
    let error = engine.raw_connection().expect_err("today");
    assert_eq!(error.downcast_ref::<NotToday>(), Some(&NotToday));
    Ok(())
}

#[test]
fn a_hook_that_panics_costs_the_connection_and_never_the_slot() -> aludel::Result<()> {
    type Builder = fn(EngineBuilder<SqliteConnection>, Arc<AtomicBool>) -> EngineBuilder<SqliteConnection>;
    let hooks: [(&str, Builder); 3] = [
        ("on_connect", |builder, fails| {
            builder.on_connect(move |_, _| {
                assert!(!fails.load(Ordering::Relaxed), "a hook of the user's");
                Ok(())
            })
        }),
        ("on_first_connect", |builder, fails| {
            builder.on_first_connect(move |_, _| {
                assert!(!fails.load(Ordering::Relaxed), "a hook of the user's");
                Ok(())
            })
        }),
        ("on_checkout", |builder, fails| {
            builder.on_checkout(move |_, _| {
                assert!(!fails.load(Ordering::Relaxed), "a hook of the user's");
                Ok(())
            })
        }),
    ];
    for (name, hook) in hooks {
        let fails = Arc::new(AtomicBool::new(true));
        let engine = hook(memory(), Arc::clone(&fails)).build()?;
        // In a thread or in an error of its own: it is up to the pool how the panic comes out.
        let outcome = catch_unwind(AssertUnwindSafe(|| engine.raw_connection().map(drop)));
        assert!(!matches!(outcome, Ok(Ok(()))), "{name}");
        engine.pool().assert_invariants();
        assert_eq!(engine.pool().checkedout(), 0, "{name}");
        fails.store(false, Ordering::Relaxed);
        drop(engine.raw_connection()?);
    }
    Ok(())
}

#[test]
fn first_connect_runs_once_and_before_the_others() -> aludel::Result<()> {
    let log = EventLog::new();
    let (first, each) = (log.clone(), log.clone());
    let engine = memory()
        .on_connect(move |_, _| {
            each.push("connect");
            Ok(())
        })
        .on_first_connect(move |connection, _| {
            first.push("first connect");
            Ok(connection.batch_execute("SELECT 1")?)
        })
        .build()?;
    drop(engine.raw_connection()?);
    engine.dispose();
    drop(engine.raw_connection()?);
    log.expect(&["first connect", "connect", "connect"]);
    Ok(())
}

#[test]
fn first_connect_runs_again_if_it_failed() -> aludel::Result<()> {
    let runs = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&runs);
    let engine = memory()
        .on_first_connect(move |connection, _| match counter.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(connection.batch_execute("no SQL")?),
            _ => Ok(()),
        })
        .build()?;
    engine.raw_connection().expect_err("the hook failed");
    drop(engine.raw_connection()?);
    engine.dispose();
    drop(engine.raw_connection()?);
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    engine.pool().assert_invariants();
    Ok(())
}

#[test]
fn others_wait_while_the_first_connect_runs() -> aludel::Result<()> {
    let file = sqlite::file();
    let (entered, go_on) = (Gate::new("the first hook runs"), Gate::new("the hook may end"));
    let log = EventLog::new();
    let (inside, until, first, second) = (entered.clone(), go_on.clone(), log.clone(), log.clone());
    let engine = Engine::<SqliteConnection>::builder(file.url())
        .on_first_connect(move |_, _| {
            inside.pass();
            until.wait();
            first.push("first connect");
            Ok(())
        })
        .on_connect(move |_, _| {
            second.push("connect");
            Ok(())
        })
        .build()?;
    thread::scope(|threads| {
        let one = threads.spawn(|| engine.raw_connection().map(drop));
        entered.wait();
        let other = threads.spawn(|| engine.raw_connection().map(drop));
        // Both are on their way now; whichever of them may not wait would show before the first hook has ended.
        poll::until("both are connecting", Duration::from_mins(1), || {
            (engine.pool().checkedout() == 2 || other.is_finished()).then_some(())
        });
        log.expect(&[]);
        go_on.pass();
        one.join().expect("no panic")?;
        other.join().expect("no panic")
    })?;
    log.expect(&["first connect", "connect", "connect"]);
    Ok(())
}

#[test]
fn a_first_connect_hook_that_connects_does_not_wait_for_itself() -> aludel::Result<()> {
    let (log, own) = (EventLog::new(), Arc::new(OnceLock::<Engine<SqliteConnection>>::new()));
    let (into, inner) = (log.clone(), Arc::clone(&own));
    let engine = memory()
        .pool_size(2)
        .on_first_connect(move |_, _| {
            into.push("first connect");
            let another = inner.get().expect("it was built").raw_connection()?;
            into.push(format!("connection {}", another.id()));
            Ok(())
        })
        .build()?;
    own.set(engine.clone()).expect("it is set once");
    assert_eq!(engine.raw_connection()?.id(), 2);
    log.expect(&["first connect", "connection 1"]);
    engine.pool().assert_invariants();
    Ok(())
}

#[test]
fn on_checkout_may_refuse_and_its_error_comes_out() -> aludel::Result<()> {
    let engine = memory()
        .on_checkout(|_, info| match info.connection {
            1 => Err(Refuse::Reconnect),
            2 => Ok(()),
            _ => Err(Refuse::Error("three is too many".into())),
        })
        .build()?;
    let second = engine.raw_connection()?;
    assert_eq!(second.id(), 2);
    second.invalidate("spoilt");
    let error = engine.raw_connection().expect_err("it is the third");
    let causes: Vec<String> = std::iter::successors(std::error::Error::source(&error), |error| error.source())
        .map(ToString::to_string)
        .collect();
    assert!(causes.iter().any(|cause| cause == "three is too many"), "{causes:?}");
    engine.pool().assert_invariants();
    Ok(())
}
