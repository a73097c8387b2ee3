//! What the tests of this folder have in common: a bank on the server, and the log of its engine.

use aludel::prelude::*;
use aludel::testing::FaultScript;
pub(crate) use aludel_tests::account::{Account, accounts};
use aludel_tests::mariadb::{self, MariaDb};
use aludel_tests::stories::outline;
use aludel_tests::{EventLog, TestDatabase};
use diesel::prelude::*;

pub(crate) const SCHEMA: &str = "CREATE TABLE accounts (id INTEGER AUTO_INCREMENT PRIMARY KEY, owner VARCHAR(40) NOT NULL UNIQUE, \
                      balance BIGINT NOT NULL, version INTEGER NOT NULL) ENGINE=InnoDB; \
                      INSERT INTO accounts (owner, balance, version) VALUES ('Ann', 500, 1), ('Bob', 0, 1)";

/// A bank with Ann (1, balance 500) and Bob (2, balance 0).
pub(crate) struct Bank {
    pub(crate) server: &'static MariaDb,
    pub(crate) engine: Engine<MysqlConnection>,
    pub(crate) script: FaultScript,
    pub(crate) log: EventLog,
    pub(crate) database: TestDatabase,
}

impl Bank {
    pub(crate) fn open(name: &str) -> Self {
        let server = mariadb::server();
        let database = server.database(name);
        server.execute_in(database.name(), SCHEMA);
        let (script, log) = (FaultScript::new(), EventLog::new());
        let engine = Engine::builder(database.url())
            .faults(script.clone())
            .listen(outline(&log))
            .build()
            .expect("the URL of a test is sound");
        Self {
            server,
            engine,
            script,
            log,
            database,
        }
    }

    /// A connection that is none of the engine's.
    pub(crate) fn outside(&self) -> MysqlConnection {
        MysqlConnection::establish(self.database.url()).expect("the server runs")
    }

    /// What everybody else sees.
    pub(crate) fn balances(&self) -> Vec<i64> {
        accounts::table
            .order(accounts::id)
            .select(accounts::balance)
            .load(&mut self.outside())
            .expect("the table is there")
    }

    /// Kills the session's connection at the next call of this phase, right before it is sent.
    pub(crate) fn kill_before(
        &self,
        session: &mut Session<MysqlConnection>,
        phase: aludel::Phase,
    ) -> aludel::Result<()> {
        let (server, id) = (self.server, backend(session)?);
        self.script.call_before(phase, move || server.kill(id));
        Ok(())
    }

    /// Nothing is left behind: no connection is out, and the pool's books are right.
    pub(crate) fn assert_whole(&self) {
        assert_eq!(self.engine.pool().checkedout(), 0);
        self.engine.pool().assert_invariants();
    }
}

pub(crate) fn backend(session: &mut Session<MysqlConnection>) -> aludel::Result<u64> {
    let id = session.backend_id()?.expect("a MariaDB connection has a number");
    Ok(u64::try_from(id).expect("it is not negative"))
}

pub(crate) fn withdraw<C>(session: &mut C, id: i32, amount: i64) -> aludel::Result<()>
where
    C: diesel::connection::LoadConnection<Backend = diesel::mysql::Mysql>,
{
    diesel::update(accounts::table.find(id))
        .set(accounts::balance.eq(accounts::balance - amount))
        .execute(session)?;
    Ok(())
}
