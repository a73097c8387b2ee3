//! The ways in which a transfer is carried out, and what its caller is told.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};
use std::{error, fmt};

use aludel::prelude::*;
use aludel::{Connection, Error, Result};
use diesel::connection::{LoadConnection, SimpleConnection as _};
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::books::{Account, BELLS, Books, Line, Order};

/// How long a caller that runs its own loop goes on trying: longer than a server takes to come back on a busy machine. The
/// deadlines of `#[retry]` below are shorter, since its pauses grow with the outage, and the end of a run waits for them.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pause of a caller that runs its own loop; shorter would be a busy loop while the server is away.
const PAUSE: Duration = Duration::from_millis(10);

/// How a transfer is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// `#[retry]`, with objects of the identity map and their versions.
    Objects,
    /// `#[retry(commit = "idempotent")]`, in SQL.
    Idempotent,
    /// `#[retry(commit = "verify")]`, in SQL.
    Verified,
    /// A transaction that is to be verified, whose token its caller keeps.
    Token,
    /// `engine.begin`, and a loop of the caller's own around it.
    OwnLoop,
    /// A session that is kept for a long time, its transactions begun by themselves and ended by `commit`.
    AsYouGo,
    /// Diesel's own `transaction()`, one in the other, as foreign code would.
    Diesel,
    /// A connection without objects, and SQL as text.
    Text,
    /// `engine.begin` with a closure that swallows the errors of statements that do not matter to it.
    Careless,
    /// A closure that does all of it, and then leaves with an `Exit` or a panic: it must come to nothing.
    Left,
}

impl Way {
    /// `#[retry]` twice: what runs a transaction again by itself is what can do it once too often.
    pub(super) const ALL: [Self; 11] = [
        Self::Objects,
        Self::Objects,
        Self::Idempotent,
        Self::Verified,
        Self::Token,
        Self::OwnLoop,
        Self::AsYouGo,
        Self::Diesel,
        Self::Text,
        Self::Careless,
        Self::Left,
    ];
}

/// What a savepoint in the middle of it is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gambit {
    /// There is none.
    None,
    /// It writes a line, and its closure returns an error.
    Refusal,
    /// It writes the same line twice, which the database refuses.
    Collision,
}

/// What the caller is told.
#[derive(Debug)]
pub(super) enum Answer {
    /// It is done.
    Done,
    /// It is not, and nothing of it was written.
    Refused(Error),
    /// Nobody knows.
    Unknown(Error),
}

impl From<Result<()>> for Answer {
    fn from(result: Result<()>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(error) if error.is_commit_unknown() => Self::Unknown(error),
            Err(error) => Self::Refused(error),
        }
    }
}

/// An error of the caller's own: nothing is wrong, it wants to fail.
#[derive(Debug)]
pub(super) struct OnPurpose;

impl fmt::Display for OnPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("on purpose")
    }
}

impl error::Error for OnPurpose {}

/// Carries an order out. `kept` is the session of those who keep one.
pub(super) fn carry_out<C>(way: Way, engine: &Engine<C>, kept: &mut Session<C>, order: &Order, gambit: Gambit) -> Answer
where
    C: Dialect<Backend: Books>,
    Account: Persist<C::Backend>,
    Line: Persist<C::Backend>,
{
    match way {
        Way::Objects => by_objects(&mut engine.session(), order, gambit).into(),
        Way::Idempotent => once(&mut engine.session(), order, gambit).into(),
        Way::Verified => verified(&mut engine.session(), order, gambit).into(),
        Way::Token => {
            let mut session = engine.session();
            let transaction = session.build_transaction().verified();
            transaction.run(|session| in_order(session, order, gambit)).into()
        }
        Way::OwnLoop => in_own_loop(engine, order, gambit).into(),
        Way::AsYouGo => as_you_go(kept, order, gambit).into(),
        Way::Diesel => as_foreign_code(&mut engine.session(), order, gambit)
            .map_err(Error::from)
            .into(),
        Way::Text => in_text(&mut engine.connect(), order, gambit).into(),
        Way::Careless => engine.begin(|session| carelessly(session, order, gambit)).into(),
        Way::Left => Answer::Refused(leave(engine, order, gambit)),
    }
}

#[retry(attempts = 20, deadline = "4s")]
fn by_objects<C>(session: &mut Session<C>, order: &Order, gambit: Gambit) -> Result<()>
where
    C: Dialect<Backend: Books>,
    Account: Persist<C::Backend>,
    Line: Persist<C::Backend>,
{
    for (id, by) in order.steps() {
        let account = session.get_one::<Account>(id)?;
        session[account].balance += by;
    }
    session.add(order.line());
    gamble(session, order, gambit)
}

/// The promise that makes it harmless to run again: the line is written first, and its key is the order's.
#[retry(attempts = 100, deadline = "4s", commit = "idempotent")]
fn once<C>(session: &mut Session<C>, order: &Order, gambit: Gambit) -> Result<()>
where
    C: Dialect<Backend: Books>,
    Line: Persist<C::Backend>,
{
    let written = session.begin_nested(|nested| {
        nested.add(order.line());
        nested.flush()
    });
    match written {
        Err(error) if is_duplicate(&error) => return Ok(()), // an earlier attempt, whose answer was lost
        other => other?,
    }
    gamble(session, order, gambit)?;
    pay(session, order)
}

/// What has happened is answered as if nothing had; what has not runs again.
#[retry(attempts = 100, deadline = "4s", commit = "verify")]
fn verified<C>(session: &mut Session<C>, order: &Order, gambit: Gambit) -> Result<()>
where
    C: Dialect<Backend: Books>,
{
    in_order(session, order, gambit)
}

fn in_own_loop<C>(engine: &Engine<C>, order: &Order, gambit: Gambit) -> Result<()>
where
    C: Dialect<Backend: Books>,
{
    let started = Instant::now();
    loop {
        let tried = engine.begin(|session| in_order(session, order, gambit));
        match tried {
            Err(error) if error.is_retryable() && started.elapsed() < PATIENCE => engine.clock().sleep(PAUSE),
            other => return other,
        }
    }
}

fn as_you_go<C>(session: &mut Session<C>, order: &Order, gambit: Gambit) -> Result<()>
where
    C: Dialect<Backend: Books>,
{
    let done = (|| {
        C::Backend::accounts(session)?;
        C::Backend::write(session, &order.line())?;
        gamble(session, order, gambit)?;
        pay(session, order)
    })();
    let done = done.and_then(|()| session.commit());
    if done.is_err() {
        session.rollback()?;
    }
    done
}

fn as_foreign_code<C>(session: &mut C, order: &Order, gambit: Gambit) -> diesel::QueryResult<()>
where
    C: LoadConnection<Backend: Books>,
{
    session.transaction(|outer| {
        C::Backend::write(outer, &order.line())?;
        if gambit != Gambit::None {
            let failed: diesel::QueryResult<()> = outer.transaction(|inner| {
                C::Backend::write(inner, &order.ghost())?;
                if gambit == Gambit::Collision {
                    C::Backend::write(inner, &order.ghost())?;
                }
                Err(DieselError::RollbackTransaction)
            });
            match failed {
                Err(
                    DieselError::RollbackTransaction
                    | DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _),
                ) => {}
                other => other?,
            }
        }
        for (id, by) in order.steps() {
            C::Backend::change_balance(outer, id, by)?;
        }
        Ok(())
    })
}

fn in_text<C>(connection: &mut Connection<C>, order: &Order, gambit: Gambit) -> Result<()>
where
    C: Dialect<Backend: Books>,
{
    let Order {
        id,
        debit,
        credit,
        amount,
    } = order;
    connection.batch_execute(&format!(
        "INSERT INTO chaos_ledger (id, debit, credit, amount, state) VALUES ({id}, {debit}, {credit}, {amount}, 'done')"
    ))?;
    gamble(connection, order, gambit)?;
    for (id, by) in order.steps() {
        connection.batch_execute(&format!(
            "UPDATE chaos_accounts SET balance = balance + {by}, version = version + 1 WHERE id = {id}"
        ))?;
    }
    connection.commit()
}

/// What it swallows may have taken the whole transaction with it; then it must not be told that all is well.
fn carelessly<C>(session: &mut Session<C>, order: &Order, gambit: Gambit) -> Result<()>
where
    C: Dialect<Backend: Books>,
{
    C::Backend::write(session, &order.line())?;
    for bell in bells(order) {
        let _ = C::Backend::ring(session, bell);
    }
    if gambit == Gambit::Collision {
        let _ = C::Backend::write(session, &order.line());
    }
    pay(session, order)
}

fn leave<C>(engine: &Engine<C>, order: &Order, gambit: Gambit) -> Error
where
    C: Dialect<Backend: Books>,
{
    let left = catch_unwind(AssertUnwindSafe(|| {
        engine.begin(|session| -> Result<()> {
            C::Backend::write(session, &order.line())?;
            gamble(session, order, gambit)?;
            pay(session, order)?;
            if order.id % 2 == 0 {
                Err(Exit::new("on purpose").into())
            } else {
                resume_unwind(Box::new(OnPurpose)) // which prints nothing
            }
        })
    }));
    match left {
        Ok(Err(error)) => error,
        Ok(Ok(())) => panic!("order {} was left on purpose, and its transaction says Ok", order.id),
        Err(payload) if payload.is::<OnPurpose>() => Error::other(OnPurpose),
        Err(payload) => resume_unwind(payload),
    }
}

fn in_order<C>(session: &mut Session<C>, order: &Order, gambit: Gambit) -> Result<()>
where
    C: Dialect<Backend: Books>,
{
    gamble(session, order, gambit)?;
    C::Backend::write(session, &order.line())?;
    pay(session, order)
}

fn pay<N>(connection: &mut N, order: &Order) -> Result<()>
where
    N: LoadConnection<Backend: Books>,
{
    for (id, by) in order.steps() {
        let rows = N::Backend::change_balance(connection, id, by)?;
        assert_eq!(rows, 1, "account {id} is there, and an UPDATE of it said Ok");
    }
    Ok(())
}

/// A savepoint that fails on purpose: nothing of it may be there afterwards, and the transaction around it goes on.
fn gamble<N>(connection: &mut N, order: &Order, gambit: Gambit) -> Result<()>
where
    N: Nests<Backend: Books>,
{
    if gambit == Gambit::None {
        return Ok(());
    }
    let failed = connection.nested(|nested| {
        N::Backend::write(nested, &order.ghost())?;
        if gambit == Gambit::Collision {
            N::Backend::write(nested, &order.ghost())?;
        }
        Err(Error::other(OnPurpose))
    });
    match failed {
        Err(error) if is_on_purpose(&error) || is_duplicate(&error) => Ok(()),
        other => other,
    }
}

/// Two bells in an order of the caller's own, so that those who ring them meet in deadlocks.
fn bells(order: &Order) -> [i64; 2] {
    if order.id % 2 == 0 { [1, BELLS] } else { [BELLS, 1] }
}

/// What has savepoints of ours.
trait Nests: LoadConnection {
    fn nested(&mut self, f: impl FnOnce(&mut Self) -> Result<()>) -> Result<()>;
}

impl<C: Dialect> Nests for Session<C> {
    fn nested(&mut self, f: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.begin_nested(f)
    }
}

impl<C: Dialect> Nests for Connection<C> {
    fn nested(&mut self, f: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.begin_nested(f)
    }
}

pub(super) fn is_duplicate(error: &Error) -> bool {
    matches!(
        error.as_diesel(),
        Some(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
    )
}

pub(super) fn is_on_purpose(error: &Error) -> bool {
    error.downcast_ref::<OnPurpose>().is_some() || error.is_exit()
}
