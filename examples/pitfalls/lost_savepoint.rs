//! A savepoint that is gone.

use aludel::Outcome;
use aludel::prelude::*;
use diesel::prelude::*;

use crate::bank::{ANN, BOB, Bank, CID, pay};
use crate::scene::{Scene, Told, in_short, short};

pub(crate) const SCENE: Scene = Scene {
    title: "the savepoint that is gone",
    story: "MariaDB. A transaction takes 100 from Ann, tries to give Bob a bonus of 10 in a savepoint (so that its failure \
            undoes nothing else), and gives Cid the 100. In the savepoint there is a deadlock, which takes the whole \
            transaction and its savepoints with it.",
    diesel,
    aludel,
};

fn diesel() -> Told {
    let (bank, mut told) = (Bank::<MysqlConnection>::open("savepoint_diesel"), Told::new());
    let mut connection = bank.pool().get().expect("the server runs");
    let answer: QueryResult<()> = connection.transaction(|connection| {
        pay(connection, ANN, -100)?;
        let bonus: QueryResult<()> =
            connection.transaction(|connection| bank.in_a_deadlock(|| pay(connection, BOB, 10)));
        told.answered("the bonus, in its savepoint", &bonus);
        pay(connection, CID, 100)
    });
    told.answered("the transaction", &answer);
    // Ann's payment was rolled back with the deadlock, and Cid's ran by itself: 100 came from nowhere.
    let found = bank.balances();
    let sound = answer.is_err() || found == "Ann 400, Bob 0, Cid 100";
    told.ends(short(&answer), found, sound)
}

fn aludel() -> Told {
    let (bank, mut told) = (Bank::<MysqlConnection>::open("savepoint_aludel"), Told::new());
    let answer: aludel::Result<()> = bank.engine().begin(|session| {
        pay(session, ANN, -100)?;
        let bonus: aludel::Result<()> = session.begin_nested(|nested| Ok(bank.in_a_deadlock(|| pay(nested, BOB, 10))?));
        told.answered("the bonus, in its savepoint", &bonus);
        Ok(pay(session, CID, 100)?)
    });
    told.answered("the transaction", &answer);
    let (said, found) = (in_short(&answer), bank.balances());
    let refused = answer.is_err_and(|error| error.is_retryable() && error.outcome() == Some(Outcome::RolledBack));
    let sound = refused && found == "Ann 500, Bob 0, Cid 0";
    told.ends(said, found, sound)
}
