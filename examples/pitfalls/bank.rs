//! The bank in which the scenes play: three accounts, and the one statement on them.

use aludel::prelude::*;
use aludel_tests::{TestDatabase, mariadb, postgres};
use diesel::backend::Backend;
use diesel::connection::LoadConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use std::thread;

diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, } }

pub(crate) const ANN: i32 = 1;
pub(crate) const BOB: i32 = 2;
pub(crate) const CID: i32 = 3;

const SCHEMA: &str = "CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner VARCHAR(40) NOT NULL UNIQUE, \
                      balance BIGINT NOT NULL); \
                      INSERT INTO accounts VALUES (1, 'Ann', 500), (2, 'Bob', 0), (3, 'Cid', 0)";

/// Puts money into an account, or takes it out. The same on Diesel's connection, on r2d2's, and on a session.
pub(crate) fn pay<C>(connection: &mut C, account: i32, amount: i64) -> QueryResult<()>
where
    C: LoadConnection<Backend: Books>,
{
    C::Backend::pay(connection, account, amount)
}

/// The statements, for a backend: Diesel checks a query against one of them.
pub(crate) trait Books: Backend {
    fn pay<C: LoadConnection<Backend = Self>>(connection: &mut C, account: i32, amount: i64) -> QueryResult<()>;
    fn balances<C: LoadConnection<Backend = Self>>(connection: &mut C) -> QueryResult<Vec<(String, i64)>>;
}

macro_rules! books {
    ($($backend:ty),*) => { $(
        impl Books for $backend {
            fn pay<C: LoadConnection<Backend = Self>>(connection: &mut C, account: i32, amount: i64) -> QueryResult<()> {
                diesel::update(accounts::table.find(account))
                    .set(accounts::balance.eq(accounts::balance + amount))
                    .execute(connection)
                    .map(drop)
            }

            fn balances<C: LoadConnection<Backend = Self>>(connection: &mut C) -> QueryResult<Vec<(String, i64)>> {
                accounts::table.order(accounts::id).select((accounts::owner, accounts::balance)).load(connection)
            }
        }
    )* };
}

books!(diesel::mysql::Mysql, diesel::pg::Pg);

/// A server of the tests' own, by the type of its connections.
pub(crate) trait Server: Dialect<Backend: Books> {
    fn database(name: &str) -> TestDatabase;
}

impl Server for MysqlConnection {
    fn database(name: &str) -> TestDatabase {
        let database = mariadb::server().database(name);
        mariadb::server().execute_in(database.name(), SCHEMA);
        database
    }
}

impl Server for PgConnection {
    fn database(name: &str) -> TestDatabase {
        let database = postgres::server().database(name);
        postgres::server().execute_in(
            database.name(),
            &format!("{SCHEMA}; ALTER TABLE accounts OWNER TO aludel"),
        );
        database
    }
}

/// A database with Ann, who has 500, and Bob and Cid, who have nothing.
pub(crate) struct Bank<C> {
    pub(crate) database: TestDatabase,
    connections: std::marker::PhantomData<fn() -> C>,
}

impl<C: Server> Bank<C> {
    pub(crate) fn open(name: &str) -> Self {
        Self {
            database: C::database(name),
            connections: std::marker::PhantomData,
        }
    }

    /// Diesel and r2d2, as they come.
    pub(crate) fn pool(&self) -> Pool<ConnectionManager<C>> {
        Pool::builder()
            .max_size(3)
            .build(ConnectionManager::new(self.database.url()))
            .expect("the server runs")
    }

    /// Aludel, as it comes.
    pub(crate) fn engine(&self) -> Engine<C> {
        Engine::new(self.database.url()).expect("the URL of a test is sound")
    }

    /// What everybody sees.
    pub(crate) fn balances(&self) -> String {
        let mut outside = C::establish(self.database.url()).expect("the server runs");
        let balances = C::Backend::balances(&mut outside).expect("the table is there");
        let shown: Vec<String> = balances
            .iter()
            .map(|(owner, balance)| format!("{owner} {balance}"))
            .collect();
        shown.join(", ")
    }
}

impl Bank<MysqlConnection> {
    /// Runs a payment to Bob in a deadlock that it loses: the caller holds Ann's account, and somebody else holds Bob's
    /// and waits for Ann's.
    pub(crate) fn in_a_deadlock<T>(&self, payment: impl FnOnce() -> T) -> T {
        let mut rival = MysqlConnection::establish(self.database.url()).expect("the server runs");
        // Whoever has changed more rows is not chosen as the victim.
        let rows: Vec<String> = (10..30).map(|id| format!("({id}, 'extra {id}', 0)")).collect();
        let holds = [
            "BEGIN".to_owned(),
            format!("INSERT INTO accounts VALUES {}", rows.join(", ")),
        ];
        for sql in holds {
            diesel::sql_query(sql)
                .execute(&mut rival)
                .expect("nobody is in the way");
        }
        pay(&mut rival, BOB, 1).expect("nobody is in the way");
        let number = mariadb::connection_id(&mut rival);
        thread::scope(|threads| {
            let waiting = threads.spawn(move || {
                pay(&mut rival, ANN, 1)?;
                diesel::sql_query("ROLLBACK").execute(&mut rival)
            });
            mariadb::server().wait_until_blocked(number);
            let answer = payment();
            waiting
                .join()
                .expect("it does not panic")
                .expect("it is not chosen as the victim");
            answer
        })
    }
}
