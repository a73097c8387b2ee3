//! An error that somebody swallows.

use aludel::prelude::*;
use diesel::prelude::*;

use crate::bank::{ANN, Bank, accounts, pay};
use crate::scene::{Scene, Told, in_short, short};

pub(crate) const SCENE: Scene = Scene {
    title: "the swallowed error",
    story: "PostgreSQL. A transaction gives Ann 100 and makes sure that Bob has an account: he has one, the INSERT fails \
            on its key, and that is fine. Everything else went well, so the transaction ends with Ok.",
    diesel,
    aludel,
};

fn diesel() -> Told {
    let (bank, mut told) = (Bank::<PgConnection>::open("swallowed_diesel"), Told::new());
    let mut connection = bank.pool().get().expect("the server runs");
    let answer: QueryResult<()> = connection.transaction(|connection| {
        pay(connection, ANN, 100)?;
        let opened = diesel::insert_into(accounts::table)
            .values((accounts::id.eq(2), accounts::owner.eq("Bob"), accounts::balance.eq(0)))
            .execute(connection);
        told.answered("Bob's account, which may be there", &opened);
        Ok(())
    });
    told.answered("the transaction", &answer);
    // The failed INSERT had aborted the transaction. PostgreSQL answers such a COMMIT with ROLLBACK, which is no error.
    let found = bank.balances();
    let sound = answer.is_err() || found == "Ann 600, Bob 0, Cid 0";
    told.ends(short(&answer), found, sound)
}

fn aludel() -> Told {
    let (bank, mut told) = (Bank::<PgConnection>::open("swallowed_aludel"), Told::new());
    let answer: aludel::Result<()> = bank.engine().begin(|session| {
        pay(session, ANN, 100)?;
        let opened = diesel::insert_into(accounts::table)
            .values((accounts::id.eq(2), accounts::owner.eq("Bob"), accounts::balance.eq(0)))
            .execute(session);
        told.answered("Bob's account, which may be there", &opened);
        Ok(())
    });
    told.answered("the transaction", &answer);
    let (said, found) = (in_short(&answer), bank.balances());
    let refused = answer.is_err_and(|error| error.is_doomed());
    let sound = refused && found == "Ann 500, Bob 0, Cid 0";
    told.ends(said, found, sound)
}
