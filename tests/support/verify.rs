//! What becomes of a COMMIT whose answer never comes, where it is verified: stories told on each database.
//! [`verify_stories!`](crate::verify_stories) makes tests of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::verify::{CommitToken, Resolution};
use aludel::{CommitPolicy, Dialect, EngineBuilder, Outcome, Phase, RetryPolicy};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::query_builder::SqlQuery;
use diesel::query_dsl::methods::LoadQuery;
use diesel::result::DatabaseErrorKind;
use diesel::sql_types::BigInt;

use crate::EventLog;
use crate::stories::outline;

mod flight;
mod network;
mod process;
mod servers;
mod tokens;

pub use flight::*;
pub use network::*;
pub use process::*;
pub use servers::*;
pub use tokens::*;

/// The table that the stories write into.
pub const SCHEMA: &str = "CREATE TABLE charges (amount BIGINT NOT NULL)";

/// A number that a query answers.
pub type Ask<C> = fn(&mut C, &str) -> i64;

/// [`Ask`] for any database that Diesel knows.
///
/// # Panics
///
/// If the query is refused.
pub fn ask<C>(connection: &mut C, query: &str) -> i64
where
    for<'a> SqlQuery: LoadQuery<'a, C, Asked>,
{
    let row: Asked = diesel::sql_query(query)
        .get_result(connection)
        .expect("it is a good query");
    row.value
}

/// The row that [`ask`] reads.
#[derive(Debug, QueryableByName)]
pub struct Asked {
    #[diesel(sql_type = BigInt)]
    value: i64,
}

const CHARGE: &str = "INSERT INTO charges VALUES (1)";
const LOST: &str = "server closed the connection unexpectedly";
/// Longer than any server of a test takes; only a broken test waits for it.
const PATIENCE: Duration = Duration::from_mins(1);

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
            a_test_transaction_has_nothing_to_verify,
            a_table_that_is_locked_is_waited_for_until_the_deadline,
            whoever_finds_out_for_a_session_obeys_its_token,
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
