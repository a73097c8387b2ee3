//! What a careful reader found, each with the way in which it went wrong.
#![allow(clippy::unwrap_used)] // each is as short as it was found

use aludel::dialect::{ServerTransaction, Setup};
use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::{Control, Flavour, Outcome, Phase, RetryPolicy, Url};
use aludel_tests::mariadb;
use diesel::connection::{
    AnsiTransactionManager, CacheSize, Connection as _, ConnectionSealed, Instrumentation, LoadConnection,
    SimpleConnection,
};
use diesel::expression::QueryMetadata;
use diesel::mysql::Mysql;
use diesel::prelude::*;
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::r2d2::R2D2Connection;
use diesel::result::{DatabaseErrorKind, QueryResult};
use diesel::sql_types::BigInt;

fn count(url: &str) -> i64 {
    let mut c = MysqlConnection::establish(url).unwrap();
    diesel::select(diesel::dsl::sql::<BigInt>("(SELECT COUNT(*) FROM t)"))
        .get_result(&mut c)
        .unwrap()
}

fn setup(name: &str, extra: &str) -> aludel_tests::TestDatabase {
    let server = mariadb::server();
    let database = server.database(name);
    server.execute_in(
        database.name(),
        &format!("CREATE TABLE t (id INT) ENGINE=InnoDB; {extra}"),
    );
    database
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = diesel::sql_types::Text, column_name = "Msg_type")]
    _kind: String,
}

/// Writes a row, runs what ends the transaction behind our back, writes another row and fails: the first row is there,
/// the second is not (it would be in autocommit), and the error says so.
fn only_the_first_part_is_committed(
    name: &str,
    extra: &str,
    ends: impl FnOnce(&mut Session<MysqlConnection>) -> aludel::Result<()>,
) {
    let database = setup(name, extra);
    let engine = Engine::<MysqlConnection>::new(database.url()).unwrap();
    let error = engine
        .begin(|s| {
            diesel::sql_query("INSERT INTO t VALUES (1)").execute(s)?;
            ends(s)?;
            diesel::sql_query("INSERT INTO t VALUES (2)").execute(s)?;
            Err::<(), _>(aludel::Error::misuse("no"))
        })
        .unwrap_err();
    assert_eq!(
        (error.outcome(), count(database.url())),
        (Some(Outcome::Committed), 1),
        "{error}"
    );
}

#[test]
fn a_procedure_that_commits_ends_the_root() {
    only_the_first_part_is_committed("calls", "CREATE PROCEDURE p() COMMIT", |s| {
        diesel::sql_query("CALL p()").execute(s)?;
        Ok(())
    });
}

#[test]
fn execute_immediate_ends_the_root() {
    only_the_first_part_is_committed("execs", "", |s| Ok(s.batch_execute("EXECUTE IMMEDIATE 'COMMIT'")?));
}

#[test]
fn definition_that_is_loaded_ends_the_root() {
    only_the_first_part_is_committed("analyze", "", |s| {
        diesel::sql_query("ANALYZE TABLE t").load::<Row>(s)?;
        Ok(())
    });
}

#[test]
fn definition_whose_answer_is_lost_ends_the_root_all_the_same() {
    let database = setup("analyze_lost", "");
    let script = FaultScript::new();
    let engine = Engine::<MysqlConnection>::builder(database.url())
        .faults(script.clone())
        .build()
        .unwrap();
    let error = engine
        .begin(|s| {
            diesel::sql_query("INSERT INTO t VALUES (1)").execute(s)?;
            // An error that by itself undoes its statement alone, so nobody would ask.
            script.fail_after(Phase::Statement, DatabaseErrorKind::CheckViolation, "lost");
            let lost = diesel::sql_query("ANALYZE TABLE t").load::<Row>(s).map(|_| ());
            assert!(lost.is_err());
            diesel::sql_query("INSERT INTO t VALUES (2)").execute(s)?; // in autocommit, if it were sent
            Ok(())
        })
        .unwrap_err();
    assert_eq!(
        (error.outcome(), count(database.url())),
        (Some(Outcome::Committed), 1),
        "{error}"
    );
}

#[test]
fn a_rerun_after_ddl_does_not_apply_twice() {
    let database = setup("ddl_retry", "");
    let script = FaultScript::new();
    let engine = Engine::<MysqlConnection>::builder(database.url())
        .faults(script.clone())
        .build()
        .unwrap();
    let mut first = true;
    let _ = engine.session().retry(&RetryPolicy::new(), |s| {
        diesel::sql_query("INSERT INTO t VALUES (1)").execute(s)?;
        diesel::sql_query("CREATE TABLE IF NOT EXISTS scratch (id INT)").execute(s)?;
        if std::mem::take(&mut first) {
            script.fail_before(
                Phase::Statement,
                DatabaseErrorKind::SerializationFailure,
                "Deadlock found when trying to get lock; try restarting transaction",
            );
        }
        diesel::sql_query("INSERT INTO scratch VALUES (1)").execute(s)?;
        Ok(())
    });
    assert_eq!(count(database.url()), 1, "applied twice");
}

#[test]
fn ddl_then_error_does_not_say_nothing_was_written() {
    let database = setup("ddl_error", "");
    let engine = Engine::<MysqlConnection>::new(database.url()).unwrap();
    let error = engine
        .begin(|s| {
            diesel::sql_query("INSERT INTO t VALUES (1)").execute(s)?;
            diesel::sql_query("CREATE TABLE scratch (id INT)").execute(s)?;
            Err::<(), _>(aludel::Error::misuse("no"))
        })
        .unwrap_err();
    assert!(
        count(database.url()) == 0 || error.outcome() != Some(Outcome::RolledBack),
        "{error}; {} rows",
        count(database.url())
    );
}

#[test]
fn a_commit_behind_two_minus_signs() {
    let database = setup("minus", "");
    let engine = Engine::<MysqlConnection>::new(database.url()).unwrap();
    let answer = engine.begin(|s| {
        s.batch_execute("INSERT INTO t VALUES (5--1); COMMIT")?;
        Err::<(), _>(aludel::Error::misuse("no"))
    });
    assert_eq!(count(database.url()), 0, "{answer:?}");
}

#[test]
fn a_write_in_a_set_statement_is_a_write() {
    let database = setup("setstatement", "");
    let engine = Engine::<MysqlConnection>::new(database.url()).unwrap();
    let mut s = engine.session();
    diesel::sql_query("SET STATEMENT max_statement_time=5 FOR INSERT INTO t VALUES (1)")
        .execute(&mut s)
        .unwrap();
    assert!(
        s.begin(|_| Ok(())).is_err(),
        "the write was rolled back without a word; {} rows",
        count(database.url())
    );
}

/// A MariaDB that answers as Oracle MySQL does: there is no `@@in_transaction`, so `server_transaction` says `None`.
struct Oracle(MysqlConnection);

impl SimpleConnection for Oracle {
    fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        self.0.batch_execute(query)
    }
}
impl ConnectionSealed for Oracle {}
impl diesel::Connection for Oracle {
    type Backend = Mysql;
    type TransactionManager = AnsiTransactionManager;
    fn establish(url: &str) -> diesel::ConnectionResult<Self> {
        MysqlConnection::establish(url).map(Self)
    }
    fn execute_returning_count<T: QueryFragment<Mysql> + QueryId>(&mut self, source: &T) -> QueryResult<usize> {
        self.0.execute_returning_count(source)
    }
    fn transaction_state(&mut self) -> &mut AnsiTransactionManager {
        self.0.transaction_state()
    }
    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        self.0.instrumentation()
    }
    fn set_instrumentation(&mut self, i: impl Instrumentation) {
        self.0.set_instrumentation(i);
    }
    fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
        self.0.set_prepared_statement_cache_size(size);
    }
}
impl LoadConnection for Oracle {
    type Cursor<'c, 'q> = <MysqlConnection as LoadConnection>::Cursor<'c, 'q>;
    type Row<'c, 'q> = <MysqlConnection as LoadConnection>::Row<'c, 'q>;
    fn load<'c, 'q, T>(&'c mut self, source: T) -> QueryResult<Self::Cursor<'c, 'q>>
    where
        T: Query + QueryFragment<Mysql> + QueryId + 'q,
        Mysql: QueryMetadata<T::SqlType>,
    {
        LoadConnection::load(&mut self.0, source)
    }
}
impl R2D2Connection for Oracle {
    fn ping(&mut self) -> QueryResult<()> {
        self.0.ping()
    }
    fn is_broken(&mut self) -> bool {
        self.0.is_broken()
    }
}
impl Dialect for Oracle {
    const FLAVOUR: Flavour = Flavour::MySql;
    const SCHEMES: &'static [&'static str] = &["mysql"];
    fn driver_url(url: &Url) -> aludel::Result<secrecy::SecretString> {
        MysqlConnection::driver_url(url)
    }
    fn prepare(&mut self, setup: &Setup) -> aludel::Result<()> {
        self.0.prepare(setup)
    }
    fn control(&mut self, control: Control) -> QueryResult<()> {
        self.0.control(control)
    }
    fn server_transaction(&mut self) -> QueryResult<ServerTransaction> {
        Ok(ServerTransaction::None) // what dialect/mysql.rs answers on "Unknown system variable"
    }
    fn backend_id(&mut self) -> QueryResult<Option<i64>> {
        self.0.backend_id()
    }
    fn sql<T: QueryFragment<Mysql>>(query: &T) -> QueryResult<String> {
        MysqlConnection::sql(query)
    }
    fn sql_with_values<T: QueryFragment<Mysql>>(query: &T) -> String {
        MysqlConnection::sql_with_values(query)
    }
}

#[test]
fn on_oracle_a_lock_wait_timeout_does_not_apply_twice() {
    let database = setup("oracle_1205", "");
    let script = FaultScript::new();
    let engine = Engine::<Oracle>::builder(database.url())
        .faults(script.clone())
        .build()
        .unwrap();
    let mut first = true;
    engine
        .session()
        .retry(&RetryPolicy::new(), |s| {
            diesel::sql_query("INSERT INTO t VALUES (1)").execute(s)?;
            if std::mem::take(&mut first) {
                // 1205 undoes its statement alone
                script.fail_before(
                    Phase::Statement,
                    DatabaseErrorKind::Unknown,
                    "Lock wait timeout exceeded; try restarting transaction",
                );
            }
            diesel::sql_query("SELECT 1").execute(s)?;
            Ok(())
        })
        .unwrap();
    assert_eq!(count(database.url()), 1, "applied twice");
}

#[test]
fn on_oracle_raw_access_does_not_commit_what_was_called_rolled_back() {
    let database = setup("oracle_raw", "");
    let engine = Engine::<Oracle>::new(database.url()).unwrap();
    let answer = engine.begin(|s| {
        diesel::sql_query("INSERT INTO t VALUES (1)").execute(s)?;
        s.with_raw(|_| Ok(()))
    });
    engine.begin(|s| Ok(diesel::sql_query("SELECT 1").execute(s)?)).unwrap();
    assert!(
        answer.is_ok() == (count(database.url()) == 1),
        "{answer:?}, and {} rows",
        count(database.url())
    );
}

diesel::table! { accounts (id) { id -> Integer, balance -> BigInt, version -> Integer, } }

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = accounts)]
struct Account {
    id: i32,
    balance: i64,
    #[model(version)]
    version: i32,
}

#[test]
fn a_lost_race_for_a_version_is_run_again() {
    let database = setup(
        "versions",
        "CREATE TABLE accounts (id INT PRIMARY KEY, balance BIGINT NOT NULL, version INT NOT NULL) ENGINE=InnoDB; INSERT INTO accounts VALUES (1, 100, 1)",
    );
    let engine = Engine::<MysqlConnection>::new(database.url()).unwrap();
    let other = engine.clone();
    let mut first = true;
    let answer = engine.session().retry(&RetryPolicy::new(), |s| {
        let a = s.get_one::<Account>(1)?;
        if std::mem::take(&mut first) {
            other.begin(|o| {
                let a = o.get_one::<Account>(1)?;
                o.edit(a)?.balance += 1;
                Ok(())
            })?;
        }
        s.edit(a)?.balance -= 10;
        Ok(())
    });
    assert!(answer.is_ok(), "{answer:?}");
}

#[test]
fn a_begin_that_fails_after_ddl_leaves_no_root_on_autocommit() {
    let database = setup("ddl_begin", "");
    let script = FaultScript::new();
    let engine = Engine::<MysqlConnection>::builder(database.url())
        .faults(script.clone())
        .build()
        .unwrap();
    let error = engine
        .begin(|s| {
            script.fail_before(
                Phase::Begin,
                DatabaseErrorKind::Unknown,
                "Query execution was interrupted, maximum statement execution time exceeded",
            );
            let failed = diesel::sql_query("CREATE TABLE scratch (id INT)").execute(s);
            assert!(failed.is_err());
            diesel::sql_query("INSERT INTO t VALUES (1)").execute(s)?;
            Err::<(), _>(aludel::Error::misuse("no"))
        })
        .unwrap_err();
    assert_eq!(count(database.url()), 0, "{error}");
}
