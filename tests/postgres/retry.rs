//! `#[retry]`: outermost only, from fresh values, with a report.

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use aludel::prelude::*;
use aludel::{Error, RetryPolicy};
use diesel::PgConnection;

use crate::bank::{ANN, Account, BOB, Bank, another_ann, look, note, pay};

/// Spends a hundred; the first attempt loses its connection, and somebody else pays something in meanwhile.
#[retry]
fn spend(session: &mut Session<PgConnection>, account: Entity<Account>, chaos: &Chaos<'_>) -> aludel::Result<i64> {
    session.read(account)?;
    if chaos.strikes() {
        chaos.bank.kill(session);
        pay(&mut chaos.bank.outside(), ANN, 7)?;
    }
    session.edit(account)?.balance -= 100;
    session.flush()?;
    Ok(session[account].balance)
}

struct Chaos<'b> {
    bank: &'b Bank,
    armed: Cell<bool>,
}

impl Chaos<'_> {
    fn strikes(&self) -> bool {
        self.armed.replace(false)
    }
}

fn chaos(bank: &Bank) -> Chaos<'_> {
    Chaos {
        bank,
        armed: Cell::new(true),
    }
}

#[test]
fn an_entity_that_is_handed_in_has_fresh_values_in_the_second_attempt() {
    let bank = Bank::open("handed_in");
    let mut session = bank.engine.session();
    let ann = session.get_one::<Account>(ANN).expect("there is an Ann");
    assert_eq!(session[ann].balance, 500);
    let balance = spend(&mut session, ann, &chaos(&bank)).expect("the second attempt is left alone");
    assert_eq!((balance, bank.books().0), (407, 407));
    assert_eq!((session[ann].owner.as_str(), session[ann].version), ("Ann", 2));
    bank.expect_whole_pool();
}

#[test]
fn an_entity_that_was_changed_before_keeps_its_change_for_nobody() {
    let bank = Bank::open("changed_before");
    let mut session = bank.engine.session();
    let ann = session.get_one::<Account>(ANN).expect("there is an Ann");
    session[ann].balance = 0;
    // The change is pending work of a transaction that began by itself.
    let error = spend(&mut session, ann, &chaos(&bank)).unwrap_err();
    assert!(error.is_transaction_already_open(), "{error}");
    assert!(error.to_string().contains("unflushed changes of Account"), "{error}");
}

#[retry]
fn fails_inside(session: &mut Session<PgConnection>, bank: &Bank) -> aludel::Result<()> {
    bank.log.push("run");
    note(session, ANN, 1)?;
    another_ann(session)?;
    Ok(())
}

/// Its failure is its own: no statement of it fails.
#[retry]
fn refuses_inside(session: &mut Session<PgConnection>) -> aludel::Result<()> {
    note(session, ANN, 1)?;
    Err(Error::other("out of sugar"))
}

#[test]
fn inside_a_transaction_it_joins_passes_its_failure_up_and_dooms_the_innermost_level() {
    let bank = Bank::open("joined");
    let error = bank
        .engine
        .begin(|session| {
            pay(session, ANN, -100)?;
            assert!(fails_inside(session, &bank).is_err());
            assert!(Error::from(look(session).unwrap_err()).is_doomed());
            Ok(())
        })
        .unwrap_err();
    assert!(error.is_doomed(), "{error}");
    assert_eq!((bank.times("run"), bank.books()), (1, (500, 500, 0)));
    bank.expect_whole_pool();
}

#[test]
fn a_joined_function_that_refuses_by_itself_dooms_as_well() {
    let bank = Bank::open("refuses");
    let error = bank
        .engine
        .begin(|session| {
            let _ = refuses_inside(session);
            Ok(())
        })
        .unwrap_err();
    assert!(error.is_doomed(), "{error}");
    assert!(error.to_string().contains("joined the transaction"), "{error}");
    assert_eq!(bank.books(), (500, 500, 0));
    bank.expect_whole_pool();
}

#[test]
fn in_a_savepoint_of_its_callers_its_failure_can_be_survived() {
    let bank = Bank::open("survived");
    bank.engine
        .begin(|session| {
            pay(session, ANN, -100)?;
            assert!(session.begin_nested(|nested| fails_inside(nested, &bank)).is_err());
            assert!(session.begin_nested(refuses_inside).is_err());
            pay(session, BOB, 100)?;
            Ok(())
        })
        .expect("only the savepoints were lost");
    assert_eq!((bank.times("run"), bank.books()), (1, (400, 600, 0)));
    bank.expect_whole_pool();
}

#[test]
fn begin_inside_begin_joins_in_the_same_way() {
    let bank = Bank::open("begin_in_begin");
    bank.engine
        .begin(|session| session.begin(|session| Ok(pay(session, ANN, -100)?)))
        .expect("there is enough");
    bank.log.expect(&["begin", "commit"]);
    let error = bank.engine.begin(|session| {
        let _ = session.begin(|session| Ok(another_ann(session)?));
        Ok(())
    });
    assert!(error.unwrap_err().is_doomed());
    assert_eq!(bank.books(), (400, 500, 0));
}

#[test]
fn the_outermost_function_runs_again_for_a_joined_one() {
    let bank = Bank::open("outermost");
    let chaos = chaos(&bank);
    #[retry]
    fn outer(session: &mut Session<PgConnection>, chaos: &Chaos<'_>) -> aludel::Result<()> {
        pay(session, BOB, 100)?;
        let ann = session.get_one::<Account>(ANN)?;
        spend(session, ann, chaos)?;
        Ok(())
    }
    outer(&mut bank.engine.session(), &chaos).expect("the second attempt is left alone");
    assert_eq!(bank.books(), (407, 600, 0));
    assert_eq!(
        bank.times("rerun outer, attempt 2, after disconnect"),
        1,
        "{:?}",
        bank.log
    );
    bank.expect_whole_pool();
}

#[test]
fn the_rerun_asks_the_session_and_not_the_error() {
    #[derive(Debug)]
    struct Opaque;
    impl From<Error> for Opaque {
        fn from(_: Error) -> Self {
            Self
        }
    }
    #[retry]
    fn hides(session: &mut Session<PgConnection>, chaos: &Chaos<'_>) -> Result<(), Opaque> {
        if chaos.strikes() {
            chaos.bank.kill(session);
        }
        pay(session, ANN, -100).map(drop).map_err(|_| Opaque)
    }
    let bank = Bank::open("opaque");
    hides(&mut bank.engine.session(), &chaos(&bank)).expect("the session has seen the disconnect");
    assert_eq!(bank.books().0, 400);
    bank.expect_whole_pool();
}

#[test]
fn a_permanent_failure_is_not_run_again_and_leaves_no_connection_checked_out() {
    let bank = Bank::open("permanent");
    let mut session = bank.engine.session();
    let error = fails_inside(&mut session, &bank).unwrap_err();
    assert!(!error.is_retryable());
    assert_eq!(bank.times("run"), 1);
    bank.expect_whole_pool(); // while the session is alive
}

#[test]
fn success_leaves_no_connection_checked_out_either() {
    let bank = Bank::open("success");
    let mut session = bank.engine.session();
    session
        .retry(&RetryPolicy::new(), |session| Ok(pay(session, ANN, -100)?))
        .expect("there is enough");
    bank.expect_whole_pool(); // while the session is alive
    assert_eq!(bank.engine.pool().opened(), 1);
}

#[test]
fn hooks_wait_for_the_attempt_that_commits() {
    let bank = Bank::open("hooks");
    let chaos = chaos(&bank);
    let mut session = bank.engine.session();
    session
        .retry(&RetryPolicy::new(), |session| {
            let log = bank.log.clone();
            session.on_commit(move || log.push("told the world"));
            if chaos.strikes() {
                bank.kill(session);
            }
            pay(session, ANN, -100)?;
            Ok(())
        })
        .expect("the second attempt is left alone");
    assert_eq!(bank.times("told the world"), 1);
}

#[test]
fn the_rerun_event_carries_function_attempt_class_delay_and_cause() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    let bank = Bank::open_with("event", move |builder| {
        builder.listen(move |event| {
            if let Event::Rerun {
                function,
                attempt,
                class,
                delay,
                cause,
            } = event
            {
                let report = ((*function).to_owned(), *attempt, *class, *delay, (*cause).to_owned());
                listener.lock().expect("nobody panics").push(report);
            }
        })
    });
    let mut session = bank.engine.session();
    let ann = session.get_one::<Account>(ANN).expect("there is an Ann");
    spend(&mut session, ann, &chaos(&bank)).expect("the second attempt is left alone");
    let told = told.lock().expect("nobody panics");
    let [(function, attempt, class, delay, cause)] = told.as_slice() else {
        panic!("one rerun: {told:?}")
    };
    assert_eq!((function.as_str(), *attempt, *class), ("spend", 2, Class::Disconnect));
    assert!(delay.as_millis() <= 100, "{delay:?}");
    // libpq's last word where the statement was being prepared, and the server's first one where it was not.
    let words = [
        "server closed the connection unexpectedly",
        "terminating connection due to administrator command",
    ];
    assert!(words.iter().any(|words| cause.contains(words)), "{cause}");
}
