//! How an engine drives a mock.

use diesel::query_builder::QueryFragment;
use diesel::result::QueryResult;
use secrecy::SecretString;

use super::server::Server;
use super::{Mock, MockBackend, MockKind, MockStatement};
use crate::classify::{Flavour, Phase};
use crate::control::Control;
use crate::dialect::{Dialect, ServerTransaction, Setup, render};
use crate::error::Result;
use crate::url::Url;
use crate::verify::{KnownTable, Recorded};

impl<B: MockBackend> Dialect for Mock<B> {
    const FLAVOUR: Flavour = B::FLAVOUR;
    const HAS_RETURNING: bool = !matches!(B::FLAVOUR, Flavour::MySql);
    const SCHEMES: &'static [&'static str] = B::SCHEMES;

    fn driver_url(url: &Url) -> Result<SecretString> {
        Ok(url.reveal())
    }

    fn connect(_: &SecretString) -> diesel::ConnectionResult<Self> {
        Ok(Self::idle())
    }

    fn prepare(&mut self, _: &Setup) -> Result<()> {
        Ok(())
    }

    fn control(&mut self, control: Control) -> QueryResult<()> {
        // Only SQLite knows the word IMMEDIATE.
        let control = match control {
            Control::BeginImmediate if B::FLAVOUR != Flavour::Sqlite => Control::Begin,
            control => control,
        };
        let statement = MockStatement::new(MockKind::Control(control), control.sql().into_owned(), Vec::new());
        self.send(phase_of(control), &statement)?;
        self.server.controlled(control);
        Ok(())
    }

    fn is_aborted(&mut self) -> bool {
        self.server == Server::Aborted
    }

    fn end_transaction(&mut self, with: Control) -> QueryResult<()> {
        match self.control(with) {
            // As SQLite's: what is not there need not be ended.
            Err(_) if self.server == Server::Idle => Ok(()),
            answer => answer,
        }
    }

    fn server_transaction(&mut self) -> QueryResult<ServerTransaction> {
        self.server.reachable()?;
        Ok(self.server.transaction())
    }

    fn backend_id(&mut self) -> QueryResult<Option<i64>> {
        Ok(None)
    }

    /// As if the table were there; nobody sees anything of it before a token is written.
    fn find_commit_table(&mut self) -> QueryResult<Option<KnownTable>> {
        self.server.reachable()?;
        Ok(Some(KnownTable {
            identity: 1,
            asks_by_number: false,
        }))
    }

    fn record_commit(&mut self, key: &str, table: KnownTable) -> QueryResult<Recorded> {
        let insert = "INSERT INTO aludel_commits (token, outcome, created_at) VALUES (?, 'committed', 0)";
        self.send_with_texts(insert, &[key])?;
        Ok(Recorded {
            table: table.identity,
            created_at: 0,
            backend: None,
            server: None,
            transaction: None,
        })
    }

    /// As if the table were there, and empty: every key is new.
    fn find_result_table(&mut self) -> QueryResult<bool> {
        self.server.reachable()?;
        Ok(true)
    }

    fn claim_key(&mut self, key: &str, scope: &str) -> QueryResult<bool> {
        let insert = "INSERT INTO aludel_results (once_key, scope, created_at) VALUES (?, ?, 0)";
        self.send_with_texts(insert, &[key, scope])?;
        Ok(true)
    }

    fn keep_result(&mut self, key: &str, result: &str) -> QueryResult<bool> {
        self.send_with_texts(
            "UPDATE aludel_results SET result = ? WHERE once_key = ?",
            &[result, key],
        )?;
        Ok(true)
    }

    fn sql<T: QueryFragment<B>>(query: &T) -> QueryResult<String> {
        render::render(query, &B::default())
    }

    fn sql_with_values<T: QueryFragment<B>>(query: &T) -> String {
        diesel::debug_query::<B, _>(query).to_string()
    }
}

impl<B: MockBackend> Mock<B> {
    fn send_with_texts(&mut self, sql: &str, texts: &[&str]) -> QueryResult<usize> {
        let binds = texts.iter().map(|text| format!("{text:?}")).collect();
        let statement = MockStatement::new(MockKind::Execute, sql.to_owned(), binds);
        self.send(Phase::Statement, &statement)
    }
}

fn phase_of(control: Control) -> Phase {
    match control {
        Control::Begin | Control::BeginImmediate => Phase::Begin,
        Control::Commit => Phase::Commit,
        Control::Rollback => Phase::Rollback,
        Control::Savepoint(_) => Phase::Savepoint,
        Control::Release(_) => Phase::Release,
        Control::RollbackTo(_) => Phase::RollbackTo,
    }
}
