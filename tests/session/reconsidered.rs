//! A `handle_error` hook has the last word on an error, in every phase: it may make something of one that means nothing, and
//! nothing of one that means something.

use aludel::classify::CommitOutcome;
use aludel::clock::Clock;
use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::{Phase, RetryPolicy};
use aludel_tests::{EventLog, sqlite};
use diesel::connection::{DefaultLoadingMode, SimpleConnection};
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;

use crate::stories::{SCHEMA, accounts, withdraw};

/// Every phase of a transaction that a driver can fail in, in its order. Those of a pool are in
/// [`while_connecting_and_pinging`].
const PHASES: [Phase; 8] = [
    Phase::Begin,
    Phase::Statement,
    Phase::Fetch,
    Phase::Savepoint,
    Phase::Release,
    Phase::RollbackTo,
    Phase::Commit,
    Phase::Rollback,
];

/// What the classifier knows nothing about.
const PROXY: &str = "backend is draining";
/// What it takes for a reason to run again.
const LOCKED: &str = "database is locked";

/// A bank whose driver says `words` once, in one phase, and whose hook changes what it takes them for.
struct Story {
    engine: Engine<SqliteConnection>,
    seen: EventLog,
    script: FaultScript,
    phase: Phase,
}

impl Story {
    fn new(phase: Phase, words: &str, hook: impl Fn(&mut ErrorContext<'_>) + Send + Sync + 'static) -> Self {
        let (script, seen) = (FaultScript::new(), EventLog::new());
        let (log, words_of_hook) = (seen.clone(), words.to_owned());
        let engine = Engine::<SqliteConnection>::builder(sqlite::shared())
            .clock(Clock::test().0)
            .faults(script.clone())
            .handle_error(move |context| {
                if context.message() == words_of_hook {
                    assert_eq!(context.kind().is_none(), context.phase() == Phase::Connect);
                    log.push(format!("{:?}, was {}", context.phase(), context.verdict().class));
                    hook(context);
                }
            })
            .build()
            .expect("a good URL");
        engine
            .begin(|session| {
                session.batch_execute(SCHEMA)?;
                Ok(session.batch_execute("INSERT INTO accounts VALUES (1, 'Ann', 500, 1)")?)
            })
            .expect("an empty database takes a schema");
        script.fail_before(phase, DatabaseErrorKind::Unknown, words);
        Self {
            engine,
            seen,
            script,
            phase,
        }
    }

    /// A transaction that gets through all phases, as often as it is let; its runs, and its error.
    fn run(&self) -> (u32, Option<aludel::Error>) {
        let mut runs = 0;
        let ended = self.engine.session().retry(&RetryPolicy::new().attempts(3), |session| {
            runs += 1;
            withdraw(session, 1, 100)?;
            for row in accounts::table
                .select(accounts::id)
                .load_iter::<i32, DefaultLoadingMode>(session)?
            {
                row?;
            }
            session.begin_nested(|_| Ok(()))?;
            if matches!(self.phase, Phase::RollbackTo | Phase::Rollback) {
                session
                    .begin_nested(|_| -> aludel::Result<()> { Err(aludel::Error::other("not enough tea")) })
                    .expect_err("it is undone");
            }
            if self.phase == Phase::Rollback {
                return Err(aludel::Error::other("not enough milk"));
            }
            Ok(())
        });
        assert_eq!(self.script.remaining(), 0, "{:?} has come up", self.phase);
        self.engine.pool().assert_invariants();
        (runs, ended.err())
    }

    /// What Ann has got left.
    fn balance(&self) -> i64 {
        self.engine
            .begin(|session| Ok(accounts::table.select(accounts::balance).first(session)?))
            .expect("nothing fails any more")
    }
}

#[test]
fn nothing_is_made_something_of() {
    for phase in PHASES {
        let story = Story::new(phase, PROXY, |context| {
            context.set_class(Class::Disconnect);
            context.set_invalidate_pool_on_disconnect(true);
            context.set_commit_outcome(CommitOutcome::NotCommitted);
        });
        let (runs, error) = story.run();
        story.seen.expect(&[&*format!("{phase:?}, was permanent")]);
        let pool = story.engine.pool();
        if phase == Phase::Rollback {
            // The closure's own error is told, and the connection was on its way out.
            assert_eq!(runs, 1);
            assert!(error.is_some_and(|error| error.to_string().contains("not enough milk")));
            assert_eq!(pool.closed(), 1);
            continue;
        }
        assert!(error.is_none(), "{phase:?}: {error:?}");
        // BEGIN is repeated at once, before anybody could notice.
        assert_eq!(runs, if phase == Phase::Begin { 1 } else { 2 }, "{phase:?}");
        assert_eq!((pool.closed(), pool.generation()), (1, 1), "{phase:?}");
        assert_eq!(story.balance(), 400, "{phase:?}");
    }
}

#[test]
fn something_is_made_nothing_of() {
    for phase in PHASES {
        // Once as the classifier has it, so that it is seen what the hook changes.
        for vetoed in [false, true] {
            let story = Story::new(phase, LOCKED, move |context| {
                if vetoed {
                    context.set_class(Class::Permanent);
                }
            });
            let (runs, error) = story.run();
            story.seen.expect(&[&*format!("{phase:?}, was retry")]);
            if phase == Phase::Rollback {
                assert_eq!(runs, 1, "what failed is the closure, and the ROLLBACK only after it");
                continue;
            }
            if vetoed {
                // The body has not run at all where it was BEGIN that failed.
                assert!(runs <= 1, "{phase:?}: {runs}");
                let error = error.expect("nobody runs it again");
                assert!(!error.is_retryable(), "{phase:?}: {error}");
                assert_eq!(story.balance(), 500, "{phase:?}");
            } else {
                assert!(error.is_none(), "{phase:?}: {error:?}");
                assert_eq!(story.balance(), 400, "{phase:?}");
            }
        }
    }
}

#[test]
fn what_an_answer_to_commit_means_is_the_hooks_to_say() {
    use CommitOutcome::{NotCommitted, RolledBack, Unknown};
    for (class, outcome, runs, unknown) in [
        (Class::Retry, RolledBack, 2, false),
        (Class::Failover, NotCommitted, 2, false),
        (Class::Retry, Unknown, 1, true),
        (Class::Disconnect, Unknown, 1, true),
        (Class::Disconnect, NotCommitted, 2, false),
        (Class::Permanent, RolledBack, 1, false),
    ] {
        let story = Story::new(Phase::Commit, PROXY, move |context| {
            context.set_class(class);
            context.set_commit_outcome(outcome);
        });
        let (run, error) = story.run();
        assert_eq!(run, runs, "{class} and {outcome:?}");
        assert_eq!(
            error.is_some_and(|error| error.is_commit_unknown()),
            unknown,
            "{class} and {outcome:?}"
        );
        assert_eq!(story.balance(), if runs == 2 { 400 } else { 500 });
    }
    // One that says nothing of it has lost a connection in the middle of a COMMIT.
    let story = Story::new(Phase::Commit, PROXY, |context| context.set_class(Class::Disconnect));
    let (runs, error) = story.run();
    assert!(runs == 1 && error.is_some_and(|error| error.is_commit_unknown()));
}

#[test]
fn while_connecting_and_pinging() -> aludel::Result<()> {
    // (The engine has a connection: another one is made while it is out.)
    let story = Story::new(Phase::Connect, PROXY, |context| context.set_class(Class::Busy));
    let first = story.engine.raw_connection()?;
    let error = story.engine.raw_connection().map(drop).expect_err("it is refused");
    assert_eq!(error.class(), Class::Busy);
    story.seen.expect(&["Connect, was permanent"]);
    drop(first);

    for (class, replaced) in [(Class::Disconnect, true), (Class::Retry, false)] {
        let (script, seen) = (FaultScript::new(), EventLog::new());
        let log = seen.clone();
        let engine = Engine::<SqliteConnection>::builder(sqlite::shared())
            .faults(script.clone())
            .pool_pre_ping(PrePing::Always)
            .handle_error(move |context| {
                log.push(format!("{:?}, was {}", context.phase(), context.class()));
                context.set_class(class);
            })
            .build()?;
        drop(engine.raw_connection()?);
        script.fail_before(Phase::Ping, DatabaseErrorKind::Unknown, PROXY);
        let second = engine.raw_connection().map(drop);
        seen.expect(&["Ping, was permanent"]);
        assert_eq!(
            (second.is_ok(), engine.pool().opened()),
            if replaced { (true, 2) } else { (false, 1) }
        );
    }
    Ok(())
}
