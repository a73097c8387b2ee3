//! Diesel's traits for [`Mock`]: every call is rendered and shown to the executor.

use diesel::connection::{
    AnsiTransactionManager, CacheSize, Connection, ConnectionSealed, Instrumentation, InstrumentationEvent,
    LoadConnection, SimpleConnection, StrQueryHelper,
};
use diesel::expression::QueryMetadata;
use diesel::migration::{CREATE_MIGRATIONS_TABLE, MigrationConnection};
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::r2d2::R2D2Connection;
use diesel::result::{ConnectionError, ConnectionResult, QueryResult};

use super::server::Server;
use super::{Mock, MockBackend, MockKind, MockStatement, NoRow, NoRows, refused};
use crate::classify::Phase;
use crate::dialect::Dialect;

impl<B: MockBackend> Mock<B> {
    /// Shows a statement to the executor; what it answers has happened on the server.
    pub(super) fn send(&mut self, phase: Phase, statement: &MockStatement) -> QueryResult<usize> {
        self.server.reachable()?;
        let query = StrQueryHelper::new(statement.sql());
        if let Some(instrumentation) = &mut self.instrumentation {
            instrumentation.on_connection_event(InstrumentationEvent::start_query(&query));
        }
        let answer = match &self.executor {
            Some(executor) => executor(statement),
            None => Err(refused(
                "this mock has no executor yet; use it in hooks that come after on_connect",
            )),
        };
        if let Some(instrumentation) = &mut self.instrumentation {
            instrumentation.on_connection_event(InstrumentationEvent::finish_query(&query, answer.as_ref().err()));
        }
        match &answer {
            Ok(_) if phase == Phase::Statement => self.server.executed(B::FLAVOUR, statement.sql()),
            Ok(_) => {}
            Err(error) => self.server.failed(B::FLAVOUR, phase, error),
        }
        answer
    }

    fn rendered<T: QueryFragment<B>>(kind: MockKind, query: &T) -> QueryResult<MockStatement> {
        MockStatement::of_query(kind, Self::sql(query)?, &Self::sql_with_values(query))
    }
}

impl<B: MockBackend> SimpleConnection for Mock<B> {
    fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        let statement = MockStatement::new(MockKind::Batch, query.to_owned(), Vec::new());
        self.send(Phase::Statement, &statement).map(|_| ())
    }
}

impl<B: MockBackend> ConnectionSealed for Mock<B> {}

impl<B: MockBackend> Connection for Mock<B> {
    type Backend = B;
    type TransactionManager = AnsiTransactionManager;

    /// Refuses: a mock gets its executor from [`Engine::mock`](crate::Engine::mock).
    fn establish(_: &str) -> ConnectionResult<Self> {
        Err(ConnectionError::BadConnection(
            "a mock connects to no URL; make an engine of it with Engine::mock".to_owned(),
        ))
    }

    fn execute_returning_count<T>(&mut self, source: &T) -> QueryResult<usize>
    where
        T: QueryFragment<B> + QueryId,
    {
        self.send(Phase::Statement, &Self::rendered(MockKind::Execute, source)?)
    }

    fn transaction_state(&mut self) -> &mut AnsiTransactionManager {
        &mut self.transaction
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        &mut self.instrumentation
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.instrumentation = Some(Box::new(instrumentation));
    }

    /// Nothing is prepared.
    fn set_prepared_statement_cache_size(&mut self, _: CacheSize) {}
}

impl<B: MockBackend, Mode> LoadConnection<Mode> for Mock<B> {
    type Cursor<'conn, 'query> = NoRows;
    type Row<'conn, 'query> = NoRow;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> QueryResult<NoRows>
    where
        T: Query + QueryFragment<B> + QueryId + 'query,
        B: QueryMetadata<T::SqlType>,
    {
        let statement = Self::rendered(MockKind::Load, &source)?;
        self.send(Phase::Statement, &statement).map(|_| NoRows::default())
    }
}

impl<B: MockBackend> R2D2Connection for Mock<B> {
    /// Asks nobody, so the executor does not see it.
    fn ping(&mut self) -> QueryResult<()> {
        self.server.reachable()
    }

    fn is_broken(&mut self) -> bool {
        self.server == Server::Gone
    }
}

impl<B: MockBackend> MigrationConnection for Mock<B> {
    fn setup(&mut self) -> QueryResult<usize> {
        let statement = MockStatement::new(MockKind::Execute, CREATE_MIGRATIONS_TABLE.to_owned(), Vec::new());
        self.send(Phase::Statement, &statement)
    }
}
