//! PostgreSQL, through libpq.

use diesel::RunQueryDsl as _;
use diesel::connection::{
    CacheSize, Connection as _, InTransactionStatus, SimpleConnection, TransactionManagerStatus,
    ValidTransactionManagerStatus,
};
use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::query_builder::QueryFragment;
use diesel::result::{Error as DieselError, QueryResult};
use diesel::sql_types::{Integer, Text};
use secrecy::SecretString;

use super::render::render;
use super::{AccessMode, Dialect, FullReset, IsolationLevel, ServerTransaction, Setup};
use crate::classify::Flavour;
use crate::control::Control;
use crate::error::Result;
use crate::url::Url;

mod arguments;
mod connect_args;

pub use connect_args::{PgConnectArgs, PgSslMode};

impl Dialect for PgConnection {
    const FLAVOUR: Flavour = Flavour::PostgreSql;
    const SCHEMES: &'static [&'static str] = &["postgres", "postgresql"];

    fn driver_url(url: &Url) -> Result<SecretString> {
        arguments::driver_url(url)
    }

    fn prepare(&mut self, setup: &Setup) -> Result<()> {
        // Only a superuser may change it; the classifier knows English texts, so say so when it will not see them.
        let language: String = diesel::select(sql::<Text>("current_setting('lc_messages')")).get_result(self)?;
        if !(matches!(language.as_str(), "" | "C" | "POSIX")
            || language.starts_with("en")
            || language.starts_with("C."))
        {
            tracing::warn!(
                lc_messages = language,
                "the server's messages are not in English: errors without an SQLSTATE of Diesel's own, such as \
                 deadlocks, will not be recognised; set lc_messages to C for this database or role"
            );
        }
        for setting in Self::settings(setup.characteristics) {
            self.batch_execute(&setting)?;
        }
        Ok(())
    }

    fn control(&mut self, control: Control) -> QueryResult<()> {
        match control {
            Control::BeginImmediate => self.batch_execute(&Control::Begin.sql()),
            control => self.batch_execute(&control.sql()),
        }
    }

    fn isolation_level(&mut self, _own: Option<IsolationLevel>) -> QueryResult<IsolationLevel> {
        let shown: String = diesel::select(sql::<Text>("current_setting('transaction_isolation')")).get_result(self)?;
        IsolationLevel::parse::<Self>(&shown).map_err(DieselError::from)
    }

    fn access_mode(&mut self, _own: Option<AccessMode>) -> QueryResult<AccessMode> {
        let shown: String = diesel::select(sql::<Text>("current_setting('transaction_read_only')")).get_result(self)?;
        Ok(if shown == "on" {
            AccessMode::ReadOnly
        } else {
            AccessMode::ReadWrite
        })
    }

    fn full_reset(&mut self, setup: &Setup) -> Result<FullReset> {
        self.end_transaction(Control::Rollback)?;
        // Refused in a batch with anything else, since a batch is a transaction.
        self.batch_execute("DISCARD ALL")?;
        // It has dropped what Diesel keeps prepared, too; a cache of another size is a new one.
        self.set_prepared_statement_cache_size(CacheSize::Disabled);
        self.set_prepared_statement_cache_size(CacheSize::Unbounded);
        // And what Diesel sets on every connection it makes.
        self.batch_execute("SET TIME ZONE 'UTC'; SET CLIENT_ENCODING TO 'UTF8'")?;
        self.prepare(setup)?;
        Ok(FullReset::Done)
    }

    fn server_transaction(&mut self) -> QueryResult<ServerTransaction> {
        // Whatever it answers, Diesel reads libpq's transaction status after it: refused in an aborted transaction,
        // which then says so, and failing on a dead connection, which then is in error.
        let _ = self.batch_execute("SELECT 1");
        match &self.transaction_state_status() {
            TransactionManagerStatus::InError => Err(diesel::result::Error::BrokenTransactionManager),
            TransactionManagerStatus::Valid(ValidTransactionManagerStatus {
                in_transaction: None, ..
            }) => Ok(ServerTransaction::None),
            TransactionManagerStatus::Valid(ValidTransactionManagerStatus {
                in_transaction:
                    Some(InTransactionStatus {
                        requires_rollback_maybe_up_to_top_level: true,
                        ..
                    }),
                ..
            }) => Ok(ServerTransaction::Aborted),
            TransactionManagerStatus::Valid(_) => Ok(ServerTransaction::Open),
        }
    }

    fn is_aborted(&mut self) -> bool {
        // Diesel reads it off libpq after each of its statements, those of its type look-ups included.
        matches!(
            self.transaction_state_status(),
            TransactionManagerStatus::Valid(ValidTransactionManagerStatus {
                in_transaction: Some(InTransactionStatus {
                    requires_rollback_maybe_up_to_top_level: true,
                    ..
                }),
                ..
            })
        )
    }

    fn backend_id(&mut self) -> QueryResult<Option<i64>> {
        let pid: i32 = diesel::select(sql::<Integer>("pg_backend_pid()")).get_result(self)?;
        Ok(Some(i64::from(pid)))
    }

    fn sql<T: QueryFragment<Pg>>(query: &T) -> QueryResult<String> {
        render(query, &Pg)
    }

    fn sql_with_values<T: QueryFragment<Pg>>(query: &T) -> String {
        diesel::debug_query::<Pg, _>(query).to_string()
    }
}

trait Status {
    fn transaction_state_status(&mut self) -> &mut TransactionManagerStatus;
}

impl Status for PgConnection {
    fn transaction_state_status(&mut self) -> &mut TransactionManagerStatus {
        use diesel::connection::{AnsiTransactionManager, TransactionManager as _};
        let _ = self.transaction_state();
        AnsiTransactionManager::transaction_manager_status_mut(self)
    }
}
