//! A deadlock that somebody swallows.

use aludel::Outcome;
use aludel::prelude::*;
use diesel::prelude::*;
use diesel::result::Error as DieselError;

use crate::bank::{ANN, BOB, Bank, CID, pay};
use crate::scene::{Scene, Told, in_short, short};

pub(crate) const SCENE: Scene = Scene {
    title: "the swallowed deadlock",
    story: "MariaDB. A purchase takes 100 from Ann, tries to give Bob a bonus of 10 (nice to have, so its failure is \
            only logged), gives Cid 100, and then finds that the goods are sold out: everything is to be rolled back. \
            The bonus runs into a deadlock.",
    diesel,
    aludel,
};

fn diesel() -> Told {
    let (bank, mut told) = (Bank::<MysqlConnection>::open("deadlock_diesel"), Told::new());
    let mut connection = bank.pool().get().expect("the server runs");
    let answer: QueryResult<()> = connection.transaction(|connection| {
        pay(connection, ANN, -100)?;
        let bonus = bank.in_a_deadlock(|| pay(connection, BOB, 10));
        told.answered("the bonus, which is not important", &bonus);
        let paid = pay(connection, CID, 100);
        told.answered("the payment to Cid", &paid);
        paid?;
        Err(DieselError::RollbackTransaction) // sold out
    });
    told.answered("the transaction, rolled back on purpose", &answer);
    let rolled_back = matches!(answer, Err(DieselError::RollbackTransaction));
    let said = if rolled_back {
        "rolled back, as asked".to_owned()
    } else {
        short(&answer)
    };
    // MariaDB had rolled back all of it at the deadlock, so the payment to Cid ran, and stayed, by itself.
    let found = bank.balances();
    let sound = found == "Ann 500, Bob 0, Cid 0";
    told.ends(said, found, sound)
}

fn aludel() -> Told {
    let (bank, mut told) = (Bank::<MysqlConnection>::open("deadlock_aludel"), Told::new());
    let answer: aludel::Result<()> = bank.engine().begin(|session| {
        pay(session, ANN, -100)?;
        let bonus = bank.in_a_deadlock(|| pay(session, BOB, 10));
        told.answered("the bonus, which is not important", &bonus);
        let paid = pay(session, CID, 100);
        told.answered("the payment to Cid", &paid);
        paid?;
        Err(DieselError::RollbackTransaction.into()) // sold out
    });
    told.answered("the transaction", &answer);
    let (said, found) = (in_short(&answer), bank.balances());
    let refused = answer.is_err_and(|error| error.is_retryable() && error.outcome() == Some(Outcome::RolledBack));
    let sound = refused && found == "Ann 500, Bob 0, Cid 0";
    told.ends(said, found, sound)
}
