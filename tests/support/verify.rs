//! What becomes of a COMMIT whose answer never comes, where it is verified: stories told on each database.
//! [`verify_stories!`](crate::verify_stories) makes tests of them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::verify::{CommitToken, Resolution};
use aludel::{CommitPolicy, Dialect, EngineBuilder, ErrorKind, Flavour, Outcome, Phase, RetryPolicy};
use diesel::connection::SimpleConnection as _;
use diesel::result::DatabaseErrorKind;

use crate::proxy::{Fault, Proxy, Trigger};
use crate::stories::outline;
use crate::{EventLog, Gate, Meeting};

/// The table that the stories write into.
pub const SCHEMA: &str = "CREATE TABLE charges (amount BIGINT NOT NULL)";

/// A number that a query answers.
pub type Ask<C> = fn(&mut C, &str) -> i64;

const CHARGE: &str = "INSERT INTO charges VALUES (1)";
const LOST: &str = "server closed the connection unexpectedly";
/// Longer than any server of a test takes; only a broken test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A database as a story sees it.
pub struct Scene<C: Dialect> {
    /// The engine of the program that charges.
    pub engine: Engine<C>,
    /// What goes wrong on it.
    pub script: FaultScript,
    /// What its transactions do.
    pub log: EventLog,
    url: String,
    ask: Ask<C>,
}

impl<C: Dialect> std::fmt::Debug for Scene<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scene({:?})", self.engine)
    }
}

impl<C: Dialect> Scene<C> {
    /// On an empty database.
    ///
    /// # Panics
    ///
    /// If it is not.
    pub fn set(url: &str, ask: Ask<C>) -> Self {
        Self::set_with(url, ask, |builder| builder)
    }

    /// The same, with options for the engine.
    ///
    /// # Panics
    ///
    /// The same.
    pub fn set_with(url: &str, ask: Ask<C>, options: impl FnOnce(EngineBuilder<C>) -> EngineBuilder<C>) -> Self {
        let (script, log) = (FaultScript::new(), EventLog::new());
        let builder = Engine::<C>::builder(url).faults(script.clone()).listen(outline(&log));
        let scene = Self {
            engine: options(builder).build().expect("the URL is a good one"),
            script,
            log,
            url: url.to_owned(),
            ask,
        };
        scene.outside().batch_execute(SCHEMA).expect("the database is empty");
        scene
    }

    /// An engine of another program, which knows nothing.
    ///
    /// # Panics
    ///
    /// If the URL is no good one.
    pub fn stranger(&self) -> Engine<C> {
        Engine::new(self.url.as_str()).expect("the URL is a good one")
    }

    fn outside(&self) -> aludel::pool::Checkout<C> {
        self.stranger().raw_connection().expect("the database is there")
    }

    /// What others are answered.
    ///
    /// # Panics
    ///
    /// If the query is refused.
    pub fn ask(&self, query: &str) -> i64 {
        (self.ask)(&mut self.outside(), query)
    }

    /// What was charged, as others see it.
    ///
    /// # Panics
    ///
    /// Never in a story.
    pub fn charged(&self) -> i64 {
        self.ask("SELECT COUNT(*) AS value FROM charges")
    }

    /// The tokens with this outcome.
    ///
    /// # Panics
    ///
    /// If there is no table of tokens.
    pub fn tokens(&self, outcome: &str) -> i64 {
        self.ask(&format!(
            "SELECT COUNT(*) AS value FROM aludel_commits WHERE outcome = '{outcome}'"
        ))
    }

    /// The next COMMIT does its work, and its answer is lost.
    pub fn lose_the_answer(&self) {
        self.script
            .fail_after(Phase::Commit, DatabaseErrorKind::ClosedConnection, LOST);
    }

    /// The next COMMIT never gets to the database.
    pub fn lose_the_commit(&self) {
        self.script
            .fail_before(Phase::Commit, DatabaseErrorKind::ClosedConnection, LOST);
    }

    /// Charges in a verified transaction whose COMMIT is cut, and gives its token.
    ///
    /// # Panics
    ///
    /// If the error has none.
    #[track_caller]
    pub fn charge_and_be_cut(&self) -> CommitToken {
        let mut session = self.engine.session();
        let cut = session
            .build_transaction()
            .verified()
            .run(|session| Ok(session.batch_execute(CHARGE)?));
        let error = cut.expect_err("its COMMIT is cut");
        assert!(
            error.is_commit_unknown() && error.outcome() == Some(Outcome::Unknown),
            "{error}"
        );
        let token = *error.commit_token().expect("it was verified");
        assert!(error.to_string().contains(&token.to_string()), "{error}");
        assert_eq!(self.engine.pool().checkedout(), 0);
        token
    }

    #[track_caller]
    fn resolve(&self, token: &CommitToken) -> Resolution {
        self.stranger().resolve(token, PATIENCE).expect("the database is there")
    }

    /// Nothing is left behind.
    ///
    /// # Panics
    ///
    /// If it is not so.
    #[track_caller]
    pub fn assert_whole(&self) {
        self.engine.pool().assert_invariants();
        assert_eq!(self.engine.pool().checkedout(), 0);
        assert_eq!(self.script.remaining(), 0, "the story has come to its point");
    }
}

/// A charge that runs again.
///
/// # Errors
///
/// Those of the database.
#[retry(commit = "verify", deadline = "60s")]
pub fn charge<C: Dialect>(session: &mut Session<C>, runs: &AtomicU32, told: &Arc<AtomicU32>) -> aludel::Result<u32> {
    let told = Arc::clone(told);
    session.on_commit(move || {
        told.fetch_add(1, Ordering::Relaxed);
    });
    session.batch_execute(CHARGE)?;
    Ok(runs.fetch_add(1, Ordering::Relaxed) + 1)
}

/// Tests of all stories on the scenes that `scene(name)` sets.
#[macro_export]
macro_rules! verify_stories {
    ($scene:path: $($story:ident),+ $(,)?) => {
        $(
            #[test]
            fn $story() {
                $crate::verify::$story(&$scene(stringify!($story)));
            }
        )+
    };
    ($scene:path) => {
        $crate::verify_stories! {
            $scene:
            a_lost_answer_is_resolved_as_committed,
            a_commit_that_was_never_sent_is_resolved_as_not_committed,
            a_charge_whose_answer_is_lost_takes_effect_once,
            a_charge_whose_commit_is_lost_takes_effect_once,
            a_commit_that_cannot_be_resolved_is_the_callers,
            a_resolver_waits_for_a_transaction_in_flight_that_commits,
            a_resolver_waits_for_a_transaction_in_flight_that_rolls_back,
            a_transaction_still_in_flight_at_the_deadline_is_an_error,
            a_fence_whose_answer_is_lost_is_resolved_like_any_commit,
            a_token_older_than_the_retention_is_expired_and_purged,
            a_token_is_refused_where_its_table_is_not,
            a_table_is_made_once_by_many_at_once,
            a_token_that_was_rolled_back_with_its_savepoint_is_written_again,
            a_transaction_that_has_written_nothing_has_nothing_to_verify,
            every_transaction_of_an_engine_can_be_verified,
            a_part_that_is_verified_verifies_the_whole,
        }
    };
}

/// COMMIT did its work: a stranger with the token's text finds that out, as often as they like.
///
/// # Panics
///
/// If it is not so.
pub fn a_lost_answer_is_resolved_as_committed<C: Dialect>(scene: &Scene<C>) {
    scene.lose_the_answer();
    let text = scene.charge_and_be_cut().to_string();
    let token: CommitToken = text.parse().expect("a token's text is a token");
    assert_eq!(scene.resolve(&token), Resolution::Committed);
    assert_eq!(scene.resolve(&token), Resolution::Committed);
    assert_eq!(
        (scene.charged(), scene.tokens("committed"), scene.tokens("fenced")),
        (1, 1, 0)
    );
    scene.assert_whole();
}

/// COMMIT never arrived: the answer says so, and stays so.
///
/// # Panics
///
/// If it is not so.
pub fn a_commit_that_was_never_sent_is_resolved_as_not_committed<C: Dialect>(scene: &Scene<C>) {
    scene.lose_the_commit();
    let token = scene.charge_and_be_cut();
    assert_eq!(scene.resolve(&token), Resolution::NotCommitted);
    assert_eq!(scene.resolve(&token), Resolution::NotCommitted);
    assert_eq!((scene.charged(), scene.tokens("committed")), (0, 0));
    scene.assert_whole();
}

/// `#[retry(commit = "verify")]` answers the value of the only run, and its hook runs.
///
/// # Panics
///
/// If it is not so.
pub fn a_charge_whose_answer_is_lost_takes_effect_once<C: Dialect>(scene: &Scene<C>) {
    let (runs, told) = (AtomicU32::new(0), Arc::new(AtomicU32::new(0)));
    scene.lose_the_answer();
    let run = charge(&mut scene.engine.session(), &runs, &told).expect("it is committed");
    assert_eq!((run, told.load(Ordering::Relaxed), scene.charged()), (1, 1, 1));
    let log = scene.log.snapshot().join("; ");
    assert!(log.contains("commit unknown") && !log.contains("rerun"), "{log}");
    scene.assert_whole();
}

/// `#[retry(commit = "verify")]` runs again, and its hook runs once.
///
/// # Panics
///
/// If it is not so.
pub fn a_charge_whose_commit_is_lost_takes_effect_once<C: Dialect>(scene: &Scene<C>) {
    let (runs, told) = (AtomicU32::new(0), Arc::new(AtomicU32::new(0)));
    scene.lose_the_commit();
    let run = charge(&mut scene.engine.session(), &runs, &told).expect("the second run is committed");
    assert_eq!((run, told.load(Ordering::Relaxed), scene.charged()), (2, 1, 1));
    let log = scene.log.snapshot().join("; ");
    assert!(
        log.contains("commit unknown") && log.contains("rerun 2 after disconnect"),
        "{log}"
    );
    scene.assert_whole();
}

/// Where nobody can tell, the error is the first one, with its token and with why nobody could; no hook runs.
///
/// # Panics
///
/// If it is not so.
pub fn a_commit_that_cannot_be_resolved_is_the_callers<C: Dialect>(scene: &Scene<C>) {
    let policy = RetryPolicy::new().commit(CommitPolicy::Verify);
    let (mut runs, told) = (0, Arc::new(AtomicU32::new(0)));
    scene.lose_the_answer();
    let error = scene
        .engine
        .session()
        .retry(&policy, |session| {
            runs += 1;
            let told = Arc::clone(&told);
            session.on_commit(move || {
                told.fetch_add(1, Ordering::Relaxed);
            });
            // Waiting does not mend what the resolver will run into.
            scene
                .script
                .fail_before(Phase::Begin, DatabaseErrorKind::Unknown, "out of paper");
            Ok(session.batch_execute(CHARGE)?)
        })
        .expect_err("nobody can tell");
    let text = error.to_string();
    assert!(error.is_commit_unknown() && !error.is_retryable(), "{text}");
    assert!(text.contains(LOST) && text.contains("; then: out of paper"), "{text}");
    assert_eq!((runs, told.load(Ordering::Relaxed)), (1, 0));
    let token = error.commit_token().expect("it goes with the error");
    assert_eq!(scene.resolve(token), Resolution::Committed);
    scene.assert_whole();
}

/// Two resolvers, and a transaction that holds its row until both are there.
#[track_caller]
fn in_flight<C: Dialect>(scene: &Scene<C>, commits: bool) {
    scene.engine.create_commit_table().expect("it may be made");
    let resolvers = Meeting::new("both resolvers and the transaction", 3);
    let given = Gate::new("the token is given out");
    let token = OnceLock::new();
    let expected = if commits {
        Resolution::Committed
    } else {
        Resolution::NotCommitted
    };
    thread::scope(|threads| {
        let resolver = || {
            given.wait();
            let engine = scene.stranger();
            let token = token.get().expect("it was given out");
            // Nothing can be said yet, and that is what is said.
            let error = engine.resolve(token, Duration::ZERO).expect_err("it is in flight");
            assert_eq!(
                (error.kind(), error.commit_token()),
                (ErrorKind::CommitUnknown, Some(token))
            );
            resolvers.meet();
            assert_eq!(engine.resolve(token, PATIENCE).expect("it ends"), expected);
        };
        threads.spawn(resolver);
        threads.spawn(resolver);
        let ended = scene.engine.begin(|session| {
            session.batch_execute(CHARGE)?;
            token.set(session.commit_token()?).expect("nobody else sets it");
            given.pass();
            resolvers.meet();
            if commits {
                Ok(())
            } else {
                Err(aludel::Error::other("no"))
            }
        });
        assert_eq!(ended.is_ok(), commits, "{ended:?}");
    });
    assert_eq!(scene.charged(), i64::from(commits));
    scene.assert_whole();
}

/// Both resolvers wait, and both are told.
///
/// # Panics
///
/// If it is not so.
pub fn a_resolver_waits_for_a_transaction_in_flight_that_commits<C: Dialect>(scene: &Scene<C>) {
    in_flight(scene, true);
    assert_eq!(scene.tokens("fenced"), 0);
}

/// The same for one that rolls back: of the two resolvers one fences it off.
///
/// # Panics
///
/// If it is not so.
pub fn a_resolver_waits_for_a_transaction_in_flight_that_rolls_back<C: Dialect>(scene: &Scene<C>) {
    in_flight(scene, false);
    assert_eq!(scene.tokens("committed"), 0);
}

/// The deadline holds, and the error says what is the matter.
///
/// # Panics
///
/// If it is not so.
pub fn a_transaction_still_in_flight_at_the_deadline_is_an_error<C: Dialect>(scene: &Scene<C>) {
    scene.engine.create_commit_table().expect("it may be made");
    let token = scene
        .engine
        .begin(|session| {
            session.batch_execute(CHARGE)?;
            let token = session.commit_token()?;
            assert_eq!(session.commit_token()?, token, "it has only one");
            let error = scene
                .stranger()
                .resolve(&token, Duration::from_millis(1_300))
                .expect_err("it is in flight");
            assert!(
                error.is_commit_unknown() && error.commit_token() == Some(&token),
                "{error}"
            );
            let text = error.to_string();
            assert!(
                text.contains("still in flight") && text.contains("within 1.3s"),
                "{text}"
            );
            Ok(token)
        })
        .expect("the resolver was in nobody's way");
    assert_eq!(scene.resolve(&token), Resolution::Committed);
    scene.assert_whole();
}

/// The fence is a COMMIT, too: lost after or before, the resolver looks again.
///
/// # Panics
///
/// If it is not so.
pub fn a_fence_whose_answer_is_lost_is_resolved_like_any_commit<C: Dialect>(scene: &Scene<C>) {
    for lose in [Scene::lose_the_answer, Scene::lose_the_commit] {
        scene.lose_the_commit();
        let token = scene.charge_and_be_cut();
        lose(scene);
        let resolution = scene.engine.resolve(&token, PATIENCE).expect("the second look tells");
        assert_eq!(resolution, Resolution::NotCommitted);
        assert_eq!(scene.resolve(&token), Resolution::NotCommitted);
    }
    assert_eq!(scene.charged(), 0);
}

/// Beyond the retention nobody claims to know, whether the row is still there or was purged; younger ones stay.
///
/// # Panics
///
/// If it is not so.
pub fn a_token_older_than_the_retention_is_expired_and_purged<C: Dialect>(scene: &Scene<C>) {
    const DAY: u128 = 24 * 3_600 * 1_000_000;
    scene.engine.create_commit_table().expect("it may be made");
    let old = scene
        .engine
        .begin(|session| session.commit_token())
        .expect("it is committed");
    let young = scene
        .engine
        .begin(|session| session.commit_token())
        .expect("it is committed");
    // As if it had been written a while ago.
    let aged = |days: u128| -> CommitToken {
        let now = old.created_at().as_micros();
        let text = old
            .to_string()
            .replace(&now.to_string(), &(now - days * DAY).to_string());
        text.parse().expect("only the time has changed")
    };
    let age_the_row = |days: u128| {
        let then = aged(days).created_at().as_micros();
        let update = format!(
            "UPDATE aludel_commits SET created_at = {then} WHERE token = '{}'",
            old.key()
        );
        scene.outside().batch_execute(&update).expect("it is there");
    };
    age_the_row(6);
    assert_eq!(scene.resolve(&aged(6)), Resolution::Committed);
    assert_eq!(scene.resolve(&aged(8)), Resolution::Expired);
    age_the_row(7);
    assert_eq!(
        scene.engine.purge_commit_tokens().expect("it may"),
        0,
        "an eighth of seven days is left"
    );
    age_the_row(8);
    assert_eq!(scene.engine.purge_commit_tokens().expect("it may"), 1);
    // A fence in its place would say that it was never committed.
    assert_eq!(scene.resolve(&aged(8)), Resolution::Expired);
    assert_eq!((scene.tokens("committed"), scene.tokens("fenced")), (1, 0));
    assert_eq!(scene.resolve(&young), Resolution::Committed);
    scene.assert_whole();
}

/// Elsewhere the row would be missed, and a fence be a lie: another table, or none, is an error.
///
/// # Panics
///
/// If it is not so.
pub fn a_token_is_refused_where_its_table_is_not<C: Dialect>(scene: &Scene<C>) {
    assert_eq!(scene.engine.purge_commit_tokens().expect("there is nothing to do"), 0);
    scene.engine.create_commit_table().expect("it may be made");
    let token = scene
        .engine
        .begin(|session| session.commit_token())
        .expect("it is committed");
    for (statement, told) in [
        ("DROP TABLE aludel_commits", "there is no table aludel_commits"),
        ("SELECT 1", "there is no table aludel_commits"),
    ] {
        scene.outside().batch_execute(statement).expect("it may");
        let error = scene
            .stranger()
            .resolve(&token, PATIENCE)
            .expect_err("its row is not here");
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!((error.kind(), error.commit_token()), (ErrorKind::Misuse, Some(&token)));
    }
    scene.stranger().create_commit_table().expect("it may be made");
    let error = scene
        .stranger()
        .resolve(&token, PATIENCE)
        .expect_err("its row is not here");
    assert!(error.to_string().contains("is another one"), "{error}");
    assert_eq!(scene.tokens("fenced"), 0);
}

/// Many programs need the table for the first time in the same moment, and the engine that saw it go makes it anew.
///
/// # Panics
///
/// If it is not so.
pub fn a_table_is_made_once_by_many_at_once<C: Dialect>(scene: &Scene<C>) {
    let start = Meeting::new("all programs", 4);
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                let engine = scene.stranger();
                start.meet();
                let policy = RetryPolicy::new().attempts(20).commit(CommitPolicy::Verify);
                let charged = engine
                    .session()
                    .retry(&policy, |session| Ok(session.batch_execute(CHARGE)?));
                charged.expect("the table is made by one of them");
            });
        }
    });
    assert_eq!((scene.charged(), scene.tokens("committed")), (4, 4));
    assert_eq!(
        scene.ask("SELECT COUNT(*) AS value FROM aludel_commits WHERE token = 'identity'"),
        1
    );

    let charge = || {
        let mut session = scene.engine.session();
        let builder = session.build_transaction().verified();
        builder.run(|session| Ok(session.batch_execute(CHARGE)?))
    };
    charge().expect("the table is there");
    scene
        .outside()
        .batch_execute("DROP TABLE aludel_commits")
        .expect("it may");
    let error = charge().expect_err("its token has no table");
    assert_eq!(
        (error.outcome(), error.is_commit_unknown()),
        (Some(Outcome::RolledBack), false),
        "{error}"
    );
    charge().expect("it is made anew");
    assert_eq!((scene.charged(), scene.tokens("committed")), (6, 1));
    scene.assert_whole();
}

/// The row goes with its savepoint, and is written again: before COMMIT the token is always there.
///
/// # Panics
///
/// If it is not so.
pub fn a_token_that_was_rolled_back_with_its_savepoint_is_written_again<C: Dialect>(scene: &Scene<C>) {
    scene.engine.create_commit_table().expect("it may be made");
    let mut given = None;
    scene
        .engine
        .begin(|session| {
            session.batch_execute(CHARGE)?;
            let undone: aludel::Result<()> = session.begin_nested(|nested| {
                nested.begin_nested(|inner| {
                    given = Some(inner.commit_token()?);
                    Ok(())
                })?;
                Err(aludel::Error::other("no"))
            });
            assert!(undone.is_err());
            Ok(())
        })
        .expect("it is committed");
    let token = given.expect("it was given out");
    assert_eq!((scene.charged(), scene.tokens("committed")), (1, 1));
    assert_eq!(scene.resolve(&token), Resolution::Committed);
    scene.assert_whole();
}

/// A lost answer to the COMMIT of a transaction that has only read is no doubt about anything. (MariaDB cannot tell
/// whether a SELECT has written, so it has a token there.)
///
/// # Panics
///
/// If it is not so.
pub fn a_transaction_that_has_written_nothing_has_nothing_to_verify<C: Dialect>(scene: &Scene<C>) {
    scene.engine.create_commit_table().expect("it may be made");
    scene.lose_the_answer();
    let mut session = scene.engine.session();
    let builder = session.build_transaction().verified();
    let error = builder
        .run(|session| Ok(session.batch_execute("SELECT 1")?))
        .expect_err("its COMMIT is cut");
    if C::FLAVOUR == Flavour::MySql {
        assert_eq!(
            scene.resolve(error.commit_token().expect("it has one")),
            Resolution::Committed
        );
    } else {
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Commit, Some(Outcome::RolledBack))
        );
        assert!(error.is_retryable() && error.commit_token().is_none(), "{error}");
        assert_eq!(scene.tokens("committed"), 0);
    }
    // Who asked for read-only has no token anywhere.
    let tokens = scene.tokens("committed");
    let builder = session.build_transaction().verified().read_only();
    builder
        .run(|session| Ok(session.batch_execute("SELECT 1")?))
        .expect("nothing is in its way");
    assert_eq!(scene.tokens("committed"), tokens);
    scene.assert_whole();
}

/// `verify_commits(true)`: also what began by itself, and what others begin through Diesel.
///
/// # Panics
///
/// If it is not so.
pub fn every_transaction_of_an_engine_can_be_verified<C: Dialect>(scene: &Scene<C>) {
    let script = FaultScript::new();
    let builder = Engine::<C>::builder(scene.url.as_str())
        .verify_commits(true)
        .faults(script.clone());
    let engine = builder.build().expect("the URL is a good one");
    let mut session = engine.session();
    session.batch_execute(CHARGE).expect("the table is there");
    session.commit().expect("nothing is in its way");
    script.fail_after(Phase::Commit, DatabaseErrorKind::ClosedConnection, LOST);
    session.batch_execute(CHARGE).expect("the table is there");
    let error = session.commit().expect_err("its answer is lost");
    assert_eq!(
        scene.resolve(error.commit_token().expect("it has one")),
        Resolution::Committed
    );
    script.fail_before(Phase::Commit, DatabaseErrorKind::ClosedConnection, LOST);
    let error = engine
        .begin(|session| Ok(session.batch_execute(CHARGE)?))
        .expect_err("its COMMIT is cut");
    assert_eq!(
        scene.resolve(error.commit_token().expect("it has one")),
        Resolution::NotCommitted
    );
    assert_eq!(scene.charged(), 2);
}

/// Who joins a transaction and wants it verified gets that for all of it; AUTOCOMMIT has nothing to verify.
///
/// # Panics
///
/// If it is not so.
pub fn a_part_that_is_verified_verifies_the_whole<C: Dialect>(scene: &Scene<C>) {
    scene.engine.create_commit_table().expect("it may be made");
    scene.lose_the_answer();
    let error = scene
        .engine
        .begin(|session| {
            session.batch_execute(CHARGE)?;
            let part = session.build_transaction().verified();
            part.run(|session| Ok(session.batch_execute(CHARGE)?))
        })
        .expect_err("its answer is lost");
    assert_eq!(
        scene.resolve(error.commit_token().expect("it has one")),
        Resolution::Committed
    );
    // The wish was for that one alone.
    scene.lose_the_answer();
    let error = scene.engine.begin(|session| Ok(session.batch_execute(CHARGE)?));
    assert!(error.expect_err("its answer is lost").commit_token().is_none());
    assert_eq!((scene.charged(), scene.tokens("committed")), (3, 1));

    let options = ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit);
    let engine = scene.engine.execution_options(options).expect("every database has it");
    let error = engine.session().commit_token().expect_err("there is no COMMIT");
    assert!(error.to_string().starts_with("commit_token() in AUTOCOMMIT"), "{error}");
    scene.assert_whole();
}

// ---- where there is a server --------------------------------------------------------------------------------------

/// Ends a connection by the server's number of it.
pub type Kill = fn(i64);

/// The connection is really killed before COMMIT is sent, and the charge takes effect once.
///
/// # Panics
///
/// If it is not so.
pub fn a_charge_whose_connection_is_killed_at_commit_takes_effect_once<C: Dialect>(scene: &Scene<C>, kill: Kill) {
    let policy = RetryPolicy::new().deadline(PATIENCE).commit(CommitPolicy::Verify);
    let mut runs = 0;
    let run = scene
        .engine
        .session()
        .retry(&policy, |session| {
            runs += 1;
            if runs == 1 {
                let backend = session.backend_id()?.expect("a server's connection has a number");
                scene.script.call_before(Phase::Commit, move || kill(backend));
            }
            session.batch_execute(CHARGE)?;
            Ok(runs)
        })
        .expect("the second run is committed");
    assert_eq!((run, scene.charged(), scene.tokens("committed")), (2, 1, 1));
    scene.assert_whole();
}

/// A transaction that nobody will ever end is ended by force: its connection, and no other.
///
/// # Panics
///
/// If it is not so.
pub fn a_transaction_in_flight_is_ended_by_force<C: Dialect>(scene: &Scene<C>) {
    scene.engine.create_commit_table().expect("it may be made");
    let mut bystander = scene.engine.session();
    bystander.batch_execute(CHARGE).expect("it is nobody's business");
    let mut token = None;
    let error = scene
        .engine
        .begin(|session| {
            session.batch_execute(CHARGE)?;
            let given = *token.insert(session.commit_token()?);
            let found = scene.stranger().resolve_by_force(&given, PATIENCE);
            assert_eq!(found.expect("it is ended"), Resolution::NotCommitted);
            Ok(())
        })
        .expect_err("its connection was ended");
    let token = token.expect("it was given out");
    assert!(error.is_disconnect(), "{error}");
    assert_eq!(
        error.commit_token(),
        Some(&token),
        "COMMIT was sent, as far as it knows: {error}"
    );
    assert_eq!(scene.resolve(&token), Resolution::NotCommitted);
    bystander.commit().expect("nobody has touched it");
    assert_eq!((scene.charged(), scene.tokens("committed")), (1, 0));
    // By the time that it is asked for by force it may have been committed.
    let token = scene
        .engine
        .begin(|session| session.commit_token())
        .expect("it is committed");
    let resolution = scene.stranger().resolve_by_force(&token, PATIENCE);
    assert_eq!(resolution.expect("the database is there"), Resolution::Committed);
    scene.assert_whole();
}

/// A token that went with its savepoint is resolved before it is written again: what was answered stays true.
///
/// # Panics
///
/// If it is not so.
pub fn a_transaction_that_was_fenced_off_is_refused<C: Dialect>(scene: &Scene<C>) {
    scene.engine.create_commit_table().expect("it may be made");
    let policy = RetryPolicy::new().commit(CommitPolicy::Verify);
    let mut runs = 0;
    let error = scene
        .engine
        .session()
        .retry(&policy, |session| {
            runs += 1;
            session.batch_execute(CHARGE)?;
            let mut token = None;
            let undone: aludel::Result<()> = session.begin_nested(|nested| {
                token = Some(nested.commit_token()?);
                Err(aludel::Error::other("no"))
            });
            assert!(undone.is_err());
            assert_eq!(
                scene.resolve(&token.expect("it was given out")),
                Resolution::NotCommitted
            );
            Ok(())
        })
        .expect_err("somebody was told that it is not committed");
    assert!(
        error
            .to_string()
            .starts_with("this transaction cannot be committed any more"),
        "{error}"
    );
    assert_eq!(
        (error.outcome(), runs),
        (Some(Outcome::RolledBack), 1),
        "they may have run it again"
    );
    assert_eq!(
        (scene.charged(), scene.tokens("committed"), scene.tokens("fenced")),
        (0, 0, 1)
    );
    scene.assert_whole();
}

// ---- through a network that fails -----------------------------------------------------------------------------------

/// A scene whose engine goes through a proxy; strangers go straight to the server.
///
/// # Panics
///
/// As [`Scene::set`].
pub fn behind<C: Dialect>(proxy: &Proxy, url: &str, ask: Ask<C>) -> Scene<C> {
    let mut scene = Scene::set(url, ask);
    let builder = Engine::<C>::builder(proxy.url(url)).faults(scene.script.clone());
    let builder = builder.listen(outline(&scene.log));
    scene.engine = builder.build().expect("the URL is a good one");
    scene.engine.create_commit_table().expect("it may be made");
    scene
}

/// However the connection ends around a COMMIT, that of the fence included, each charge takes effect once.
///
/// # Panics
///
/// If it is not so.
pub fn a_network_that_cuts_commits_charges_once<C: Dialect>(scene: &Scene<C>, proxy: &Proxy) {
    let cases: [(&[Fault], u32); 6] = [
        (&[Fault::CutBefore], 2),
        (&[Fault::CutAfter], 1),
        (&[Fault::ResetBefore], 2),
        (&[Fault::ResetAfter], 1),
        // The second is the fence's; that of the second run, where PostgreSQL remembers the abort and needs no fence.
        (&[Fault::CutBefore, Fault::CutBefore], 2),
        (&[Fault::CutBefore, Fault::CutAfter], 2),
    ];
    for (charged, (faults, runs_until_then)) in (1..).zip(cases) {
        let fired = proxy.fired();
        for fault in faults {
            proxy.when(Trigger::Commit).then(fault.clone());
        }
        let (runs, told) = (AtomicU32::new(0), Arc::new(AtomicU32::new(0)));
        let run = charge(&mut scene.engine.session(), &runs, &told).expect("in the end it is committed");
        let cut = usize::try_from(proxy.fired() - fired).expect("they are few");
        assert_eq!((told.load(Ordering::Relaxed), cut), (1, faults.len()), "{faults:?}");
        assert!(
            run == runs_until_then || (C::FLAVOUR == Flavour::PostgreSql && cut == 2),
            "{run}, {faults:?}"
        );
        assert_eq!(scene.charged(), charged, "{faults:?}: {:?}", scene.log);
    }
    scene.assert_whole();
}

/// A COMMIT that gets lost in a network which closes nothing: the server waits for it, and holds the row. It is ended by
/// force; the client, which hears of nothing, learns the same later.
///
/// # Panics
///
/// If it is not so.
pub fn a_commit_in_a_black_hole_is_ended_by_force<C: Dialect>(scene: &Scene<C>, proxy: &Proxy) {
    let (given, token) = (Gate::new("the token is given out"), OnceLock::new());
    proxy.when(Trigger::Commit).then(Fault::SwallowBefore);
    thread::scope(|threads| {
        let client = threads.spawn(|| {
            scene.engine.begin(|session| {
                session.batch_execute(CHARGE)?;
                token.set(session.commit_token()?).expect("nobody else sets it");
                given.pass();
                Ok(())
            })
        });
        given.wait();
        proxy.wait_until_fired(1);
        let token = token.get().expect("it was given out");
        let error = scene
            .stranger()
            .resolve(token, Duration::ZERO)
            .expect_err("it is in flight");
        assert!(error.is_commit_unknown(), "{error}");
        let found = scene.stranger().resolve_by_force(token, PATIENCE);
        assert_eq!(found.expect("it is ended"), Resolution::NotCommitted);
        proxy.release();
        let error = client.join().expect("it does not panic").expect_err("it is cut off");
        assert_eq!(
            (error.is_commit_unknown(), error.commit_token()),
            (true, Some(token)),
            "{error}"
        );
        assert_eq!(scene.resolve(token), Resolution::NotCommitted);
    });
    assert_eq!(scene.charged(), 0);
    scene.assert_whole();
}

/// A COMMIT that is late: as long as it may still arrive nobody is told that it has not happened.
///
/// # Panics
///
/// If it is not so.
pub fn a_late_commit_is_never_called_not_committed<C: Dialect>(scene: &Scene<C>, proxy: &Proxy) {
    let (given, token) = (Gate::new("the token is given out"), OnceLock::new());
    proxy.when(Trigger::Commit).then(Fault::Hold);
    thread::scope(|threads| {
        let client = threads.spawn(|| {
            scene.engine.begin(|session| {
                session.batch_execute(CHARGE)?;
                token.set(session.commit_token()?).expect("nobody else sets it");
                given.pass();
                Ok(())
            })
        });
        given.wait();
        proxy.wait_until_fired(1);
        let token = token.get().expect("it was given out");
        let resolver = threads.spawn(|| scene.resolve(token));
        let error = scene
            .stranger()
            .resolve(token, Duration::ZERO)
            .expect_err("it is in flight");
        assert!(error.is_commit_unknown(), "{error}");
        proxy.release();
        client
            .join()
            .expect("it does not panic")
            .expect("its COMMIT has arrived");
        assert_eq!(resolver.join().expect("it does not panic"), Resolution::Committed);
    });
    assert_eq!(scene.charged(), 1);
    scene.assert_whole();
}

// ---- from another process -----------------------------------------------------------------------------------------

/// What the story of a crash is told: the database, and a file of which nobody knows anything.
///
/// # Panics
///
/// If there is no temporary folder.
pub fn note_of_a_crash(url: &str) -> String {
    let folder = tempfile::Builder::new().prefix("aludel-crash.").tempdir();
    let note = folder.expect("a temporary folder can be made").keep().join("token");
    format!("{} {url}", note.display())
}

/// Told on a [stage](crate::fork::stage): a process dies with its transaction open, or after its COMMIT, and another one
/// finds out with the token that it had written down.
///
/// # Panics
///
/// If it is not so.
pub fn another_process_finds_out<C: Dialect>(note: &str, ask: Ask<C>) {
    let (note, url) = note.split_once(' ').expect("it was noted like this");
    let scene = Scene::<C>::set(url, ask);
    for (commits, expected) in [(false, Resolution::NotCommitted), (true, Resolution::Committed)] {
        crate::fork::child(|| {
            let engine = scene.stranger();
            engine.create_commit_table().expect("it may be made");
            let mut session = engine.session();
            session.batch_execute(CHARGE).expect("the table is there");
            let token = session.commit_token().expect("the table is there");
            std::fs::write(note, token.to_string()).expect("it can be written down");
            if commits {
                session.commit().expect("nothing is in its way");
            }
            // It ends as it stands, like one that has crashed.
            std::process::exit(0);
        })
        .expect_success();
        let text = std::fs::read_to_string(note).expect("it was written down");
        let token = text.parse().expect("it was written by a token");
        assert_eq!(scene.resolve(&token), expected);
    }
    assert_eq!(scene.charged(), 1);
    let folder = std::path::Path::new(note).parent().expect("it is in a folder");
    std::fs::remove_dir_all(folder).expect("it is ours");
}
