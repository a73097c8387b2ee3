//! What the tests of this folder have in common: a bank in a file, and the log of its engine.

use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel_tests::EventLog;
pub(crate) use aludel_tests::account::{Account, accounts};
use aludel_tests::sqlite::{self, TempDatabase};
use aludel_tests::stories::outline;
use diesel::prelude::*;

pub(crate) const SCHEMA: &str = "CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner TEXT NOT NULL UNIQUE, \
                          balance BIGINT NOT NULL CHECK (balance >= 0), version INTEGER NOT NULL)";

/// A bank with Ann (1, balance 500) and Bob (2, balance 0).
pub(crate) struct Bank {
    pub(crate) engine: Engine<SqliteConnection>,
    pub(crate) script: FaultScript,
    pub(crate) log: EventLog,
    file: TempDatabase,
}

impl Bank {
    pub(crate) fn open() -> Self {
        Self::open_with("")
    }

    /// A bank whose URL has arguments.
    pub(crate) fn open_with(arguments: &str) -> Self {
        let file = sqlite::file();
        let (script, log) = (FaultScript::new(), EventLog::new());
        let engine = Engine::builder(format!("{}{arguments}", file.url()))
            .faults(script.clone())
            .listen(outline(&log))
            .build()
            .expect("the URL of a test is sound");
        let bank = Self {
            engine,
            script,
            log,
            file,
        };
        bank.engine
            .begin(|session| {
                diesel::sql_query(SCHEMA).execute(session)?;
                session.add(Account::new("Ann", 500));
                session.add(Account::new("Bob", 0));
                Ok(())
            })
            .expect("an empty file takes a schema");
        bank.log.take();
        bank
    }

    /// A connection that is none of the engine's.
    pub(crate) fn outside(&self) -> SqliteConnection {
        SqliteConnection::establish(&self.file.path().display().to_string()).expect("the file is there")
    }

    /// What everybody else sees.
    pub(crate) fn balances(&self) -> Vec<i64> {
        accounts::table
            .order(accounts::id)
            .select(accounts::balance)
            .load(&mut self.outside())
            .expect("the table is there")
    }

    /// Nothing is left behind: no connection is out, and the pool's books are right.
    pub(crate) fn assert_whole(&self) {
        assert_eq!(self.engine.pool().checkedout(), 0);
        self.engine.pool().assert_invariants();
    }
}

pub(crate) fn withdraw(session: &mut Session<SqliteConnection>, id: i32, amount: i64) -> aludel::Result<()> {
    diesel::update(accounts::table.find(id))
        .set(accounts::balance.eq(accounts::balance - amount))
        .execute(session)?;
    Ok(())
}
