//! A password that is wrong.

use std::time::{Duration, Instant};

use aludel::prelude::*;
use diesel::PgConnection;
use diesel::r2d2::{ConnectionManager, Pool};

use crate::bank::Bank;
use crate::scene::{Scene, Told};

pub(crate) const SCENE: Scene = Scene {
    title: "the wrong password",
    story: "PostgreSQL. A password was changed. r2d2 tries again and again until its connection_timeout is over: 30 seconds \
            by default, here 3. Aludel's pool_timeout is 3 seconds, too.",
    diesel,
    aludel,
};

const PATIENCE: Duration = Duration::from_secs(3);

/// The server's answer takes milliseconds; this is for machines that are busy with something else.
const AT_ONCE: Duration = Duration::from_secs(2);

fn with_another_password(bank: &Bank<PgConnection>) -> String {
    let url = aludel::Url::parse(bank.database.url()).expect("the URL of a test is sound");
    let (user, host) = (url.username(), url.host().unwrap_or_default());
    let port = url.port().expect("a test's server has a port");
    format!("postgres://{user}:of-last-year@{host}:{port}/{}", bank.database.name())
}

fn diesel() -> Told {
    let (bank, mut told) = (Bank::<PgConnection>::open("password_diesel"), Told::new());
    let began = Instant::now();
    let answer = Pool::builder()
        .max_size(3)
        .connection_timeout(PATIENCE)
        .build(ConnectionManager::<PgConnection>::new(with_another_password(&bank)))
        .map(drop);
    let waited = began.elapsed();
    told.answered(&format!("the pool, after {waited:.1?}"), &answer);
    let said = if waited >= PATIENCE {
        "an error, when the whole connection_timeout was over"
    } else {
        "an error, at once"
    };
    told.ends(said, bank.balances(), waited < AT_ONCE)
}

fn aludel() -> Told {
    let (bank, mut told) = (Bank::<PgConnection>::open("password_aludel"), Told::new());
    let engine = Engine::<PgConnection>::builder(with_another_password(&bank))
        .pool_timeout(PATIENCE)
        .build()
        .expect("the URL is sound");
    let began = Instant::now();
    let answer = engine.begin(|_| Ok(()));
    let waited = began.elapsed();
    told.answered(&format!("the first transaction, after {waited:.1?}"), &answer);
    let named = answer.is_err_and(|error| error.to_string().contains("password authentication failed"));
    let said = if waited < AT_ONCE && named {
        "the server's error, at once"
    } else {
        "something else"
    };
    told.ends(said, bank.balances(), waited < AT_ONCE && named)
}
