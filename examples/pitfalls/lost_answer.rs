//! A COMMIT whose answer is lost.

use std::time::Duration;

use aludel::prelude::*;
use aludel::verify::Resolution;
use aludel_tests::postgres;
use aludel_tests::proxy::{Fault, Proxy, Trigger};
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};

use crate::bank::{ANN, Bank, pay};
use crate::scene::{Scene, Told, in_short, short};

pub(crate) const SCENE: Scene = Scene {
    title: "the lost answer",
    story: "PostgreSQL, behind a proxy. Ann is given 100. The server commits, and the connection is cut before its answer \
            arrives. With Diesel the caller tries again, as one does when a connection was lost; with Aludel the \
            transaction is a verified one, so that the database can be asked what became of it; and with #[retry] it is asked \
            without being told to.",
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

#[retry(attempts = 5, deadline = "10s", commit = "verify")]
fn payment(session: &mut Session<PgConnection>) -> aludel::Result<()> {
    Ok(pay(session, ANN, 100)?)
}

fn aludel() -> Told {
    let (bank, proxy, mut told) = (Bank::<PgConnection>::open("answer_aludel"), proxy(), Told::new());
    let engine = Engine::<PgConnection>::new(proxy.url(bank.database.url())).expect("the URL of a test is sound");
    let answer = engine
        .session()
        .build_transaction()
        .verified()
        .run(|session| Ok(pay(session, ANN, 100)?));
    told.answered("the payment", &answer);
    let found = bank.balances();
    let unknown = answer.as_ref().is_err_and(aludel::Error::is_commit_unknown);
    let token = answer.as_ref().err().and_then(aludel::Error::commit_token);
    let resolved = token.map(|token| engine.resolve(token, Duration::from_secs(10)));
    told.note(format!("asked what became of it: {resolved:?}"));
    let said = format!(
        "{}; asked: {}",
        in_short(&answer),
        resolved.as_ref().map_or_else(String::new, short)
    );
    let committed = matches!(resolved, Some(Ok(Resolution::Committed)));

    // With #[retry] nobody has to ask.
    proxy.when(Trigger::Commit).then(Fault::CutAfter);
    let again = payment(&mut engine.session());
    told.answered("another payment, which resolves itself", &again);
    let sound = unknown && committed && found == "Ann 600, Bob 0, Cid 0";
    let itself = again.is_ok() && proxy.fired() == 2 && bank.balances() == "Ann 700, Bob 0, Cid 0";
    told.ends(said, found, sound && itself)
}
