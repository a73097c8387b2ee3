//! A panic that comes while a transaction is being ended, when its closure is over: in the values that are compared for the
//! flush, and in Diesel's instrumentation. Whoever began it has ended it all the same.
#![allow(clippy::unwrap_used)] // a story that fails is a test that fails

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};

use aludel::prelude::*;
use aludel_tests::account::{Account, accounts};
use aludel_tests::stage::{OutOfSugar, Stage, Staged as _};
use diesel::backend::Backend;
use diesel::connection::InstrumentationEvent;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::prelude::*;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::BigInt;

type Bank = Stage<SqliteConnection>;

thread_local! {
    static ARMED: Cell<bool> = const { Cell::new(false) };
}

/// A number that cannot always be compared.
#[derive(Clone, Copy, Debug, FromSqlRow, AsExpression)]
#[diesel(sql_type = BigInt)]
struct Brittle(i64);

impl PartialEq for Brittle {
    fn eq(&self, other: &Self) -> bool {
        if ARMED.replace(false) {
            panic_any(OutOfSugar);
        }
        self.0 == other.0
    }
}

impl<DB: Backend> FromSql<BigInt, DB> for Brittle
where
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        i64::from_sql(value).map(Self)
    }
}

impl<DB: Backend> ToSql<BigInt, DB> for Brittle
where
    i64: ToSql<BigInt, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.to_sql(out)
    }
}

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = accounts)]
struct Purse {
    id: i32,
    owner: String,
    balance: Brittle,
    #[model(version)]
    version: i32,
}

#[track_caller]
fn caught<T>(f: impl FnOnce() -> T) {
    let payload = catch_unwind(AssertUnwindSafe(f)).err().expect("it panics");
    assert!(payload.is::<OutOfSugar>(), "the payload goes on unchanged");
}

/// Changes Ann's balance, which will not be compared.
fn change(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    let ann = session.get_one::<Purse>(1)?;
    session.edit(ann)?.balance = Brittle(7);
    ARMED.set(true);
    Ok(())
}

/// The next transaction is one of its own, and its `Ok` says committed.
#[track_caller]
fn goes_on(bank: &Bank, mut session: Session<SqliteConnection>) {
    assert!(!session.in_transaction());
    session
        .begin(|session| Ok(SqliteConnection::withdraw(session, 1, 100)?))
        .unwrap();
    drop(session);
    assert_eq!(bank.balances(), [400, 0]);
    bank.assert_whole();
}

#[test]
fn a_panic_in_the_flush_before_commit_ends_the_transaction() {
    for on_exit in [OnExit::Invalidate, OnExit::RollbackIfIdle] {
        let bank = Bank::open_with("flush", |builder| builder.on_exit(on_exit));
        let mut session = bank.engine.session();
        caught(|| session.begin(change));
        goes_on(&bank, session);
    }
}

#[test]
fn a_panic_in_the_flush_before_release_ends_the_savepoint() -> aludel::Result<()> {
    let bank = Bank::open("release");
    let mut session = bank.engine.session();
    let error = session
        .begin(|session| {
            caught(|| session.begin_nested(change));
            assert!(!session.in_nested_transaction());
            Ok(())
        })
        .unwrap_err();
    assert!(error.is_doomed(), "{error}");
    goes_on(&bank, session);
    Ok(())
}

#[test]
fn a_panic_in_the_flush_of_diesels_transaction_ends_it() {
    let bank = Bank::open("diesels");
    let mut session = bank.engine.session();
    caught(|| session.transaction(change));
    goes_on(&bank, session);
}

/// What a flush had taken up when it was interrupted is neither written nor kept: COMMIT must not say it was.
#[test]
fn a_flush_that_panicked_is_not_committed_without_it() -> aludel::Result<()> {
    let bank = Bank::open("as_you_go");
    let mut session = bank.engine.session();
    change(&mut session)?;
    caught(|| session.flush());
    let error = session.commit().expect_err("a change was lost");
    assert!(error.is_doomed() && error.to_string().contains("a panic"), "{error}");
    goes_on(&bank, session);
    Ok(())
}

#[test]
fn an_instrumentation_that_panics_when_a_transaction_ends_changes_nothing() -> aludel::Result<()> {
    let bank = Bank::open("onlooker");
    let mut session = bank.engine.session();
    session.set_instrumentation(|event: InstrumentationEvent<'_>| {
        if matches!(
            event,
            InstrumentationEvent::BeginTransaction { .. }
                | InstrumentationEvent::CommitTransaction { .. }
                | InstrumentationEvent::RollbackTransaction { .. }
        ) {
            panic_any(OutOfSugar);
        }
    });
    let milk = session.begin(|_| -> aludel::Result<()> { Err(aludel::Error::other("not enough milk")) });
    assert!(milk.unwrap_err().to_string().contains("milk"));
    session.begin(|_| Ok(()))?;
    goes_on(&bank, session);
    Ok(())
}

/// Somebody puts another connection in the place of the one that was lent: there is nothing to roll back on it, and the panic
/// goes on; so does an error.
#[test]
fn a_panic_goes_through_diesels_transaction_whatever_was_swapped_in_it() -> aludel::Result<()> {
    let bank = Bank::open("swapped");
    let mut session = bank.engine.session();
    caught(|| {
        session.transaction(|session| -> QueryResult<()> {
            *session = bank.engine.session();
            panic_any(OutOfSugar)
        })
    });
    let error = session
        .transaction(|session| -> QueryResult<()> {
            *session = bank.engine.session();
            Err(diesel::result::Error::NotFound)
        })
        .unwrap_err();
    assert_eq!(error, diesel::result::Error::NotFound);
    goes_on(&bank, session);
    Ok(())
}

/// The model of the other stories reads the same table.
#[test]
fn what_is_not_armed_is_compared() -> aludel::Result<()> {
    let bank = Bank::open("compared");
    bank.engine.begin(|session| {
        let ann = session.get_one::<Purse>(1)?;
        session.edit(ann)?.balance = Brittle(7);
        Ok(())
    })?;
    let ann = bank.engine.begin(|session| {
        let ann = session.get_one::<Account>(1)?;
        Ok(session[ann].clone())
    })?;
    assert_eq!((ann.balance, ann.version), (7, 2));
    Ok(())
}
