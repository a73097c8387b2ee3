//! The same body in `engine.begin` and in `#[retry]` functions.

use aludel::Dialect;
use aludel::prelude::*;
use aludel_tests::account::{Account, accounts};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

/// The row that every transaction is about.
const ID: i32 = 7;

/// A SELECT by key; whether a session can run it is decided where its type is known.
pub(crate) trait Select {
    fn select_one(&mut self) -> QueryResult<Account>;
}

macro_rules! select {
    ($($connection:ty),* $(,)?) => {$(
        impl Select for Session<$connection> {
            fn select_one(&mut self) -> QueryResult<Account> {
                accounts::table.find(ID).get_result(self)
            }
        }
    )*};
}

select!(SqliteConnection, MysqlConnection, PgConnection);

/// An engine as it comes.
pub(crate) struct Sides<C: Dialect>(Engine<C>);

impl<C> Sides<C>
where
    C: Dialect,
    Session<C>: Select + SimpleConnection,
{
    /// Makes the table with its row.
    pub(crate) fn open(url: &str) -> Self {
        let engine = Engine::<C>::new(url).expect("the URL is a good one");
        let schema = format!(
            "CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner VARCHAR(40) NOT NULL, balance BIGINT NOT NULL, \
             version INTEGER NOT NULL); INSERT INTO accounts VALUES ({ID}, 'Ann', 100, 1)"
        );
        let created = engine.begin(|session| Ok(session.batch_execute(&schema)?));
        created.expect("the database is empty");
        let sides = Self(engine);
        assert_eq!((sides.retry(), sides.retry_until()), (sides.begin(), sides.begin()));
        sides
    }

    #[inline(never)]
    pub(crate) fn begin(&self) -> Account {
        let read = self.0.begin(|session| Ok(session.select_one()?));
        read.expect("the row is there")
    }

    #[inline(never)]
    pub(crate) fn retry(&self) -> Account {
        retry(&mut self.0.session()).expect("the row is there")
    }

    #[inline(never)]
    pub(crate) fn retry_until(&self) -> Account {
        retry_until(&mut self.0.session()).expect("the row is there")
    }
}

#[retry]
fn retry<C>(session: &mut Session<C>) -> aludel::Result<Account>
where
    C: Dialect,
    Session<C>: Select,
{
    Ok(session.select_one()?)
}

#[retry(deadline = "10s")]
fn retry_until<C>(session: &mut Session<C>) -> aludel::Result<Account>
where
    C: Dialect,
    Session<C>: Select,
{
    Ok(session.select_one()?)
}
