//! A bank on any database, for stories that are told once and hold on all of them.
//!
//! Ann is 1 and has 500, Bob is 2 and has nothing; no balance may be below zero.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;

use aludel::dialect::ServerTransaction;
use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::{Connection, Dialect, EngineBuilder};
use diesel::connection::Connection as _;
use diesel::deserialize::{FromSql, FromSqlRow};
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::account::{Account, accounts};
use crate::{EventLog, stories};

/// A payload that no library would make.
#[derive(Debug, PartialEq, Eq)]
pub struct OutOfSugar;

/// A value that panics when it is read.
#[derive(Debug, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct Fragile;

impl<DB: diesel::backend::Backend> FromSql<Text, DB> for Fragile {
    fn from_sql(_: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        std::panic::panic_any(OutOfSugar)
    }
}

/// A database that a story can play on.
pub trait Staged: Dialect {
    /// The table of accounts, with Ann and Bob in it.
    const SCHEMA: &'static str;

    /// The URL of an empty database, and what keeps it there.
    fn place(name: &str) -> (String, Box<dyn Any>);

    /// Takes from an account, through a session, a connection, or Diesel's own.
    ///
    /// # Errors
    ///
    /// When it has not enough.
    fn withdraw(session: &mut Session<Self>, id: i32, amount: i64) -> QueryResult<usize>;

    /// What everybody has.
    fn balances(raw: &mut Self) -> Vec<i64>;

    /// Reads the owners one by one.
    ///
    /// # Errors
    ///
    /// Those of the query, and of its rows.
    fn each_owner(session: &mut Session<Self>, look: &mut dyn FnMut(String)) -> QueryResult<()>;

    /// Reads the owners into a type that panics.
    ///
    /// # Errors
    ///
    /// Those of the query.
    fn fragile(session: &mut Session<Self>) -> QueryResult<Vec<Fragile>>;

    /// Raw SQL that is executed as a query.
    ///
    /// # Errors
    ///
    /// Those of the statement.
    fn execute(session: &mut Session<Self>, sql: &str) -> QueryResult<usize>;

    /// The same on a connection without objects.
    ///
    /// # Errors
    ///
    /// Those of the statement.
    fn execute_on(connection: &mut Connection<Self>, sql: &str) -> QueryResult<usize>;

    /// Opens an account with nothing in it, which is written with the next flush.
    fn open_account(session: &mut Session<Self>, owner: &str) -> Entity<Account>;

    /// Whether the session still knows the account.
    fn knows(session: &mut Session<Self>, account: Entity<Account>) -> bool;

    /// A query in a transaction of Diesel's.
    ///
    /// # Errors
    ///
    /// The closure's, and those of BEGIN and COMMIT.
    fn diesels_transaction<T>(
        session: &mut Session<Self>,
        f: impl FnOnce(&mut Session<Self>) -> QueryResult<T>,
    ) -> QueryResult<T> {
        session.transaction(f)
    }
}

macro_rules! staged {
    ($connection:ty) => {
        fn withdraw(session: &mut Session<Self>, id: i32, amount: i64) -> QueryResult<usize> {
            diesel::update(accounts::table.find(id))
                .set(accounts::balance.eq(accounts::balance - amount))
                .execute(session)
        }

        fn balances(raw: &mut Self) -> Vec<i64> {
            let query = accounts::table.order(accounts::id).select(accounts::balance);
            query.load(raw).expect("the table is there")
        }

        fn each_owner(session: &mut Session<Self>, look: &mut dyn FnMut(String)) -> QueryResult<()> {
            let owners = accounts::table.order(accounts::id).select(accounts::owner);
            for owner in owners.load_iter::<String, Rows<Self>>(session)? {
                look(owner?);
            }
            Ok(())
        }

        fn fragile(session: &mut Session<Self>) -> QueryResult<Vec<Fragile>> {
            accounts::table.select(accounts::owner).load(session)
        }

        fn open_account(session: &mut Session<Self>, owner: &str) -> Entity<Account> {
            session.add(Account::new(owner, 0))
        }

        fn knows(session: &mut Session<Self>, account: Entity<Account>) -> bool {
            session.read(account).is_ok()
        }

        fn execute(session: &mut Session<Self>, sql: &str) -> QueryResult<usize> {
            diesel::sql_query(sql).execute(session)
        }

        fn execute_on(connection: &mut Connection<Self>, sql: &str) -> QueryResult<usize> {
            diesel::sql_query(sql).execute(connection)
        }
    };
}

/// How rows come one by one.
type Rows<C> = <C as RowByRow>::Mode;

/// Where a database has a mode of its own for that, it is that one.
trait RowByRow {
    type Mode;
}

#[cfg(feature = "sqlite")]
impl RowByRow for SqliteConnection {
    type Mode = diesel::connection::DefaultLoadingMode;
}

#[cfg(feature = "sqlite")]
impl Staged for SqliteConnection {
    const SCHEMA: &'static str = "CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner TEXT NOT NULL UNIQUE, \
                                  balance BIGINT NOT NULL CHECK (balance >= 0), version INTEGER NOT NULL); \
                                  INSERT INTO accounts (owner, balance, version) VALUES ('Ann', 500, 1), ('Bob', 0, 1)";

    fn place(_: &str) -> (String, Box<dyn Any>) {
        let file = crate::sqlite::file();
        (file.url().to_owned(), Box::new(file))
    }

    staged!(SqliteConnection);
}

#[cfg(feature = "mysql")]
impl RowByRow for MysqlConnection {
    type Mode = diesel::connection::DefaultLoadingMode;
}

#[cfg(feature = "mysql")]
impl Staged for MysqlConnection {
    const SCHEMA: &'static str = "CREATE TABLE accounts (id INTEGER AUTO_INCREMENT PRIMARY KEY, \
                                  owner VARCHAR(40) NOT NULL UNIQUE, balance BIGINT NOT NULL CHECK (balance >= 0), \
                                  version INTEGER NOT NULL) ENGINE=InnoDB; \
                                  INSERT INTO accounts (owner, balance, version) VALUES ('Ann', 500, 1), ('Bob', 0, 1)";

    fn place(name: &str) -> (String, Box<dyn Any>) {
        let database = crate::mariadb::server().database(name);
        (database.url().to_owned(), Box::new(database))
    }

    staged!(MysqlConnection);
}

#[cfg(feature = "postgres")]
impl RowByRow for PgConnection {
    type Mode = diesel::pg::PgRowByRowLoadingMode;
}

#[cfg(feature = "postgres")]
impl Staged for PgConnection {
    const SCHEMA: &'static str = "CREATE TABLE accounts (id SERIAL PRIMARY KEY, owner TEXT NOT NULL UNIQUE, \
                                  balance BIGINT NOT NULL CHECK (balance >= 0), version INTEGER NOT NULL); \
                                  INSERT INTO accounts (owner, balance, version) VALUES ('Ann', 500, 1), ('Bob', 0, 1)";

    fn place(name: &str) -> (String, Box<dyn Any>) {
        let database = crate::postgres::server().database(name);
        (database.url().to_owned(), Box::new(database))
    }

    staged!(PgConnection);
}

/// The bank of one story.
pub struct Stage<C: Dialect> {
    /// The engine that the story is about.
    pub engine: Engine<C>,
    /// What it runs into.
    pub script: FaultScript,
    /// Its turns: what began and ended, what was doomed, closed and run again.
    pub log: EventLog,
    outside: Engine<C>,
    _kept: Box<dyn Any>,
}

impl<C: Staged> Stage<C> {
    /// A bank with Ann and Bob.
    ///
    /// # Panics
    ///
    /// If there is no such database to be had.
    pub fn open(name: &str) -> Self {
        Self::open_with(name, |builder| builder)
    }

    /// One whose engine has options of its own.
    ///
    /// # Panics
    ///
    /// If there is no such database to be had.
    pub fn open_with(name: &str, options: impl FnOnce(EngineBuilder<C>) -> EngineBuilder<C>) -> Self {
        let (url, kept) = C::place(name);
        Self::built(&url, kept, options)
    }

    /// One in a database that the story has found itself.
    ///
    /// # Panics
    ///
    /// If it is not there, or not empty.
    pub fn at(url: &str, options: impl FnOnce(EngineBuilder<C>) -> EngineBuilder<C>) -> Self {
        Self::built(url, Box::new(()), options)
    }

    fn built(url: &str, kept: Box<dyn Any>, options: impl FnOnce(EngineBuilder<C>) -> EngineBuilder<C>) -> Self {
        let outside = Engine::<C>::new(url).expect("the URL of a test is sound");
        let mut raw = outside.raw_connection().expect("the database is there");
        raw.batch_execute(C::SCHEMA).expect("the database is empty");
        let (script, log) = (FaultScript::new(), EventLog::new());
        let builder = Engine::builder(url)
            .faults(script.clone())
            .listen(stories::outline(&log));
        Self {
            engine: options(builder).build().expect("the options fit together"),
            script,
            log,
            outside,
            _kept: kept,
        }
    }

    /// A connection that is none of the engine's.
    ///
    /// # Panics
    ///
    /// If the database is not there any more.
    pub fn outside(&self) -> impl std::ops::DerefMut<Target = C> + use<C> {
        self.outside.raw_connection().expect("the database is there")
    }

    /// What everybody else sees.
    pub fn balances(&self) -> Vec<i64> {
        C::balances(&mut self.outside())
    }

    /// How often a line stands in the log.
    pub fn times(&self, line: &str) -> usize {
        self.log.snapshot().iter().filter(|event| *event == line).count()
    }

    /// Nothing is left behind: no connection is out, the pool's books are right, and none that waits there has a
    /// transaction open, rows of somebody else's on its way, or eyes for what nobody has committed.
    ///
    /// # Panics
    ///
    /// If it is.
    #[track_caller]
    pub fn assert_whole(&self) {
        let pool = self.engine.pool();
        assert_eq!(pool.checkedout(), 0, "{}", pool.status());
        pool.assert_invariants();
        let expected = self.balances();
        let mut idle: Vec<_> = (0..pool.checkedin())
            .map(|_| self.engine.raw_connection().expect("it was idle"))
            .collect();
        let mut numbers = BTreeSet::new();
        for raw in &mut idle {
            assert!(numbers.insert(raw.id()), "one connection was handed out twice");
            let state = raw.server_transaction().expect("what is in the pool is alive");
            assert_eq!(state, ServerTransaction::None, "a transaction was left open");
            assert_eq!(C::balances(raw), expected, "rows of somebody else's");
        }
    }
}

impl<C: Dialect> fmt::Debug for Stage<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

/// Tests with these names, each of which tells the story of the same name on one database.
#[macro_export]
macro_rules! tell {
    ($connection:ty, $module:path, [$($name:ident),* $(,)?]) => {
        use $module as stories_told;
        $(
            #[test]
            fn $name() -> aludel::Result<()> {
                stories_told::$name::<$connection>()
            }
        )*
    };
}
