//! Both sides of every comparison: the same statement in a transaction of an engine's session, and in one of Diesel's on a
//! bare connection.

use aludel::prelude::*;
use aludel::{Connection, Dialect};
use aludel_tests::account::{Account, accounts};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

/// The row that every transaction is about.
const ID: i32 = 7;

/// What is run in the transactions, the same source on every connection and session.
pub(crate) trait Statements {
    /// A SELECT by key. Without the LIMIT that `first` would add: SQLite prepares a statement anew when another limit is
    /// bound to it, even the same one, which costs more than all the rest.
    fn select_one(&mut self) -> QueryResult<Account>;
    /// An UPDATE by key.
    fn update_one(&mut self) -> QueryResult<usize>;
}

/// Whether a type can run a query is decided where the type is known.
macro_rules! statements {
    ($($connection:ty),* $(,)?) => {$(
        impl Statements for $connection {
            fn select_one(&mut self) -> QueryResult<Account> {
                accounts::table.find(ID).get_result(self)
            }

            fn update_one(&mut self) -> QueryResult<usize> {
                diesel::update(accounts::table.find(ID))
                    .set(accounts::balance.eq(accounts::balance + 1))
                    .execute(self)
            }
        }
    )*};
}

statements!(
    SqliteConnection,
    Connection<SqliteConnection>,
    Session<SqliteConnection>
);
statements!(MysqlConnection, Connection<MysqlConnection>, Session<MysqlConnection>);
statements!(PgConnection, Connection<PgConnection>, Session<PgConnection>);

/// An engine as it comes, and a bare connection.
pub(crate) struct Sides<C: Dialect> {
    engine: Engine<C>,
    /// `None` for the raw connection that the engine uses, and at another time: a server's thread is woken five times faster
    /// where it happens to share a core with its client, so two connections would compare two luckier or unluckier places.
    bare: Option<C>,
}

impl<C> Sides<C>
where
    C: Dialect + Statements + SimpleConnection,
    Session<C>: Statements + SimpleConnection,
{
    /// Makes the table with its row, for each if they do not share a database.
    pub(crate) fn open(url: &str, mut bare: Option<C>) -> Self {
        let engine = Engine::<C>::new(url).expect("the URL is a good one");
        let schema = format!(
            "CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner VARCHAR(40) NOT NULL, balance BIGINT NOT NULL, \
             version INTEGER NOT NULL); INSERT INTO accounts VALUES ({ID}, 'Ann', 100, 1)"
        );
        if let Some(bare) = &mut bare {
            bare.batch_execute(&schema).expect("the database is empty");
        }
        let created = engine.begin(|session| Ok(session.batch_execute(&schema)?));
        created.expect("the database is empty");
        let mut sides = Self { engine, bare };
        let mut read = None;
        sides.with_bare(|bare| read = Some(bare_read(bare)));
        assert_eq!(sides.ours_read(), read.expect("that is what was run"));
        sides
    }

    pub(crate) fn engine(&self) -> &Engine<C> {
        &self.engine
    }

    /// Lends the bare connection, for many turns.
    pub(crate) fn with_bare<T>(&mut self, turns: impl FnOnce(&mut C) -> T) -> T {
        match &mut self.bare {
            Some(bare) => turns(bare),
            None => turns(&mut *self.engine.pool().checkout().expect("it is the only one out")),
        }
    }

    #[inline(never)]
    pub(crate) fn ours_read(&self) -> Account {
        let read = self.engine.begin(|session| Ok(session.select_one()?));
        read.expect("the row is there")
    }

    /// The same through the loop that `#[retry]` is.
    #[inline(never)]
    pub(crate) fn ours_read_with_retry(&self) -> Account {
        let read = with_retry(&mut self.engine.session());
        read.expect("the row is there")
    }

    /// The same on an ambient session.
    #[inline(never)]
    pub(crate) fn ambient_read(&self) -> Account {
        self.engine.scope(ambient_read::<C>).expect("the row is there")
    }

    #[inline(never)]
    pub(crate) fn ours_write(&self) {
        let written = self.engine.begin(|session| Ok(session.update_one()?));
        assert_eq!(written.ok(), Some(1));
    }
}

/// On a connection of ours that is kept from one transaction to the next, as Diesel's side keeps its own.
#[inline(never)]
pub(crate) fn kept_read<C>(kept: &mut Connection<C>) -> Account
where
    C: Dialect,
    Connection<C>: Statements,
{
    let read = kept.begin(|connection| Ok(connection.select_one()?));
    read.expect("the row is there")
}

#[inline(never)]
pub(crate) fn bare_read<C: diesel::Connection + Statements>(bare: &mut C) -> Account {
    let read = bare.transaction(Statements::select_one);
    read.expect("the row is there")
}

#[inline(never)]
pub(crate) fn bare_write<C: diesel::Connection + Statements>(bare: &mut C) {
    let written = bare.transaction(Statements::update_one);
    assert_eq!(written, Ok(1));
}

#[retry]
fn with_retry<C>(session: &mut Session<C>) -> aludel::Result<Account>
where
    C: Dialect,
    Session<C>: Statements,
{
    Ok(session.select_one()?)
}

#[retry]
fn ambient_read<C>() -> aludel::Result<Account>
where
    C: Dialect,
    Session<C>: Statements,
{
    aludel::current(|session: &mut Session<C>| Ok(session.select_one()?))
}
