//! What a policy says, a part at a time, and whose word counts.

use std::time::Duration;

use aludel::clock::Clock;
use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::{
    Backoff, CommitPolicy, EngineBuilder, ErrorKind, IntoRetryPolicy, Outcome, Phase, RetryBudget, RetryPolicy,
};
use aludel_tests::EventLog;
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection as _;
use diesel::result::DatabaseErrorKind;

/// An engine in memory whose clock stands still, and what it runs into.
struct House {
    engine: Engine<SqliteConnection>,
    script: FaultScript,
    clock: aludel::clock::TestClock,
    log: EventLog,
}

impl House {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(options: impl FnOnce(EngineBuilder<SqliteConnection>) -> EngineBuilder<SqliteConnection>) -> Self {
        let (time, clock) = Clock::test();
        let (script, log) = (FaultScript::new(), EventLog::new());
        let builder = Engine::builder("sqlite://:memory:")
            .clock(time)
            .faults(script.clone())
            .listen(log.outline());
        Self {
            engine: options(builder).build().expect("the options are sound"),
            script,
            clock,
            log,
        }
    }

    /// The next statements fail with these words, one each.
    fn fail(&self, times: usize, kind: DatabaseErrorKind, text: &str) {
        for _ in 0..times {
            self.script.fail_before(Phase::Statement, kind, text);
        }
    }

    fn conflicts(&self, times: usize) {
        self.fail(times, DatabaseErrorKind::Unknown, "database is locked");
    }

    /// Runs one statement under the policy; how often it ran, and how it ended.
    fn run(&self, policy: &impl IntoRetryPolicy) -> (u32, aludel::Result<()>) {
        let mut runs = 0;
        let ended = self.engine.session().retry(policy, |session| {
            runs += 1;
            Ok(session.batch_execute("SELECT 1")?)
        });
        (runs, ended)
    }

    /// How often it ran before it was given up.
    #[track_caller]
    fn runs(&self, policy: &impl IntoRetryPolicy) -> u32 {
        let (runs, ended) = self.run(policy);
        let error = ended.expect_err("there are more faults than attempts");
        assert_eq!(error.outcome(), Some(Outcome::RolledBack), "{error}");
        while self.script.before(Phase::Statement).is_err() {} // the faults that were too many
        runs
    }
}

#[test]
fn what_a_policy_does_not_say_its_engine_says_and_else_it_is_built_in() {
    let built_in = House::new();
    built_in.conflicts(100);
    assert_eq!(built_in.runs(&RetryPolicy::new()), 5);
    built_in.conflicts(100);
    assert_eq!(built_in.runs(&RetryPolicy::new().attempts(0)), 1);

    let house = House::with(|builder| builder.retry_policy(RetryPolicy::new().attempts(3).backoff(Backoff::NONE)));
    house.conflicts(100);
    assert_eq!(house.runs(&RetryPolicy::new()), 3);
    assert_eq!(house.clock.slept(), [Duration::ZERO, Duration::ZERO]);
    house.conflicts(100);
    assert_eq!(house.runs(&RetryPolicy::new().attempts(4)), 4);
}

#[test]
fn a_function_and_a_type_of_ones_own_can_say_a_policy() {
    struct Twice;
    impl IntoRetryPolicy for Twice {
        fn retry_policy(&self) -> RetryPolicy {
            RetryPolicy::new().attempts(2)
        }
    }
    fn thrice() -> RetryPolicy {
        RetryPolicy::new().attempts(3)
    }
    let house = House::new();
    let attempts = 4;
    let as_configured = || RetryPolicy::new().attempts(attempts);
    house.conflicts(9);
    assert_eq!(house.runs(&Twice), 2);
    house.conflicts(9);
    assert_eq!(house.runs(&thrice), 3);
    house.conflicts(9);
    assert_eq!(house.runs(&as_configured), 4);
}

#[test]
fn a_class_that_the_policy_leaves_out_is_an_error_at_once() {
    let house = House::new();
    let conflicts_only = RetryPolicy::new().on(&[Class::Retry]);
    house.fail(1, DatabaseErrorKind::ClosedConnection, "the connection hung up");
    let (runs, ended) = house.run(&conflicts_only);
    let error = ended.expect_err("it is not run again");
    assert_eq!((runs, error.class()), (1, Class::Disconnect));
    let text = error.to_string();
    assert!(
        text.contains("tried 1 time in") && text.ends_with("its policy does not run errors of this class again"),
        "{text}"
    );
    house.conflicts(1);
    assert!(matches!(house.run(&conflicts_only), (2, Ok(()))));

    // The other way round; and an engine can say so for all.
    house.conflicts(100);
    assert_eq!(house.runs(&RetryPolicy::new().on(&[Class::Disconnect])), 1);
    let house = House::with(|builder| builder.retry_policy(RetryPolicy::new().on(&[])));
    house.conflicts(100);
    assert_eq!(house.runs(&RetryPolicy::new()), 1);
    house.conflicts(1);
    assert!(matches!(
        house.run(&RetryPolicy::new().on(&[Class::Retry])),
        (2, Ok(()))
    ));
}

#[test]
fn permanent_is_never_run_again_whatever_is_said() {
    let house = House::new();
    let policy = RetryPolicy::new().on(&[Class::Permanent, Class::Retry]).attempts(9);
    house.fail(1, DatabaseErrorKind::UniqueViolation, "UNIQUE constraint failed: t.a");
    assert_eq!(house.runs(&policy), 1);
}

#[test]
fn pauses_are_those_of_the_class_unless_the_policy_has_its_own() {
    let house = House::new();
    let pauses = |policy: RetryPolicy, kind, text| {
        let before = house.clock.slept().len();
        house.fail(100, kind, text);
        house.runs(&policy.attempts(4));
        house.clock.slept()[before..].to_vec()
    };
    let ms = Duration::from_millis;
    let conflicts = pauses(RetryPolicy::new(), DatabaseErrorKind::Unknown, "database is locked");
    assert!(
        conflicts[0].is_zero() && conflicts[1] <= ms(20) && conflicts[2] <= ms(40),
        "{conflicts:?}"
    );
    let gone = DatabaseErrorKind::ClosedConnection;
    let lost = pauses(RetryPolicy::new(), gone, "the connection hung up");
    assert!(
        lost[0] <= ms(100) && lost[1] <= ms(200) && lost[2] <= ms(400),
        "{lost:?}"
    );
    assert!(lost.iter().all(|pause| !pause.is_zero()), "{lost:?}");
    let none = pauses(
        RetryPolicy::new().backoff(Backoff::NONE),
        gone,
        "the connection hung up",
    );
    assert_eq!(none, [Duration::ZERO; 3]);
    let own = RetryPolicy::new().backoff(Backoff::exponential(ms(3), ms(5)));
    let own = pauses(own, DatabaseErrorKind::Unknown, "database is locked");
    assert!(own[0] <= ms(3) && own[1] <= ms(5) && own[2] <= ms(5), "{own:?}");
    assert!(
        own.iter().all(|pause| !pause.is_zero()),
        "its own backoff pauses at once: {own:?}"
    );
}

#[test]
fn the_transaction_is_read_only_where_the_policy_says_so_in_every_attempt() -> aludel::Result<()> {
    let house = House::new();
    let policy = RetryPolicy::new().read_only();
    let mut modes = Vec::new();
    house.engine.session().retry(&policy, |session| {
        modes.push(session.access_mode()?);
        if modes.len() == 1 {
            house.conflicts(1);
        }
        Ok(session.batch_execute("SELECT 1")?)
    })?;
    assert_eq!(modes, [AccessMode::ReadOnly; 2]);

    // A builder's word beats the policy's, and that beats the session's.
    let mut session = house.engine.session();
    session.build_transaction().read_write().retry(&policy, |session| {
        assert_eq!(session.access_mode()?, AccessMode::ReadWrite);
        Ok(())
    })?;
    session.retry(&RetryPolicy::new(), |session| {
        assert_eq!(session.access_mode()?, AccessMode::ReadWrite);
        Ok(())
    })
}

#[test]
fn a_transaction_that_lacks_what_the_policy_asks_for_is_not_joined() {
    let house = House::new();
    let policy = RetryPolicy::new().read_only();
    let mut session = house.engine.session();
    let refused = session.begin(|session| session.retry(&policy, |_| Ok(())));
    let error = refused.expect_err("it may write");
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(
        error.to_string().contains("READ ONLY was asked for inside one with"),
        "{error}"
    );
    session
        .build_transaction()
        .read_only()
        .run(|session| session.retry(&policy, |_| Ok(())))
        .expect("that one has it");
}

#[test]
fn what_the_database_has_not_is_refused_before_anything_begins() {
    let house = House::new();
    for policy in [
        RetryPolicy::new().deferrable(),
        RetryPolicy::new().isolation_level(IsolationLevel::RepeatableRead),
    ] {
        let (runs, ended) = house.run(&policy);
        assert_eq!((runs, ended.unwrap_err().kind()), (0, ErrorKind::Configuration));
        let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
            .retry_policy(policy)
            .build();
        assert_eq!(engine.unwrap_err().kind(), ErrorKind::Configuration);
    }
    let autocommit = RetryPolicy::new().isolation_level(IsolationLevel::Autocommit);
    let (runs, ended) = house.run(&autocommit);
    assert_eq!((runs, ended.unwrap_err().kind()), (0, ErrorKind::Misuse));
    house.log.expect(&[]);
}

#[test]
fn an_engine_that_has_used_up_its_budget_runs_nothing_again_until_it_has_earned_some() {
    let house = House::with(|builder| builder.retry_budget(RetryBudget::tokens(2)));
    let policy = RetryPolicy::new().backoff(Backoff::NONE);
    house.conflicts(2);
    assert!(matches!(house.run(&policy), (3, Ok(()))));
    house.conflicts(1);
    let (runs, ended) = house.run(&policy);
    let error = ended.expect_err("there is no token left");
    assert_eq!(
        (runs, error.kind(), error.class()),
        (1, ErrorKind::BudgetExhausted, Class::Retry)
    );
    assert_eq!(error.outcome(), Some(Outcome::RolledBack));
    // The first cause is what it was, for whoever looks.
    assert!(error.as_diesel().is_some() && error.is_retryable() && error.first_cause() == "database is locked");
    let text = error.to_string();
    assert!(
        text.starts_with("database is locked [SQL: SELECT 1] [rolled back, nothing was written]; tried 1 time"),
        "{text}"
    );
    assert!(
        text.contains("the engine's budget of reruns is used up") && text.contains("(retry_budget)"),
        "{text}"
    );

    // Nine more successes beside the one above are a token.
    for _ in 0..9 {
        assert!(house.run(&policy).1.is_ok());
    }
    house.conflicts(1);
    assert!(matches!(house.run(&policy), (2, Ok(()))));
}

#[test]
fn a_version_conflict_without_a_token_is_still_one_and_an_unknown_commit_still_unknown() {
    let house = House::with(|builder| builder.retry_budget(RetryBudget::tokens(0)));
    let conflict = house.engine.session().retry(&RetryPolicy::new(), |session| {
        session.batch_execute("SELECT 1")?;
        house.conflicts(1);
        session.batch_execute("SELECT 1").unwrap_err();
        Err::<(), _>(aludel::Error::object(
            ErrorKind::VersionConflict,
            "Account 7: expected 1, found 2",
        ))
    });
    let error = conflict.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BudgetExhausted);
    assert!(error.is_version_conflict());

    let lost = DatabaseErrorKind::ClosedConnection;
    house.script.fail_after(Phase::Commit, lost, "the answer is lost");
    let policy = RetryPolicy::new().commit(CommitPolicy::Idempotent);
    let (runs, ended) = house.run(&policy);
    let error = ended.unwrap_err();
    assert_eq!(
        (runs, error.kind(), error.outcome()),
        (1, ErrorKind::CommitUnknown, Some(Outcome::Unknown))
    );
    assert!(
        error.to_string().contains("look for the effect of the transaction"),
        "{error}"
    );
}

#[test]
fn a_configuration_says_all_of_it_in_text() -> aludel::Result<()> {
    let engine = aludel::EngineConfig::new()
        .set("url", "sqlite://:memory:")
        .set("retry_attempts", "7")
        .set("retry_deadline", "2s")
        .set("retry_commit", "idempotent")
        .set("retry_on", "retry, busy")
        .set("retry_backoff", "5ms..1s")
        .set("retry_budget", "12")
        .builder::<SqliteConnection>()?
        .build()?;
    let said = RetryPolicy::new()
        .attempts(7)
        .deadline(Duration::from_secs(2))
        .commit(CommitPolicy::Idempotent)
        .on(&[Class::Retry, Class::Busy])
        .backoff(Backoff::exponential(Duration::from_millis(5), Duration::from_secs(1)));
    assert_eq!(
        (engine.retry_policy(), engine.retry_budget()),
        (said, RetryBudget::tokens(12))
    );
    let config = aludel::EngineConfig::new()
        .set("url", "sqlite://:memory:")
        .set("retry_budgets", "1");
    let error = config.builder::<SqliteConnection>().unwrap_err().to_string();
    assert!(error.contains("did you mean `retry_budget`"), "{error}");
    Ok(())
}
