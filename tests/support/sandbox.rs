//! Work that is never committed: sandboxes, and what `begin_test_transaction` shares with them.
#![allow(
    missing_docs,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a story is a test, and fails as tests do"
)]

use std::thread;

use aludel::prelude::*;
use aludel::testing::Sandbox;
use aludel::{ErrorKind, Flavour, Phase, RetryPolicy, SessionFactory};
use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::result::DatabaseErrorKind;

use crate::account::Account;
use crate::cases::{Stage, insert, insert_again, look};
use crate::gate::Gate;

/// The stories as tests on the stages that a function makes.
#[macro_export]
macro_rules! sandbox_stories {
    ($stage:path) => {
        $crate::sandbox_stories! { $stage:
            code_under_test_begins_commits_and_rolls_back_as_it_likes
            hooks_are_captured_and_can_be_run
            one_connection_is_enough_for_sessions_that_take_turns
            a_session_of_another_thread_waits_for_its_turn
            what_takes_everything_away_ends_it
            a_definition_is_undone_or_ends_it
            what_it_was_opened_with_is_what_it_has
            a_session_may_outlive_it
            a_test_transaction_is_the_same_for_one_session
        }
    };
    ($stage:path: $($story:ident)*) => {$(
        #[test]
        fn $story() -> aludel::Result<()> {
            $crate::sandbox::$story(&$stage(stringify!($story)))
        }
    )*};
}

/// How many rows whoever uses this engine sees.
fn count<C: Dialect>(engine: &Engine<C>) -> aludel::Result<usize>
where
    Account: Persist<C::Backend>,
{
    let mut session = engine.session();
    let mut found = 0;
    for id in 1..=9 {
        found += usize::from(session.get::<Account>(id)?.is_some());
    }
    session.commit()?;
    Ok(found)
}

/// Code that knows nothing of sandboxes: it has an engine.
fn open_accounts<C: Dialect>(engine: &Engine<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    engine.begin(|session| {
        session.add(Account::new("Ann", 1));
        Ok(())
    })?;
    let mut session = engine.session();
    let refused = session.begin(|session| {
        session.add(Account::new("Bob", 1));
        session.flush()?;
        session.add(Account::new("Ann", 1));
        Ok(())
    });
    assert!(refused.is_err(), "there is an Ann");
    session.retry(&RetryPolicy::new(), |session| insert(session, 7))?;
    insert(&mut session, 8)?;
    session.commit()?;
    insert(&mut session, 9)?;
    session.rollback()?;
    session.transaction(|session| -> diesel::QueryResult<()> {
        session.batch_execute("UPDATE accounts SET balance = 5 WHERE id = 8")
    })?;
    session.batch_execute("BEGIN")?;
    insert(&mut session, 9)?;
    session.batch_execute("ROLLBACK")?;
    session.close()
}

pub fn code_under_test_begins_commits_and_rolls_back_as_it_likes<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let sandbox = stage.engine.sandbox()?;
    open_accounts(&sandbox)?;
    assert_eq!((count(&sandbox)?, stage.rows()), (3, vec![]));
    let mut session = sandbox.session();
    let eight = session.get_one::<Account>(8)?;
    assert_eq!(session[eight].balance, 5);
    drop(session);
    assert_eq!(stage.engine.pool().checkedout(), 1);
    drop(sandbox);
    let said = stage.log.take();
    let roots = ["begin", "commit", "rollback"];
    let outer: Vec<&str> = said
        .iter()
        .map(String::as_str)
        .filter(|line| roots.contains(line))
        .collect();
    assert_eq!(outer, ["begin", "rollback"]);
    assert_eq!((count(&stage.engine)?, stage.rows()), (0, vec![]));
    stage.assert_whole();
    Ok(())
}

pub fn hooks_are_captured_and_can_be_run<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let sandbox = stage.engine.sandbox()?;
    let log = &stage.log;
    let pair = |session: &mut Session<C>, name: &'static str| {
        let (committed, undone) = (log.clone(), log.clone());
        session.on_commit(move || committed.push(format!("{name}: told")));
        session.on_rollback(move || undone.push(format!("{name}: undone")));
    };
    log.clear();
    sandbox.begin(|session| {
        pair(session, "Ann");
        let before = log.clone();
        session.before_commit(move |session| {
            before.push("before a commit");
            insert(session, 2)
        });
        insert(session, 1)
    })?;
    let refused = sandbox.begin(|session| {
        pair(session, "Bob");
        insert_again(session, 1);
        Err::<(), _>(aludel::Error::other("no"))
    });
    assert!(refused.is_err());
    let mut session = sandbox.session();
    pair(&mut session, "Carol");
    session.commit()?; // with nothing to commit
    let notes = log.take();
    let ours = |line: &&str| line.contains(": ") || line.starts_with("before");
    let notes: Vec<&str> = notes.iter().map(String::as_str).filter(ours).collect();
    assert_eq!(notes, ["before a commit", "Bob: undone"]);
    let places: Vec<&str> = sandbox.hooks().iter().map(|hook| hook.place().file()).collect();
    assert_eq!(places.len(), 2);
    assert!(places.iter().all(|file| file.ends_with("sandbox.rs")), "{places:?}");
    assert_eq!(sandbox.run_hooks(), 2);
    log.expect(&["Ann: told", "Carol: told"]);
    assert_eq!((sandbox.run_hooks(), sandbox.hooks()), (0, vec![]));
    sandbox.begin(|session| {
        pair(session, "Dora");
        Ok(())
    })?;
    log.clear();
    drop((session, sandbox));
    log.expect(&["rollback"]); // Dora's commit was one for the code that made it, and never came
    assert_eq!(stage.rows(), []);
    Ok(())
}

pub fn one_connection_is_enough_for_sessions_that_take_turns<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let sandbox = stage.engine.sandbox()?;
    let factory = SessionFactory::new(&sandbox);
    let (mut one, mut two) = (factory.session(), sandbox.session());
    insert(&mut one, 1)?;
    let refused = look(&mut two).expect_err("the other one has the connection");
    assert_eq!(refused.kind(), ErrorKind::Misuse);
    assert!(refused.to_string().contains("sandbox.rs:"), "{refused}");
    one.commit()?;
    insert(&mut two, 2)?;
    two.commit()?;
    let mut connection = sandbox.connect();
    insert(&mut connection, 3)?;
    connection.commit()?;
    assert!(look(&mut one).is_err(), "a connection keeps it until it is closed");
    connection.close()?;
    look(&mut one)?;
    one.close()?;
    // What is in the sandbox may itself be given to a session.
    connection.batch_execute("BEGIN")?;
    factory.on(&mut connection, |session| insert(session, 4))?;
    connection.rollback()?;
    drop(connection);
    insert(&mut two, 4)?;
    two.rollback()?;
    assert!(sandbox.sandbox().is_err());
    drop((one, two, factory, sandbox));
    assert_eq!(stage.rows(), []);
    stage.assert_whole();
    Ok(())
}

pub fn a_session_of_another_thread_waits_for_its_turn<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    // On the system's clock, which nobody has to turn.
    let engine = Engine::<C>::new(stage.engine.url().clone())?;
    let sandbox = engine.sandbox()?;
    let (waits, stopped) = (Gate::new("somebody waits"), CancelToken::new());
    thread::scope(|scope| {
        let mut session = sandbox.session();
        insert(&mut session, 1)?;
        let other = scope.spawn(|| {
            waits.pass();
            sandbox.begin(|session| insert(session, 2))
        });
        let told = scope.spawn(|| {
            let mut session = sandbox.session();
            session.set_cancel_token(stopped.clone());
            session.begin(look)
        });
        waits.wait();
        stopped.cancel("for the test");
        let told = told.join().expect("it does not panic");
        assert!(told.expect_err("it was told to stop").is_exit());
        session.commit()?;
        other.join().expect("it does not panic")
    })?;
    assert_eq!((count(&sandbox)?, stage.rows()), (2, vec![]));
    Ok(())
}

/// A lost connection, and a panic, are told to whoever comes next.
pub fn what_takes_everything_away_ends_it<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let quiet = |_: &mut Session<C>| -> aludel::Result<()> { std::panic::resume_unwind(Box::new("a quiet panic")) };
    for lost in [true, false] {
        let sandbox = stage.engine.sandbox()?;
        sandbox.begin(|session| insert(session, 1))?;
        let cause = if lost {
            stage.fail(Phase::Statement, DatabaseErrorKind::ClosedConnection, "it hung up");
            let mut runs = 0;
            let ended = sandbox.session().retry(&RetryPolicy::new(), |session| {
                runs += 1;
                look(session)
            });
            assert!(ended.expect_err("its connection is gone").is_disconnect());
            assert_eq!(runs, 1, "there is nothing that could start again");
            "it hung up"
        } else {
            let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sandbox.begin(quiet)));
            assert!(unwound.is_err());
            "a panic"
        };
        let told = sandbox.begin(look).expect_err("all of it is gone");
        assert!(told.is_doomed() && told.to_string().contains(cause), "{told}");
        let told = look(&mut sandbox.session()).expect_err("and stays so");
        assert!(told.is_doomed() && told.to_string().contains(cause), "{told}");
        drop(sandbox);
        assert_eq!(stage.rows(), []);
        stage.assert_whole();
    }
    Ok(())
}

/// A table that is made in a sandbox goes with it; where a definition commits whatever it is in, the sandbox is over, and says
/// so.
pub fn a_definition_is_undone_or_ends_it<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let sandbox = stage.engine.sandbox()?;
    let made = sandbox.begin(|session| Ok(session.batch_execute("CREATE TABLE made_in_a_sandbox (a INTEGER)")?));
    if C::FLAVOUR == Flavour::MySql {
        let text = made.expect_err("it has committed all that came before").to_string();
        assert!(text.contains("committed the transaction"), "{text}");
        let told = sandbox.begin(look).expect_err("nothing that follows would be undone");
        assert!(
            told.is_doomed() && told.to_string().contains("made_in_a_sandbox"),
            "{told}"
        );
    } else {
        made?;
        sandbox.begin(|session| Ok(session.batch_execute("INSERT INTO made_in_a_sandbox VALUES (1)")?))?;
        drop(sandbox);
        let mut session = stage.engine.session();
        session
            .batch_execute("SELECT * FROM made_in_a_sandbox")
            .expect_err("it is not there");
    }
    Ok(())
}

/// Its level and mode are those that it was opened with; what asks for others is refused, and not pretended to have them.
pub fn what_it_was_opened_with_is_what_it_has<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let serializable = ExecutionOptions::new().isolation_level(IsolationLevel::Serializable);
    let sandbox: Sandbox<C> = stage.engine.execution_options(serializable)?.sandbox()?;
    let mut session = sandbox.session();
    let level = session
        .build_transaction()
        .serializable()
        .run(Session::isolation_level)?;
    assert_eq!(level, IsolationLevel::Serializable);
    let refused = [
        session.build_transaction().read_only().run(look),
        sandbox
            .execution_options(ExecutionOptions::new().read_only())?
            .begin(look),
        session
            .execution_options(ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit))
            .map(drop)
            .and_then(|()| look(&mut session)),
    ];
    for refused in refused {
        assert_eq!(refused.expect_err("it is not so").kind(), ErrorKind::Misuse);
    }
    let autocommit = ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit);
    let refused = stage.engine.execution_options(autocommit)?.sandbox();
    assert!(
        refused
            .expect_err("there is no transaction")
            .to_string()
            .contains("AUTOCOMMIT")
    );
    Ok(())
}

pub fn a_session_may_outlive_it<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()> {
    let sandbox = stage.engine.sandbox()?;
    let (mut idle, mut busy) = (sandbox.session(), sandbox.session());
    insert(&mut busy, 1)?;
    stage.log.clear();
    drop(sandbox);
    stage.log.expect(&[]);
    busy.commit()?; // and with this all that was in the sandbox is rolled back
    stage.log.expect(&["release 1", "rollback"]);
    for session in [&mut idle, &mut busy] {
        let refused = look(session).expect_err("there is nothing left of it");
        assert!(refused.to_string().contains("has ended"), "{refused}");
    }
    assert_eq!(stage.rows(), []);
    stage.assert_whole();
    Ok(())
}

/// `begin_test_transaction`: what is written as one goes is a fixture, and in nobody's way.
pub fn a_test_transaction_is_the_same_for_one_session<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = stage.engine.session();
    session.begin_test_transaction()?;
    insert(&mut session, 5)?;
    session.add(Account::new("Ann", 1));
    session.begin(|session| insert(session, 8))?;
    session.rollback()?;
    insert(&mut session, 9)?;
    session.close()?;
    assert!(session.begin_test_transaction().is_err(), "it goes on");
    session
        .begin(|session| {
            insert_again(session, 5);
            Err::<(), _>(aludel::Error::other("no"))
        })
        .expect_err("it said no");
    let there = |id: &i32| session.get::<Account>(*id).is_ok_and(|found| found.is_some());
    let found: Vec<i32> = (1..=9).filter(there).collect();
    assert!(found.len() == 3 && found.ends_with(&[8]), "{found:?}");
    // What was lost with its connection is begun anew by a rollback.
    stage.fail(Phase::Statement, DatabaseErrorKind::ClosedConnection, "it hung up");
    look(&mut session).expect_err("it is gone");
    let refused = session.begin(look).expect_err("it failed before");
    assert!(refused.to_string().contains("it hung up"), "{refused}");
    session.rollback()?;
    assert_eq!(session.get::<Account>(5)?, None);
    drop(session);
    assert_eq!(stage.rows(), []);
    let said = stage.log.take();
    assert_eq!(
        said.iter().filter(|line| *line == "begin" || *line == "commit").count(),
        2,
        "{said:?}"
    );
    assert!(!said.contains(&"dropped uncommitted".to_owned()), "{said:?}");
    stage.assert_whole();
    Ok(())
}
