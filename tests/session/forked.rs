//! A forked child of a program that has a `SQLite` file open, and what needs no server of forks in general.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use aludel::RetryPolicy;
use aludel::pool::{Adopted, AnyKind, Asker, Idle, Kind};
use aludel::prelude::*;
use aludel_tests::fork::{self, child};
use aludel_tests::forked::{
    Scene, a_child_leaves_its_parents_connections_alone, a_child_of_a_child, a_child_that_just_ends,
    a_fork_in_the_middle_of_a_checkout,
};
use aludel_tests::{EventLog, Gate, Meeting, poll, sqlite};
use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::BigInt;

const SOON: Duration = Duration::from_secs(30);

fn count(connection: &mut SqliteConnection) -> i64 {
    let notes = diesel::select(sql::<BigInt>("(SELECT COUNT(*) FROM notes)"));
    notes.get_result(connection).expect("the table is there")
}

/// Tells a story about a database file that outlives it.
fn stage(test: impl Fn(), story: impl FnOnce(&str)) {
    let file = sqlite::file();
    fork::stage(test, || file.url().to_owned(), story);
}

#[test]
fn a_child_has_connections_of_its_own() {
    stage(a_child_has_connections_of_its_own, |url| {
        a_child_leaves_its_parents_connections_alone(&Scene::set(url, count));
    });
}

#[test]
fn so_has_a_grandchild() {
    stage(so_has_a_grandchild, |url| a_child_of_a_child(&Scene::set(url, count)));
}

#[test]
fn a_child_that_ends_closes_nothing_of_its_parents() {
    stage(a_child_that_ends_closes_nothing_of_its_parents, |url| {
        a_child_that_just_ends(&Scene::set(url, count));
    });
}

/// In the parent a thread tries in vain, and whoever comes later waits for it. A child has no such thread.
#[test]
fn a_child_tries_its_host_by_itself() {
    stage(a_child_tries_its_host_by_itself, |url| {
        let (refusals, tries) = (Arc::new(AtomicU32::new(u32::MAX)), Arc::new(AtomicU32::new(0)));
        let (left, tried) = (Arc::clone(&refusals), Arc::clone(&tries));
        let engine = Engine::<SqliteConnection>::builder(url)
            .on_connect(move |_, _| {
                tried.fetch_add(1, Ordering::Relaxed);
                let fewer = |left: u32| left.checked_sub(1);
                if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_err() {
                    return Ok(());
                }
                let down = Box::new("the server is down".to_owned());
                Err(DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, down).into())
            })
            .build()
            .expect("the options are sound");
        let policy = RetryPolicy::new().deadline(SOON);
        let look = |engine: &Engine<SqliteConnection>| {
            let mut session = engine.session();
            session.retry(&policy, |session| Ok(session.batch_execute("SELECT 1")?))
        };
        let (same, until) = (engine.clone(), policy.deadline(Duration::MAX));
        let prober = thread::spawn(move || same.session().retry(&until, |_| Ok(())));
        poll::until("a thread tries again and again", SOON, || {
            (tries.load(Ordering::Relaxed) > 3).then_some(())
        });
        child(|| {
            refusals.store(2, Ordering::Relaxed);
            look(&engine).expect("the third try gets through");
        })
        .expect_success();
        refusals.store(0, Ordering::Relaxed);
        prober.join().expect("no panic").expect("it gets through");
        look(&engine).expect("the host is there");
    });
}

#[test]
fn a_child_does_not_wait_for_a_thread_that_it_does_not_have() {
    stage(a_child_does_not_wait_for_a_thread_that_it_does_not_have, |url| {
        a_fork_in_the_middle_of_a_checkout(url, count);
    });
}

/// What stops a thread under the pool's lock, once: it says that it is there, and waits.
type Gates = Arc<Mutex<Option<(Gate, Gate)>>>;

/// A kind of pool that is stopped while it looks for a connection.
struct Stopping {
    idle: Vec<Idle<SqliteConnection>>,
    gates: Gates,
}

impl fmt::Debug for Stopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stopping")
    }
}

impl Kind<SqliteConnection> for Stopping {
    fn name(&self) -> &'static str {
        "StoppingPool"
    }

    fn take(&mut self, _: &Asker) -> Option<Idle<SqliteConnection>> {
        let gates = self.gates.lock().expect("nobody panics while it is held").take();
        if let Some((inside, done)) = gates {
            inside.pass();
            done.wait();
        }
        self.idle.pop()
    }

    fn put(&mut self, idle: Idle<SqliteConnection>) -> Result<(), Idle<SqliteConnection>> {
        self.idle.push(idle);
        Ok(())
    }

    fn idle(&self) -> usize {
        self.idle.len()
    }

    fn remove(&mut self, unfit: &mut dyn FnMut(&Idle<SqliteConnection>) -> bool) -> Vec<Idle<SqliteConnection>> {
        self.idle.extract_if(.., |idle| unfit(idle)).collect()
    }

    fn recreate(&self) -> Box<dyn Kind<SqliteConnection>> {
        Box::new(Self {
            idle: Vec::new(),
            gates: Arc::clone(&self.gates),
        })
    }
}

#[test]
fn a_child_does_not_wait_for_a_lock_that_was_held_when_it_was_made() {
    stage(a_child_does_not_wait_for_a_lock_that_was_held_when_it_was_made, |url| {
        let gates = Gates::default();
        let kind = Stopping {
            idle: Vec::new(),
            gates: Arc::clone(&gates),
        };
        let log = EventLog::new();
        let builder = Engine::<SqliteConnection>::builder(url).pool(AnyKind::of(kind));
        let engine = builder
            .listen(log.listener())
            .build()
            .expect("it is a kind like others");
        drop(engine.raw_connection().expect("the file can be made"));
        let (inside, done) = (Gate::new("under the pool's lock"), Gate::new("the child has ended"));
        *gates.lock().unwrap() = Some((inside.clone(), done.clone()));
        thread::scope(|threads| {
            let stopped = threads.spawn(|| engine.raw_connection().map(drop));
            inside.wait();
            child(|| {
                log.take();
                let mut raw = engine.raw_connection().expect("the child has locks of its own");
                raw.batch_execute("SELECT 1").expect("and connections");
                assert_eq!((raw.id(), engine.pool().opened()), (1, 1));
                log.expect(&["forked", "first connect", "connect", "checkout"]);
            })
            .expect_success();
            done.pass();
            stopped.join().expect("no panic").expect("the parent goes on");
        });
        engine.pool().assert_invariants();
    });
}

#[test]
fn a_child_does_not_wait_for_a_first_connect_that_its_parent_began() {
    stage(a_child_does_not_wait_for_a_first_connect_that_its_parent_began, |url| {
        let (inside, done) = (
            Gate::new("the first connection is prepared"),
            Gate::new("the child has ended"),
        );
        let (reached, go_on) = (inside.clone(), done.clone());
        let log = EventLog::new();
        let prepared = log.clone();
        let builder = Engine::<SqliteConnection>::builder(url).on_first_connect(move |_, _| {
            prepared.push("prepared");
            if !reached.is_passed() {
                reached.pass();
                go_on.wait();
            }
            Ok(())
        });
        let engine = builder.build().expect("the URL is a good one");
        thread::scope(|threads| {
            let first = threads.spawn(|| engine.raw_connection().map(drop));
            inside.wait();
            log.take();
            child(|| {
                drop(engine.raw_connection().expect("the child prepares its own"));
                log.expect(&["prepared"]);
            })
            .expect_success();
            done.pass();
            first.join().expect("no panic").expect("the parent goes on");
        });
    });
}

#[test]
fn a_child_does_not_wait_for_reports_that_were_being_written() {
    stage(a_child_does_not_wait_for_reports_that_were_being_written, |url| {
        let engine = Engine::<SqliteConnection>::new(url).expect("the URL is a good one");
        let over = AtomicBool::new(false);
        // A fork while a thread is inside SQLite would copy that library's locks, about which nobody can do anything.
        let open = Meeting::new("all have their connections", 4);
        thread::scope(|threads| {
            // Each of them names the places where connections were taken, again and again.
            for _ in 0..3 {
                threads.spawn(|| {
                    let engine = Engine::<SqliteConnection>::new(url).expect("the URL is a good one");
                    let held = engine.raw_connection().expect("the file can be made");
                    open.meet();
                    while !over.load(Ordering::Relaxed) {
                        assert_eq!(engine.pool().holders().len(), 1);
                    }
                    drop(held);
                });
            }
            open.meet();
            for _ in 0..100 {
                child(|| {
                    let raw = engine
                        .raw_connection()
                        .expect("from a place that was never noted before");
                    assert_eq!(engine.pool().holders().len(), 1);
                    drop(raw);
                })
                .expect_success();
            }
            over.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn time_goes_on_in_a_child() {
    stage(time_goes_on_in_a_child, |url| {
        let builder = Engine::<SqliteConnection>::builder(url).pool_recycle(Duration::from_millis(200));
        let engine = builder.build().expect("the URL is a good one");
        drop(engine.raw_connection().expect("the file can be made"));
        child(|| {
            let first = engine.raw_connection().expect("a new one is made").generation();
            poll::until("the child's connection is too old", SOON, || {
                let raw = engine.raw_connection().expect("there is one");
                (raw.id() > 1).then_some(())
            });
            assert_eq!(first, engine.pool().generation(), "aged, not retired");
        })
        .expect_success();
    });
}

#[test]
fn a_child_is_kept_up_by_a_thread_of_its_own() {
    stage(a_child_is_kept_up_by_a_thread_of_its_own, |url| {
        let builder = Engine::<SqliteConnection>::builder(url).pool_min_idle(2);
        let engine = builder
            .pool_idle_timeout(Duration::from_millis(100)) // so that it looks often
            .build()
            .expect("the options fit together");
        let filled = |whose: &str| {
            drop(engine.raw_connection().expect("there is one"));
            poll::until(&format!("the {whose} pool is filled"), SOON, || {
                (engine.pool().checkedin() >= 2).then_some(())
            });
        };
        filled("parent's");
        child(|| filled("child's")).expect_success();
        engine.pool().assert_invariants();
    });
}

#[test]
fn a_foreign_pool_lends_nothing_in_a_child() {
    stage(a_foreign_pool_lends_nothing_in_a_child, |url| {
        let manager = ConnectionManager::<SqliteConnection>::new(url);
        let theirs = Pool::builder()
            .max_size(1)
            .build(manager)
            .expect("the file can be made");
        let builder = Engine::builder(url).pool(Adopted(theirs));
        let engine = builder.build().expect("the URL is a good one");
        drop(engine.raw_connection().expect("one is idle"));
        child(|| {
            let error = engine.raw_connection().expect_err("it is the parent's");
            assert!(error.to_string().contains("another engine in the child"), "{error}");
        })
        .expect_success();
        drop(engine.raw_connection().expect("the parent goes on"));
    });
}

/// What one process tells the other: a file beside the database.
fn tell(url: &str, what: &str) {
    std::fs::write(beside(url, what), "").expect("the folder can be written");
}

fn wait_until_told(url: &str, what: &str) {
    poll::until(what, SOON, || beside(url, what).exists().then_some(()));
}

fn beside(url: &str, what: &str) -> PathBuf {
    let path = url.strip_prefix("sqlite://").expect("it is a file's");
    PathBuf::from(format!("{path}.{what}"))
}

/// `SQLite` keeps the locks of a process in that process's memory, which a fork copies: in the child its parent's
/// transaction never ends. Whoever forks does so with none open, or disposes of the engine before.
#[test]
fn a_child_may_write_unless_its_parent_was_writing() {
    stage(a_child_may_write_unless_its_parent_was_writing, |url| {
        const INSERT: &str = "INSERT INTO notes VALUES ('a')";
        let engine = Engine::<SqliteConnection>::new(url).expect("the URL is a good one");
        let mut session = engine.session();
        session
            .batch_execute("CREATE TABLE notes (text TEXT)")
            .expect("the file can be made");
        session.commit().expect("nobody else is there");
        child(|| {
            engine
                .begin(|session| Ok(session.batch_execute(INSERT)?))
                .expect("nobody is writing");
        })
        .expect_success();

        session.batch_execute(INSERT).expect("nobody is writing");
        let late = child(|| {
            let mut raw = engine.raw_connection().expect("a new one is made");
            assert!(raw.batch_execute(INSERT).is_err(), "the parent is writing");
            tell(url, "tried");
            wait_until_told(url, "committed");
            let error = raw.batch_execute(INSERT).expect_err("here the parent is writing still");
            assert_eq!(error.to_string(), "database is locked");
            assert_eq!(count(&mut raw), 2);
        });
        wait_until_told(url, "tried");
        session.commit().expect("the child does not hold it up");
        tell(url, "committed");
        late.expect_success();
        engine
            .begin(|session| Ok(session.batch_execute(INSERT)?))
            .expect("the parent goes on");
        assert_eq!(count(&mut engine.raw_connection().expect("it is idle")), 3);
    });
}
