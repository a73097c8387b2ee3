//! A COMMIT whose answer is lost.

use aludel::prelude::*;
use aludel_tests::postgres;
use aludel_tests::proxy::{Fault, Proxy, Trigger};
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};

use crate::bank::{ANN, Bank, pay};
use crate::scene::{Scene, Told, in_short, short};

pub(crate) const SCENE: Scene = Scene {
    title: "the lost answer",
    story: "PostgreSQL, behind a proxy. Ann is given 100. The server commits, and the connection is cut before its answer \
            arrives. With Diesel the caller tries again, as one does when a connection was lost; with Aludel the function has \
            #[retry], which runs again what was rolled back, and does not know that here.",
    diesel,
    aludel,
};

/// Between the program and the server; the answer to the first COMMIT does not come through.
fn proxy() -> Proxy {
    let proxy = Proxy::postgres(postgres::server().port());
    proxy.when(Trigger::Commit).then(Fault::CutAfter);
    proxy
}

fn diesel() -> Told {
    let (bank, proxy, mut told) = (Bank::<PgConnection>::open("answer_diesel"), proxy(), Told::new());
    let pool = Pool::builder()
        .max_size(3)
        .build(ConnectionManager::<PgConnection>::new(proxy.url(bank.database.url())))
        .expect("the server runs");
    let payment = || -> QueryResult<()> {
        let mut connection = pool.get().expect("there are connections");
        connection.transaction(|connection| pay(connection, ANN, 100))
    };
    let mut answer = payment();
    told.answered("the payment", &answer);
    if answer.is_err() {
        answer = payment(); // nothing in the error tells it from one that came before COMMIT
        told.answered("the payment, tried again", &answer);
    }
    let found = bank.balances();
    let sound = answer.is_ok() && found == "Ann 600, Bob 0, Cid 0";
    told.ends(format!("tried again: {}", short(&answer)), found, sound)
}

#[retry(attempts = 5, deadline = "10s")]
fn payment(session: &mut Session<PgConnection>) -> aludel::Result<()> {
    Ok(pay(session, ANN, 100)?)
}

fn aludel() -> Told {
    let (bank, proxy, mut told) = (Bank::<PgConnection>::open("answer_aludel"), proxy(), Told::new());
    let engine = Engine::<PgConnection>::new(proxy.url(bank.database.url())).expect("the URL of a test is sound");
    let answer = payment(&mut engine.session());
    told.answered("the payment", &answer);
    let (said, found) = (in_short(&answer), bank.balances());
    let unknown = answer.is_err_and(|error| error.is_commit_unknown());
    told.ends(said, found.clone(), unknown && found == "Ann 600, Bob 0, Cid 0")
}
