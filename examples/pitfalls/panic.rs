//! A panic in a transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};

use aludel::prelude::*;
use diesel::prelude::*;

use crate::bank::{ANN, BOB, Bank, pay};
use crate::scene::{Scene, Told, in_short, short};

pub(crate) const SCENE: Scene = Scene {
    title: "the panic",
    story: "PostgreSQL. A worker has a connection and carries out jobs; that a job panics must not end the worker, so it \
            catches panics, as web servers and job queues do. The first job gives Ann 100 and panics in its transaction. \
            The second one gives Bob 50.",
    diesel,
    aludel,
};

fn diesel() -> Told {
    let (bank, mut told) = (Bank::<PgConnection>::open("panic_diesel"), Told::new());
    let mut connection = bank.pool().get().expect("the server runs");
    let first = catch_unwind(AssertUnwindSafe(|| {
        connection.transaction(|connection| {
            pay(connection, ANN, 100)?;
            panic!("a bug in the first job, on purpose");
            #[expect(unreachable_code, reason = "it says what the closure answers")]
            QueryResult::Ok(())
        })
    }));
    told.note(format!("the first job panicked: {}", first.is_err()));
    let second: QueryResult<()> = connection.transaction(|connection| pay(connection, BOB, 50));
    told.answered("the second job", &second);
    drop(connection); // r2d2 closes it, since a transaction is open on it
    // The first one's transaction was left open, and the second one's was a savepoint in it.
    let found = bank.balances();
    let sound = second.is_err() || found == "Ann 500, Bob 50, Cid 0";
    told.ends(format!("the second job: {}", short(&second)), found, sound)
}

fn aludel() -> Told {
    let (bank, mut told) = (Bank::<PgConnection>::open("panic_aludel"), Told::new());
    let mut session = bank.engine().session();
    let first = catch_unwind(AssertUnwindSafe(|| {
        session.begin(|session| {
            pay(session, ANN, 100)?;
            panic!("a bug in the first job, on purpose");
            #[expect(unreachable_code, reason = "it says what the closure answers")]
            Ok(())
        })
    }));
    told.note(format!("the first job panicked: {}", first.is_err()));
    let second = session.begin(|session| Ok(pay(session, BOB, 50)?));
    told.answered("the second job", &second);
    drop(session);
    let found = bank.balances();
    let sound = second.is_ok() && found == "Ann 500, Bob 50, Cid 0";
    told.ends(format!("the second job: {}", in_short(&second)), found, sound)
}
