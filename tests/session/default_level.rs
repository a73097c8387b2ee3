//! The server's default isolation level, on a server that does not always answer.

use std::sync::atomic::{AtomicU32, Ordering};

use aludel::dialect::{Dialect, ServerTransaction, Setup};
use aludel::prelude::*;
use aludel::{Control, Flavour, Url};
use aludel_tests::sqlite;
use diesel::connection::{
    AnsiTransactionManager, CacheSize, ConnectionSealed, Instrumentation, LoadConnection, SimpleConnection,
};
use diesel::expression::QueryMetadata;
use diesel::prelude::*;
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::r2d2::R2D2Connection;
use diesel::sqlite::Sqlite;

static ASKED: AtomicU32 = AtomicU32::new(0);

/// A SQLite that answers no question about its isolation level before the third.
struct Shy(SqliteConnection);

impl SimpleConnection for Shy {
    fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        self.0.batch_execute(query)
    }
}
impl ConnectionSealed for Shy {}
impl diesel::Connection for Shy {
    type Backend = Sqlite;
    type TransactionManager = AnsiTransactionManager;
    fn establish(url: &str) -> diesel::ConnectionResult<Self> {
        SqliteConnection::establish(url).map(Self)
    }
    fn execute_returning_count<T: QueryFragment<Sqlite> + QueryId>(&mut self, source: &T) -> QueryResult<usize> {
        self.0.execute_returning_count(source)
    }
    fn transaction_state(&mut self) -> &mut AnsiTransactionManager {
        self.0.transaction_state()
    }
    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        self.0.instrumentation()
    }
    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.0.set_instrumentation(instrumentation);
    }
    fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
        self.0.set_prepared_statement_cache_size(size);
    }
}
impl LoadConnection for Shy {
    type Cursor<'c, 'q> = <SqliteConnection as LoadConnection>::Cursor<'c, 'q>;
    type Row<'c, 'q> = <SqliteConnection as LoadConnection>::Row<'c, 'q>;
    fn load<'c, 'q, T>(&'c mut self, source: T) -> QueryResult<Self::Cursor<'c, 'q>>
    where
        T: Query + QueryFragment<Sqlite> + QueryId + 'q,
        Sqlite: QueryMetadata<T::SqlType>,
    {
        LoadConnection::load(&mut self.0, source)
    }
}
impl R2D2Connection for Shy {
    fn ping(&mut self) -> QueryResult<()> {
        self.0.ping()
    }
}
impl Dialect for Shy {
    const FLAVOUR: Flavour = Flavour::Sqlite;
    const SCHEMES: &'static [&'static str] = &["sqlite"];
    fn driver_url(url: &Url) -> aludel::Result<secrecy::SecretString> {
        SqliteConnection::driver_url(url)
    }
    fn prepare(&mut self, setup: &Setup) -> aludel::Result<()> {
        self.0.prepare(setup)
    }
    fn control(&mut self, control: Control) -> QueryResult<()> {
        self.0.control(control)
    }
    fn isolation_level(&mut self, own: Option<IsolationLevel>) -> QueryResult<IsolationLevel> {
        if ASKED.fetch_add(1, Ordering::Relaxed) < 2 {
            return Err(diesel::result::Error::NotFound);
        }
        self.0.isolation_level(own)
    }
    fn server_transaction(&mut self) -> QueryResult<ServerTransaction> {
        self.0.server_transaction()
    }
    fn backend_id(&mut self) -> QueryResult<Option<i64>> {
        self.0.backend_id()
    }
    fn sql<T: QueryFragment<Sqlite>>(query: &T) -> QueryResult<String> {
        SqliteConnection::sql(query)
    }
    fn sql_with_values<T: QueryFragment<Sqlite>>(query: &T) -> String {
        SqliteConnection::sql_with_values(query)
    }
}

#[test]
fn it_is_asked_for_until_there_is_an_answer_and_then_never_again() -> aludel::Result<()> {
    let file = sqlite::file();
    let engine = Engine::<Shy>::builder(file.url())
        .isolation_level(IsolationLevel::ReadUncommitted)
        .build()?;
    let known = [
        None,
        None,
        Some(IsolationLevel::Serializable),
        Some(IsolationLevel::Serializable),
    ];
    for expected in known {
        drop(engine.raw_connection()?); // who does not answer can be used all the same
        assert_eq!(engine.default_isolation_level(), expected);
        engine.dispose();
    }
    assert_eq!(ASKED.load(Ordering::Relaxed), 3);
    Ok(())
}
