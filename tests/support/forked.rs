//! What a pool and its sessions do in a forked child: one story, told on each database. They are told on a
//! [stage](crate::fork::stage).

use std::thread;

use aludel::prelude::*;
use aludel::{Dialect, EngineBuilder, ExecutionOptions};
use diesel::connection::SimpleConnection as _;

use crate::fork::child;
use crate::{EventLog, Gate};

/// The table that the stories write into.
pub const SCHEMA: &str = "CREATE TABLE notes (text VARCHAR(40) NOT NULL)";

/// How many notes others can see.
pub type Count<C> = fn(&mut C) -> i64;

/// A database as a story sees it.
pub struct Scene<C: Dialect> {
    engine: Engine<C>,
    log: EventLog,
    count: Count<C>,
}

impl<C: Dialect> std::fmt::Debug for Scene<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scene({:?})", self.engine)
    }
}

/// A connection that was idle and one with a transaction, as the process has them that made them.
struct Inherited<C: Dialect> {
    idle: Option<i64>,
    session: Option<Session<C>>,
    open: Option<i64>,
}

impl<C: Dialect + 'static> Scene<C> {
    /// On an empty database. An engine of its own makes the table, so that the story's has connected to nothing yet.
    ///
    /// # Panics
    ///
    /// If it is not.
    pub fn set(url: &str, count: Count<C>) -> Self {
        let scene = Self::set_with(url, count, |builder| builder);
        let engine = Engine::<C>::new(url).expect("the URL is a good one");
        engine
            .begin(|session| Ok(session.batch_execute(SCHEMA)?))
            .expect("the database is empty");
        scene
    }

    fn set_with(url: &str, count: Count<C>, options: impl FnOnce(EngineBuilder<C>) -> EngineBuilder<C>) -> Self {
        let log = EventLog::new();
        let builder = Engine::<C>::builder(url).listen(log.listener());
        let engine = options(builder).build().expect("the URL is a good one");
        Self { engine, log, count }
    }

    fn times(&self, line: &str) -> usize {
        self.log.snapshot().iter().filter(|event| *event == line).count()
    }

    /// What others see, on a connection that is idle before and after.
    #[track_caller]
    fn notes(&self) -> i64 {
        (self.count)(&mut self.engine.raw_connection().expect("the database is there"))
    }

    /// The server's number of the connection that is handed out next.
    #[track_caller]
    fn next_backend(&self) -> Option<i64> {
        let mut raw = self.engine.raw_connection().expect("the database is there");
        raw.backend_id().expect("it answers")
    }

    /// One connection in a transaction that has written, one idle.
    #[track_caller]
    fn prepare(&self) -> Inherited<C> {
        let mut session = self.engine.session();
        session
            .batch_execute("INSERT INTO notes VALUES ('begun')")
            .expect("it is there");
        let open = session.backend_id().expect("it answers");
        let idle = self.next_backend();
        assert_eq!(
            (self.engine.pool().checkedin(), self.engine.pool().checkedout()),
            (1, 1)
        );
        Inherited {
            idle,
            session: Some(session),
            open,
        }
    }

    /// A child finds nothing of what its parent has, may drop all that it inherited, and goes on with connections of its
    /// own.
    #[track_caller]
    fn live_as_a_child(&self, inherited: &mut Inherited<C>) {
        self.log.take();
        let mut session = inherited.session.take().expect("it was inherited");
        let refused = session.batch_execute("INSERT INTO notes VALUES ('child')");
        let text = refused.expect_err("the transaction is the parent's").to_string();
        assert!(text.contains("belongs to the parent"), "{text}");
        let refused = session.commit().expect_err("nobody commits for the parent");
        assert!(
            refused.is_doomed() && refused.to_string().contains("belongs to the parent"),
            "{refused}"
        );
        // Ended by that, it can be used for something of the child's own.
        session
            .batch_execute("SELECT 1")
            .expect("on a connection of the child's");
        if let Some(own) = session.backend_id().expect("it answers") {
            assert_ne!(Some(own), inherited.open, "not the parent's");
        }
        session.rollback().expect("it is the child's");
        drop(session);
        assert_eq!(self.times("forked"), 1, "{:?}", self.log);

        let mut raw = self.engine.raw_connection().expect("a new one is made");
        raw.batch_execute("SELECT 1").expect("and answers");
        if let Some(own) = raw.backend_id().expect("it answers") {
            assert!(
                ![inherited.idle, inherited.open].contains(&Some(own)),
                "a connection of the parent's"
            );
        }
        drop(raw);
        let status = self.engine.pool().status();
        assert_eq!(
            (status.opened, status.closed, status.checked_in),
            (1, 0, 1),
            "counted anew"
        );
        self.engine.dispose();
        assert_eq!(self.engine.pool().closed(), 1, "its own, and no other");
        drop(self.engine.raw_connection().expect("usable after that"));
        self.engine.pool().abandon();
        assert_eq!(self.engine.pool().opened(), 0);
        drop(self.engine.raw_connection().expect("and after that"));
        self.engine.pool().assert_invariants();
    }

    /// The transaction commits, and both connections are the ones that they were.
    #[track_caller]
    fn go_on_as_a_parent(&self, inherited: &mut Inherited<C>) {
        let opened = self.engine.pool().opened();
        let mut session = inherited.session.take().expect("it is still there");
        assert_eq!(session.backend_id().expect("it answers"), inherited.open);
        session
            .batch_execute("INSERT INTO notes VALUES ('ended')")
            .expect("nobody has touched it");
        session.commit().expect("nobody has touched it");
        let ids = [self.next_backend(), self.next_backend()];
        assert!(
            ids.contains(&inherited.idle) && ids.contains(&inherited.open),
            "{ids:?}"
        );
        assert_eq!(self.engine.pool().opened(), opened, "nothing had to be replaced");
        self.engine.pool().assert_invariants();
    }
}

/// A child has connections of its own and leaves alone what is its parent's, without being told.
///
/// # Panics
///
/// If it is not so.
pub fn a_child_leaves_its_parents_connections_alone<C: Dialect + 'static>(scene: &Scene<C>) {
    let mut inherited = scene.prepare();
    child(|| scene.live_as_a_child(&mut inherited)).expect_success();
    scene.go_on_as_a_parent(&mut inherited);
    assert_eq!(scene.notes(), 2);
    assert_eq!(scene.times("forked"), 0, "nothing has happened to the parent");
}

/// What holds between parent and child holds between child and grandchild.
///
/// # Panics
///
/// If it is not so.
pub fn a_child_of_a_child<C: Dialect + 'static>(scene: &Scene<C>) {
    drop(scene.engine.raw_connection().expect("the database is there"));
    child(|| {
        let mut inherited = scene.prepare();
        child(|| scene.live_as_a_child(&mut inherited)).expect_success();
        scene.go_on_as_a_parent(&mut inherited);
    })
    .expect_success();
    assert_eq!(scene.notes(), 2);
}

/// A child that ends without a word, as most do, takes nothing with it: neither its exit nor a panic closes what is the
/// parent's.
///
/// # Panics
///
/// If it is not so.
pub fn a_child_that_just_ends<C: Dialect + 'static>(scene: &Scene<C>) {
    let mut inherited = scene.prepare();
    child(|| {
        let session = inherited.session.take();
        scene.log.take();
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _session = session;
            std::panic::resume_unwind(Box::new("a quiet panic"));
        }));
        assert!(unwound.is_err());
        // The session's transaction has ended here, and none of what is closed was closed.
        scene.log.expect(&["forked", "rollback"]);
    })
    .expect_success();
    child(|| {
        // The engine's last clone ends, and with it the pool, which closes what is idle.
        let ended = scene.engine.clone();
        ended.pool().abandon();
        drop(ended);
    })
    .expect_success();
    scene.go_on_as_a_parent(&mut inherited);
    assert_eq!(scene.notes(), 2);
}

/// Settings that are put back when a connection is returned are not put back on the parent's.
///
/// # Panics
///
/// If it is not so.
pub fn a_child_sends_nothing_on_a_connection_in_autocommit<C: Dialect + 'static>(scene: &Scene<C>) {
    let mut connection = Some(scene.engine.connect());
    let own = connection.as_mut().expect("it was just made");
    let autocommit = ExecutionOptions::new()
        .isolation_level(IsolationLevel::Autocommit)
        .read_only();
    own.execution_options(autocommit).expect("every database has it");
    own.batch_execute("SELECT 1").expect("it is there");
    let before = own.backend_id().expect("it answers");
    child(|| {
        scene.log.take();
        drop(connection.take());
        scene.log.expect(&["forked"]);
    })
    .expect_success();
    let own = connection.as_mut().expect("the parent has it still");
    own.batch_execute("SELECT 1").expect("it answers as before");
    assert_eq!(own.backend_id().expect("it answers"), before);
    let refused = own.batch_execute("INSERT INTO notes VALUES ('read-only')");
    assert!(refused.is_err(), "and is as read-only as it was");
}

/// A fork finds another thread in the middle of a checkout: its child has neither that thread nor what it holds.
///
/// # Panics
///
/// If it is not so.
pub fn a_fork_in_the_middle_of_a_checkout<C: Dialect + 'static>(url: &str, count: Count<C>) {
    const SLOW: &str = "slow";
    let (inside, done) = (Gate::new("a thread connects"), Gate::new("the child has ended"));
    let (reached, go_on) = (inside.clone(), done.clone());
    let scene = Scene::<C>::set_with(url, count, |builder| {
        builder.pool_size(1).max_overflow(1).on_connect(move |_, _| {
            // A connect may run on a helper thread, which has no name of ours; the parent's other thread is not here yet.
            if !reached.is_passed() {
                reached.pass();
                go_on.wait();
            }
            Ok(())
        })
    });
    thread::scope(|threads| {
        let builder = thread::Builder::new().name(SLOW.into());
        let slow = builder
            .spawn_scoped(threads, || scene.next_backend())
            .expect("a thread can be had");
        inside.wait();
        child(|| {
            let held = [scene.engine.raw_connection(), scene.engine.raw_connection()];
            assert!(held.iter().all(Result::is_ok), "both places are free in the child");
            assert_eq!(scene.engine.pool().holders().len(), 2);
        })
        .expect_success();
        done.pass();
        slow.join().expect("the parent's thread goes on");
    });
    scene.engine.pool().assert_invariants();
}
