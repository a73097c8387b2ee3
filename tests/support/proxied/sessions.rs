//! What a session, `#[retry]` and the pool make of what the proxy does.

use super::Server;
use crate::proxy::{Fault, Proxy, Trigger};
use crate::{EventLog, TestDatabase, stories};
use aludel::clock::Clock;
use aludel::prelude::*;
use aludel::{Class, ErrorKind, Outcome, RetryPolicy};
use diesel::connection::Connection as _;
use diesel::result::Error as DieselError;
use std::thread;

/// Faults that end the connection.
const ENDINGS: [Fault; 4] = [Fault::CutBefore, Fault::CutAfter, Fault::ResetBefore, Fault::ResetAfter];

/// An engine whose way to the server leads through a proxy. Its clock stands still: a pause before a rerun costs no time.
struct House<C: Server> {
    proxy: Proxy,
    database: TestDatabase,
    engine: Engine<C>,
    log: EventLog,
}

impl<C: Server> House<C> {
    /// One connection is made and idle, and has prepared what it needs.
    fn open(database: &TestDatabase) -> Self {
        drop(C::restored(database));
        let (proxy, database) = (C::proxy(), database.clone());
        let log = EventLog::new();
        let engine = Engine::builder(proxy.url(database.url()))
            .clock(Clock::test().0)
            .listen(stories::listener(&log))
            .build()
            .expect("the URL is a good one");
        engine
            .begin(|session| Ok(C::list(session)?))
            .expect("nothing is in its way");
        log.take();
        proxy.take_statements();
        Self {
            proxy,
            database,
            engine,
            log,
        }
    }

    /// What others see.
    fn balance(&self) -> i64 {
        let mut outside = C::establish(self.database.url()).expect("the server runs");
        outside.balance().expect("the table is there")
    }

    fn times(&self, event: &str) -> usize {
        self.log.snapshot().iter().filter(|line| *line == event).count()
    }

    /// What was said on the wire, without what a new connection is set up with: the first word, or the first two.
    fn said(&self) -> Vec<String> {
        let statements = self.proxy.take_statements();
        let words = statements.iter().filter_map(|sql| {
            let mut words = sql.split_whitespace();
            match (words.next()?, words.next()) {
                ("ROLLBACK", Some("TO")) => Some("ROLLBACK TO".to_owned()),
                (word @ ("BEGIN" | "COMMIT" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "UPDATE"), _) => {
                    Some(word.to_owned())
                }
                _ => None,
            }
        });
        words.collect()
    }

    /// The dead connection is closed, its generation was retired once, and the next caller gets one that works.
    #[track_caller]
    fn expect_one_lost_connection(&self, case: &str) {
        assert_eq!(
            (self.times("retire"), self.times("invalidate")),
            (1, 1),
            "{case}: {:?}",
            self.log
        );
        assert_eq!(self.engine.pool().checkedout(), 0, "{case}");
        self.engine.pool().assert_invariants();
        self.engine
            .begin(|session| Ok(C::list(session)?))
            .expect("a fresh connection works");
        assert_eq!(self.proxy.connections(), 2, "{case}");
        assert_eq!(self.engine.pool().closed(), 1, "{case}");
    }
}

/// One of everything that a transaction can do: 11 more for Ann.
fn work<C: Server>(session: &mut Session<C>) -> aludel::Result<()> {
    C::pay(session, 1)?;
    session.begin_nested(|nested| Ok(C::pay(nested, 10).map(drop)?))?;
    let undone: aludel::Result<()> = session.begin_nested(|nested| {
        C::pay(nested, 1_000)?;
        Err(aludel::Error::other("too much"))
    });
    match undone {
        Err(error) if error.to_string().starts_with("too much") => {}
        other => other?,
    }
    C::list(session)?;
    Ok(())
}

const WORK: [&str; 10] = [
    "BEGIN",
    "UPDATE",
    "SAVEPOINT",
    "UPDATE",
    "RELEASE",
    "SAVEPOINT",
    "UPDATE",
    "ROLLBACK TO",
    "RELEASE",
    "COMMIT",
];

/// Where the work is struck before its COMMIT: which one of its kind, and how many of [`WORK`] have been said by then.
const BEFORE_COMMIT: [(Trigger, u64, usize); 9] = [
    (Trigger::Containing("UPDATE"), 1, 2),
    (Trigger::Savepoint, 1, 3),
    (Trigger::Containing("UPDATE"), 2, 4),
    (Trigger::Release, 1, 5),
    (Trigger::Savepoint, 2, 6),
    (Trigger::Containing("UPDATE"), 3, 7),
    (Trigger::RollbackTo, 1, 8),
    (Trigger::Release, 2, 9),
    (Trigger::Row(2), 1, 9),
];

/// A COMMIT whose answer is lost is unknown, whatever the server has done; nothing is said after it, nobody runs it again,
/// and the connection is gone.
///
/// # Panics
///
/// If it is not so.
pub fn a_commit_whose_answer_is_lost_is_unknown_and_not_run_again<C: Server>() {
    let database = C::database("commit");
    for fault in ENDINGS {
        let house = House::<C>::open(&database);
        house.proxy.when(Trigger::Commit).then(fault.clone());
        let mut attempts = 0;
        let error = house
            .engine
            .session()
            .retry(&RetryPolicy::new(), |session| {
                attempts += 1;
                Ok(C::pay(session, 11).map(drop)?)
            })
            .expect_err("nobody knows");
        expect_unknown(&house, &error, &fault);
        assert_eq!(attempts, 1, "{fault:?}");
        let executed = matches!(fault, Fault::CutAfter | Fault::ResetAfter);
        assert_eq!(house.balance(), if executed { 111 } else { 100 }, "{fault:?}");
    }
}

#[track_caller]
fn expect_unknown<C: Server>(house: &House<C>, error: &aludel::Error, fault: &Fault) {
    assert!(
        error.is_commit_unknown() && error.is_disconnect() && !error.is_retryable(),
        "{fault:?}: {error}"
    );
    assert_eq!(error.outcome(), Some(Outcome::Unknown));
    assert_eq!(house.proxy.fired(), 1);
    assert_eq!(house.said(), ["BEGIN", "UPDATE", "COMMIT"], "{fault:?}");
    house.log.expect(&[
        "begin",
        "fault disconnect in Commit",
        "commit unknown",
        "retire",
        "invalidate",
    ]);
    assert_eq!(
        (house.engine.pool().checkedout(), house.engine.pool().checkedin()),
        (0, 0)
    );
    house.engine.pool().assert_invariants();
}

/// A COMMIT that nobody answers, on a connection that nobody closes: the caller waits until somebody does.
///
/// # Panics
///
/// If it is not so.
pub fn a_commit_that_is_swallowed_lasts_until_somebody_ends_it<C: Server>() {
    let database = C::database("swallowed");
    for (fault, seen, answered) in [
        (Fault::SwallowBefore, 100, false),
        (Fault::Swallow, 111, false),
        (Fault::Hold, 100, true),
        (Fault::HoldAnswer, 111, true),
    ] {
        let house = House::<C>::open(&database);
        house.proxy.when(Trigger::Commit).then(fault.clone());
        thread::scope(|threads| {
            let caller = threads.spawn(|| house.engine.begin(|session| Ok(C::pay(session, 11).map(drop)?)));
            house.proxy.wait_until_fired(1);
            assert_eq!(house.balance(), seen, "{fault:?}");
            assert!(!caller.is_finished(), "{fault:?}");
            house.proxy.release();
            let outcome = caller.join().expect("nothing panics there");
            if answered {
                outcome.expect("it was only late");
                house.log.expect(&["begin", "commit"]);
                assert_eq!(house.balance(), 111, "{fault:?}");
            } else {
                expect_unknown(&house, &outcome.expect_err("nobody knows"), &fault);
                assert_eq!(house.balance(), seen, "{fault:?}");
            }
        });
    }
}

/// Whatever breaks before COMMIT runs the whole work again, once, on another connection; nothing is said on the dead one,
/// and the work is done exactly once.
///
/// # Panics
///
/// If it is not so.
pub fn what_breaks_before_commit_runs_again_from_the_start<C: Server>() {
    let database = C::database("rerun");
    for (trigger, nth, said) in BEFORE_COMMIT {
        for fault in [Fault::CutAfter, Fault::ResetBefore] {
            let case = format!("{trigger:?} {nth} {fault:?}");
            let house = House::<C>::open(&database);
            house.proxy.when(trigger).nth(nth).then(fault);
            let mut attempts = 0;
            let done = house.engine.session().retry(&RetryPolicy::new(), |session| {
                attempts += 1;
                work(session)
            });
            done.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!((attempts, house.proxy.fired()), (2, 1), "{case}");
            assert_eq!(house.said(), [&WORK[..said], &WORK].concat(), "{case}");
            assert_eq!(house.balance(), 111, "{case}");
            house.expect_one_lost_connection(&case);
        }
    }
}

/// BEGIN is repeated on another connection, and the caller never hears of it.
///
/// # Panics
///
/// If it is not so.
pub fn a_begin_that_breaks_is_repeated<C: Server>() {
    let database = C::database("begin");
    for fault in ENDINGS {
        let case = format!("{fault:?}");
        let house = House::<C>::open(&database);
        house.proxy.when(Trigger::Begin).then(fault);
        house.engine.begin(work).expect("nothing had happened yet");
        assert_eq!(house.said(), [&["BEGIN"], &WORK[..]].concat(), "{case}");
        assert_eq!((house.balance(), house.proxy.fired()), (111, 1), "{case}");
        house.expect_one_lost_connection(&case);
    }
}

/// Without a rerun: whoever swallows the error cannot commit, and is told the first cause.
///
/// # Panics
///
/// If it is not so.
pub fn a_swallowed_disconnect_dooms_the_root_and_stays_the_cause<C: Server>() {
    let database = C::database("swallow");
    for (trigger, nth, said) in BEFORE_COMMIT {
        let case = format!("{trigger:?} {nth}");
        let house = House::<C>::open(&database);
        house.proxy.when(trigger).nth(nth).then(Fault::CutAfter);
        let mut first = None;
        let error = house
            .engine
            .begin(|session| {
                first = work(session).err();
                let refused = C::pay(session, 7).expect_err("it is not even sent");
                assert!(aludel::Error::from(refused).is_doomed(), "{case}");
                Ok(())
            })
            .expect_err("there is nothing to commit");
        let first = first.expect("it broke");
        assert!(
            error.is_doomed() && error.is_disconnect() && error.is_retryable(),
            "{case}: {error}"
        );
        assert!(!error.is_commit_unknown() && first.is_disconnect(), "{case}: {first}");
        assert_eq!(error.outcome(), Some(Outcome::RolledBack), "{case}");
        let (cause, text) = (C::LOST, error.to_string());
        assert!(text.contains(cause), "{case}: {text}");
        assert_eq!(house.said(), WORK[..said], "{case}");
        assert_eq!(house.balance(), 100, "{case}");
        house.expect_one_lost_connection(&case);
    }
}

/// A way to read rows.
type Read<C> = fn(&mut Session<C>) -> Result<(), DieselError>;

/// A result that ends in the middle, read in every way there is.
///
/// # Panics
///
/// If it is not so.
pub fn a_result_that_ends_in_the_middle_ends_the_transaction<C: Server>() {
    let database = C::database("rows");
    let ways: [(&str, Read<C>); 3] = [
        ("load", |session| C::list(session).map(drop)),
        ("load_iter", |session| C::list_one_by_one(session).map(drop)),
        ("Diesel's transaction", |session| {
            session.transaction(|session| C::list(session).map(drop))
        }),
    ];
    for (way, read) in ways {
        for row in 1..=3 {
            let case = format!("{way}, row {row}");
            let house = House::<C>::open(&database);
            house.proxy.when(Trigger::Row(row)).then(Fault::CutBefore);
            let error = house
                .engine
                .begin(|session| {
                    C::pay(session, 11)?;
                    let _ = read(session);
                    Ok(())
                })
                .expect_err("there is nothing to commit");
            assert!(error.is_doomed() && error.is_disconnect(), "{case}: {error}");
            assert!(error.to_string().contains(C::LOST), "{case}: {error}");
            assert_eq!((house.balance(), house.proxy.fired()), (100, 1), "{case}");
            house.expect_one_lost_connection(&case);
        }
    }
}

/// A conflict, wherever the server tells of it: one ROLLBACK, and everything from the start.
///
/// # Panics
///
/// If it is not so.
pub fn a_conflict_is_rolled_back_once_and_runs_again<C: Server>() {
    let database = C::database("conflict");
    for (trigger, said) in [(Trigger::Containing("UPDATE"), 2), (Trigger::Commit, 10)] {
        let case = format!("{trigger:?}");
        let house = House::<C>::open(&database);
        house.proxy.when(trigger).then(Fault::Answer(C::conflict()));
        let mut attempts = 0;
        let done = house.engine.session().retry(&RetryPolicy::new(), |session| {
            attempts += 1;
            work(session)
        });
        done.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!((attempts, house.proxy.fired()), (2, 1), "{case}");
        assert_eq!(house.said(), [&WORK[..said], &["ROLLBACK"], &WORK].concat(), "{case}");
        assert_eq!((house.balance(), house.proxy.connections()), (111, 1), "{case}");
        assert_eq!((house.times("retire"), house.times("invalidate")), (0, 0), "{case}");
        house.engine.pool().assert_invariants();
    }
}

/// A savepoint that the server will not release: nobody knows what is kept, so nothing is.
///
/// # Panics
///
/// If it is not so.
pub fn a_refused_savepoint_statement_dooms_the_root_by_its_first_cause<C: Server>() {
    let database = C::database("refused");
    for (trigger, said) in [(Trigger::Release, 5), (Trigger::RollbackTo, 8)] {
        let case = format!("{trigger:?}");
        let house = House::<C>::open(&database);
        let refusal = Fault::Answer(C::refusal("the moon is in the wrong phase"));
        house.proxy.when(trigger).then(refusal);
        let error = house
            .engine
            .begin(|session| {
                let first = work(session);
                assert!(C::pay(session, 7).is_err(), "{case}");
                first
            })
            .expect_err("nothing is kept");
        let told = std::iter::once(&error).chain(error.later()).any(|error| {
            let text = error.to_string();
            text.contains("the moon is in the wrong phase")
        });
        assert!(told && !error.is_commit_unknown(), "{case}: {error}");
        // On the spot, so that its locks are free, and once more at the end of the root, as for every doomed one.
        let undone = ["ROLLBACK", "ROLLBACK"];
        assert_eq!(house.said(), [&WORK[..said], &undone].concat(), "{case}");
        assert_eq!(house.balance(), 100, "{case}");
        assert_eq!(house.times("retire"), 0, "{case}");
        house.engine.pool().assert_invariants();
        house.engine.begin(work).expect("the next one is not concerned");
        assert_eq!(house.balance(), 111, "{case}");
    }
}

/// A connection that is lost while the engine sets it up has never been one: nothing has begun, and whoever waits for the
/// host uses up no attempt.
///
/// # Panics
///
/// If it is not so.
pub fn a_connection_that_dies_while_it_is_set_up_was_never_one<C: Server>() {
    let (proxy, database) = C::behind_a_proxy("set_up");
    let engine = Engine::<C>::builder(proxy.url(database.url()))
        .clock(Clock::test().0)
        .build()
        .expect("the URL is a good one");
    // Each engine asks for the language of the server's messages, or sets it.
    let set_up = || proxy.when(Trigger::Containing("lc_messages"));
    for fault in ENDINGS {
        set_up().then(fault.clone());
        let error = engine
            .begin(|session| Ok(C::pay(session, 1)?))
            .expect_err("it dies while it is set up");
        assert_eq!(
            (error.kind(), error.class(), error.outcome()),
            (ErrorKind::Connect, Class::Failover, Some(Outcome::NotBegun)),
            "{fault:?}: {error}"
        );
        assert_eq!(engine.pool().status().checked_out, 0, "{fault:?}");
    }
    set_up().times(3).then(Fault::CutBefore);
    engine
        .session()
        .retry(&RetryPolicy::new().attempts(1), |session| Ok(C::pay(session, 1)?))
        .expect("the host comes back");
    assert_eq!(
        C::establish(database.url())
            .map(|mut outside| outside.balance())
            .expect("the server runs"),
        Ok(101)
    );
}
