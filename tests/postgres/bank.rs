//! The bank that the stories play in: two accounts with 500 each, an engine that tells a log what it does, and somebody
//! who kills connections.

use aludel::clock::Clock;
use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::{EngineBuilder, Phase};
pub(crate) use aludel_tests::account::{Account, accounts};
use aludel_tests::postgres::{self, Postgres};
use aludel_tests::{EventLog, TestDatabase, stories};
use diesel::connection::{Connection as _, InstrumentationEvent, SimpleConnection};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

pub(crate) type PgSession = Session<PgConnection>;

diesel::table! {
    ledger (id) {
        id -> Integer,
        account -> Integer,
        amount -> BigInt,
    }
}

const SCHEMA: &str = "\
    CREATE TABLE accounts (id SERIAL PRIMARY KEY, owner TEXT NOT NULL UNIQUE, \
        balance BIGINT NOT NULL CHECK (balance >= 0), version INTEGER NOT NULL DEFAULT 1); \
    CREATE TABLE ledger (id SERIAL PRIMARY KEY, \
        account INTEGER NOT NULL REFERENCES accounts DEFERRABLE INITIALLY DEFERRED, amount BIGINT NOT NULL); \
    INSERT INTO accounts (owner, balance) VALUES ('Ann', 500), ('Bob', 500)";

pub(crate) const ANN: i32 = 1;
pub(crate) const BOB: i32 = 2;

pub(crate) struct Bank {
    pub(crate) server: &'static Postgres,
    pub(crate) database: TestDatabase,
    pub(crate) engine: Engine<PgConnection>,
    pub(crate) script: FaultScript,
    pub(crate) log: EventLog,
}

impl Bank {
    pub(crate) fn open(name: &str) -> Self {
        Self::open_with(name, |builder| builder)
    }

    /// With options of its own. Its clock stands still: a pause before a rerun costs no time.
    pub(crate) fn open_with(
        name: &str,
        options: impl FnOnce(EngineBuilder<PgConnection>) -> EngineBuilder<PgConnection>,
    ) -> Self {
        let server = postgres::server();
        let database = server.database(name);
        let (script, log) = (FaultScript::new(), EventLog::new());
        let builder = Engine::builder(database.url())
            .clock(Clock::test().0)
            .faults(script.clone())
            .listen(stories::listener(&log));
        let engine = options(builder).build().expect("the URL is a good one");
        let bank = Self {
            server,
            database,
            engine,
            script,
            log,
        };
        bank.outside().batch_execute(SCHEMA).expect("the database is empty");
        bank
    }

    /// A plain connection of somebody else.
    pub(crate) fn outside(&self) -> PgConnection {
        PgConnection::establish(self.database.url()).expect("the server takes the user of the tests")
    }

    /// What others see: Ann's balance, Bob's, and the number of lines in the ledger.
    pub(crate) fn books(&self) -> (i64, i64, i64) {
        let mut outside = self.outside();
        let balance = |id: i32, outside: &mut PgConnection| {
            let balance = accounts::table.find(id).select(accounts::balance);
            balance.first(outside).expect("nobody deletes the two accounts")
        };
        let (ann, bob) = (balance(ANN, &mut outside), balance(BOB, &mut outside));
        let lines = ledger::table.count().get_result(&mut outside).expect("it is there");
        (ann, bob, lines)
    }

    /// The process that serves the session.
    pub(crate) fn pid(session: &mut PgSession) -> i32 {
        let id = session.backend_id().expect("it is alive").expect("PostgreSQL has one");
        i32::try_from(id).expect("a process number fits")
    }

    /// Kills the session's connection.
    pub(crate) fn kill(&self, session: &mut PgSession) {
        self.server.terminate(Self::pid(session));
    }

    /// Kills the session's connection right before it sends the next statement of a phase.
    pub(crate) fn kill_before(&self, phase: Phase, session: &mut PgSession) {
        let (server, pid) = (self.server, Self::pid(session));
        self.script.call_before(phase, move || server.terminate(pid));
    }

    /// Kills every connection of the engine.
    pub(crate) fn kill_all(&self) {
        for pid in self.server.connections(self.database.name()) {
            self.server.terminate(pid);
        }
    }

    /// Writes each statement that the session sends into the log, as it is written, in place of the events so far.
    pub(crate) fn watch_statements(&self, session: &mut PgSession) {
        self.log.take();
        let log = self.log.clone();
        session.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                let text = query.to_string();
                // What Diesel adds behind it are the values.
                log.push(text.split(" -- binds").next().unwrap_or(&text));
            }
        });
    }

    /// The statements since then, without those that steer the transaction.
    pub(crate) fn statements(&self) -> Vec<String> {
        let is_statement = |line: &String| {
            ["SELECT", "INSERT", "UPDATE", "DELETE"]
                .iter()
                .any(|verb| line.starts_with(verb))
        };
        self.log.take().into_iter().filter(is_statement).collect()
    }

    /// How often a line stands in the log.
    pub(crate) fn times(&self, line: &str) -> usize {
        self.log.snapshot().iter().filter(|event| *event == line).count()
    }

    /// Nothing is checked out, nothing is lost, and nothing that waits in the pool has a transaction open.
    #[track_caller]
    pub(crate) fn expect_whole_pool(&self) {
        let pool = self.engine.pool();
        pool.assert_invariants();
        assert_eq!(pool.checkedout(), 0, "{}", pool.status());
        let mut superuser = self.server.connect();
        let open: i64 = diesel::sql_query(
            "SELECT COUNT(*) AS number FROM pg_stat_activity \
             WHERE datname = $1 AND backend_type = 'client backend' AND state <> 'idle'",
        )
        .bind::<diesel::sql_types::Text, _>(self.database.name())
        .get_result::<Number>(&mut superuser)
        .expect("the superuser may look")
        .number;
        assert_eq!(open, 0, "a connection in the pool has a transaction open");
    }
}

#[derive(QueryableByName)]
pub(crate) struct Number {
    #[diesel(sql_type = BigInt)]
    pub(crate) number: i64,
}

/// Changes a balance.
pub(crate) fn pay<C>(connection: &mut C, account: i32, amount: i64) -> QueryResult<usize>
where
    C: diesel::connection::LoadConnection<Backend = diesel::pg::Pg>,
{
    diesel::update(accounts::table.find(account))
        .set(accounts::balance.eq(accounts::balance + amount))
        .execute(connection)
}

/// Writes a line into the ledger.
pub(crate) fn note<C>(connection: &mut C, account: i32, amount: i64) -> QueryResult<usize>
where
    C: diesel::connection::LoadConnection<Backend = diesel::pg::Pg>,
{
    diesel::insert_into(ledger::table)
        .values((ledger::account.eq(account), ledger::amount.eq(amount)))
        .execute(connection)
}

/// A statement that every database refuses: there is an Ann already.
pub(crate) fn another_ann<C>(connection: &mut C) -> QueryResult<usize>
where
    C: diesel::connection::LoadConnection<Backend = diesel::pg::Pg>,
{
    diesel::insert_into(accounts::table)
        .values((
            accounts::owner.eq("Ann"),
            accounts::balance.eq(0),
            accounts::version.eq(1),
        ))
        .execute(connection)
}

/// A statement that only reads and cannot fail.
pub(crate) fn look<C>(connection: &mut C) -> QueryResult<bool>
where
    C: diesel::connection::LoadConnection<Backend = diesel::pg::Pg>,
{
    diesel::select(sql::<Bool>("TRUE")).get_result(connection)
}

/// What `another_ann` answers.
pub(crate) const ANN_EXISTS: &str = "duplicate key value violates unique constraint \"accounts_owner_key\"";
