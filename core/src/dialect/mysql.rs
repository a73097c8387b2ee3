//! MariaDB and MySQL, through whichever client library the program was linked with.

use std::sync::atomic::{AtomicBool, Ordering};

use diesel::RunQueryDsl as _;
use diesel::connection::{Connection as _, SimpleConnection};
use diesel::dsl::sql;
use diesel::mysql::{Mysql, MysqlConnection};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::{Error as DieselError, QueryResult};
use diesel::sql_types::{BigInt, Unsigned};
use secrecy::SecretString;

use super::render::render;
use super::{Dialect, ServerTransaction, Setup};
use crate::classify::Flavour;
use crate::control::Control;
use crate::error::Result;
use crate::url::Url;

mod arguments;
mod connect_args;

use arguments::Arguments;
pub use connect_args::{MysqlConnectArgs, MysqlSslMode};

/// Set once a server has refused to prepare a control statement (Oracle MySQL, error 1295).
///
/// One flag for the process: the price of asking again would be a failing round trip on each new connection, the price
/// of remembering is three round trips instead of one on a MariaDB used beside a MySQL.
static CONTROL_NOT_PREPARABLE: AtomicBool = AtomicBool::new(false);

impl Dialect for MysqlConnection {
    const FLAVOUR: Flavour = Flavour::MySql;
    const SCHEMES: &'static [&'static str] = &["mysql", "mariadb"];

    fn driver_url(url: &Url) -> Result<SecretString> {
        arguments::driver_url(url)
    }

    fn acts_after_connecting(argument: &str) -> bool {
        arguments::acts_after_connecting(argument)
    }

    fn prepare(&mut self, setup: &Setup) -> Result<()> {
        // The classifier knows English texts; any user may set this.
        self.batch_execute("SET SESSION lc_messages = 'en_US'")?;
        if let Some(level) = setup.isolation_level {
            self.batch_execute(&format!("SET SESSION TRANSACTION ISOLATION LEVEL {}", level.sql()))?;
        }
        Arguments::read(&setup.url)?.apply(self)
    }

    fn control(&mut self, control: Control) -> QueryResult<()> {
        let control = if control == Control::BeginImmediate {
            Control::Begin
        } else {
            control
        };
        if CONTROL_NOT_PREPARABLE.load(Ordering::Relaxed) {
            return self.batch_execute(&control.sql());
        }
        match self.execute_returning_count(&Prepared(control)) {
            Ok(_) => Ok(()),
            Err(DieselError::DatabaseError(_, information))
                if information
                    .message()
                    .starts_with("This command is not supported in the prepared statement") =>
            {
                CONTROL_NOT_PREPARABLE.store(true, Ordering::Relaxed);
                self.batch_execute(&control.sql())
            }
            Err(error) => Err(error),
        }
    }

    fn server_transaction(&mut self) -> QueryResult<ServerTransaction> {
        // MariaDB only: Oracle MySQL has no such variable, and nothing else to ask.
        match diesel::select(sql::<BigInt>("@@in_transaction")).get_result::<i64>(self) {
            Ok(1) => Ok(ServerTransaction::Open),
            Ok(_) => Ok(ServerTransaction::None),
            Err(DieselError::DatabaseError(_, information))
                if information.message().starts_with("Unknown system variable") =>
            {
                Ok(ServerTransaction::Unknown)
            }
            Err(error) => Err(error),
        }
    }

    fn backend_id(&mut self) -> QueryResult<Option<i64>> {
        let id: u64 = diesel::select(sql::<Unsigned<BigInt>>("CONNECTION_ID()")).get_result(self)?;
        Ok(i64::try_from(id).ok())
    }

    fn sql<T: QueryFragment<Mysql>>(query: &T) -> QueryResult<String> {
        render(query, &Mysql)
    }

    fn sql_with_values<T: QueryFragment<Mysql>>(query: &T) -> String {
        diesel::debug_query::<Mysql, _>(query).to_string()
    }
}

/// A control statement as a query of Diesel's, so that it runs as a cached prepared statement: one round trip instead
/// of the three of `batch_execute` (multi-statements on, the statement, multi-statements off), and error 1213 at COMMIT
/// then gets its kind.
struct Prepared(Control);

impl QueryId for Prepared {
    type QueryId = ();
    // The cache goes by text: there are fifty of them.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Mysql> for Prepared {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        if !self.0.is_static() {
            out.unsafe_to_cache_prepared();
        }
        out.push_sql(&self.0.sql());
        Ok(())
    }
}
