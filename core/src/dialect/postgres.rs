//! PostgreSQL, through libpq.

use std::time::Duration;

use diesel::RunQueryDsl as _;
use diesel::connection::{
    CacheSize, Connection as _, InTransactionStatus, SimpleConnection, TransactionManagerStatus,
    ValidTransactionManagerStatus,
};
use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection, PgValue};
use diesel::query_builder::QueryFragment;
#[cfg(unix)]
use diesel::result::{ConnectionError, ConnectionResult};
use diesel::result::{Error as DieselError, QueryResult};
use diesel::sql_types::{Integer, Text};
use secrecy::{ExposeSecret as _, SecretString};

use super::render::{render, render_with_values};
use super::wire::{hidden, number, text_or_bytes};
use super::{AccessMode, Dialect, FullReset, IsolationLevel, ServerTransaction, Setup};
use crate::classify::Flavour;
use crate::control::Control;
use crate::error::Result;
use crate::once::Kept;
use crate::url::Url;
use crate::verify::{CommitToken, KnownTable, Mark, Recorded, ServerWord};

mod arguments;
mod connect_args;
mod limit;
mod once;
#[cfg(unix)]
mod passfile;
mod verify;

pub use connect_args::{PgConnectArgs, PgSslMode};
#[cfg(unix)]
use passfile::PassFile;

diesel::define_sql_function! { fn lastval() -> BigInt; }

impl Dialect for PgConnection {
    const FLAVOUR: Flavour = Flavour::PostgreSql;
    const SCHEMES: &'static [&'static str] = &["postgres", "postgresql"];

    fn driver_url(url: &Url) -> Result<SecretString> {
        arguments::driver_url(url)
    }

    #[cfg(unix)]
    fn connect_discreetly(url: &Url, driver_url: &SecretString) -> Option<ConnectionResult<Self>> {
        let bare = without_password(driver_url.expose_secret())?;
        let unreadable = |error: std::io::Error| {
            ConnectionError::BadConnection(format!("no password file could be written for libpq: {error}"))
        };
        let file = match PassFile::new(url.password()?) {
            Ok(file) => file?,
            Err(error) => return Some(Err(unreadable(error))),
        };
        let separator = if bare.contains('?') { '&' } else { '?' };
        let path = file.path().display();
        Some(Self::establish(&format!("{bare}{separator}passfile={path}")))
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

    fn statement_limit(&mut self) -> QueryResult<Option<Duration>> {
        limit::asked(self)
    }

    fn begin_within(begin: &str, limit: Duration) -> Option<String> {
        Some(limit::begin(begin, limit))
    }

    fn find_commit_table(&mut self) -> QueryResult<Option<KnownTable>> {
        verify::find_table(self)
    }

    fn record_commit(&mut self, key: &str, table: KnownTable) -> QueryResult<Recorded> {
        verify::record(self, key, table)
    }

    fn has_written(&mut self, table: KnownTable) -> QueryResult<Option<bool>> {
        verify::has_written(self, table)
    }

    fn fence_commit(&mut self, key: &str) -> QueryResult<bool> {
        verify::fence(self, key)
    }

    fn read_commit(&mut self, key: &str) -> QueryResult<Option<Mark>> {
        verify::read(self, key)
    }

    fn last_insert_id(&mut self) -> QueryResult<i64> {
        diesel::select(lastval()).get_result(self)
    }

    fn server_clock(&mut self) -> QueryResult<i64> {
        verify::clock(self)
    }

    fn ask_by_number(&mut self, token: &CommitToken, table: KnownTable) -> QueryResult<ServerWord> {
        verify::ask_by_number(self, token, table)
    }

    fn end_backend_of(&mut self, token: &CommitToken) -> QueryResult<bool> {
        verify::end_backend(self, token)
    }

    fn purge_commits(&mut self, before: i64, limit: i64) -> QueryResult<usize> {
        verify::purge(self, before, limit)
    }

    fn bound_lock_waits(&mut self, limit: Duration) -> QueryResult<String> {
        verify::bound_lock_waits(self, limit)
    }

    fn put_lock_waits_back(&mut self, was: &str) -> QueryResult<()> {
        verify::put_lock_waits_back(self, was)
    }

    fn find_result_table(&mut self) -> QueryResult<bool> {
        once::find_table(self)
    }

    fn claim_key(&mut self, key: &str, scope: &str) -> QueryResult<bool> {
        once::claim(self, key, scope)
    }

    fn kept_result(&mut self, key: &str) -> QueryResult<Option<Kept>> {
        once::read(self, key)
    }

    fn keep_result(&mut self, key: &str, result: &str) -> QueryResult<bool> {
        once::keep(self, key, result)
    }

    fn purge_results(&mut self, before: i64, limit: i64) -> QueryResult<usize> {
        once::purge(self, before, limit)
    }

    fn sql<T: QueryFragment<Pg>>(query: &T) -> QueryResult<String> {
        render(query, &Pg)
    }

    fn sql_with_values<T: QueryFragment<Pg>>(query: &T) -> String {
        render_with_values(query, &Pg)
    }

    fn show_value(value: PgValue<'_>, hide: bool) -> String {
        show(value, hide)
    }
}

/// A value of the binary protocol as a log may show it: numbers (big-endian), truth values and texts are shown, of what is
/// packed (dates, numerics, arrays) the size.
fn show(value: PgValue<'_>, hide: bool) -> String {
    let bytes = value.as_bytes();
    if hide {
        return hidden(bytes);
    }
    // The numbers of built-in types never change (PostgreSQL's pg_type.dat).
    let shown = match value.get_oid().get() {
        16 => number(bytes, |[byte]: [u8; 1]| byte != 0),
        20 => number(bytes, i64::from_be_bytes),
        21 => number(bytes, i16::from_be_bytes),
        23 => number(bytes, i32::from_be_bytes),
        26 => number(bytes, u32::from_be_bytes),
        700 => number(bytes, f32::from_be_bytes),
        701 => number(bytes, f64::from_be_bytes),
        // bytea, "char", name, text, json, xml, unknown, bpchar, varchar
        17 | 18 | 19 | 25 | 114 | 142 | 705 | 1042 | 1043 => Some(text_or_bytes(bytes)),
        _ => None,
    };
    shown.unwrap_or_else(|| hidden(bytes))
}

/// A driver's URL without its password; `None` if there are secrets elsewhere in it.
#[cfg(unix)]
fn without_password(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(end);
    let (user, hosts) = authority.rsplit_once('@')?;
    let name = user.split(':').next().unwrap_or_default();
    let bare = format!("{scheme}://{name}@{hosts}{after}");
    let url = Url::parse(&bare).ok()?;
    (url.to_string() == url.reveal().expose_secret()).then_some(bare)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn driver_url(text: &str) -> Result<String> {
        Ok(PgConnection::driver_url(&Url::parse(text)?)?.expose_secret().to_owned())
    }

    #[cfg(unix)]
    #[test]
    fn a_password_leaves_the_url_and_other_secrets_do_not() {
        for (text, bare) in [
            ("postgres://app:p%3Aw@h:5432/bank", Some("postgres://app@h:5432/bank")),
            (
                "postgres://app:pw@h1,h2:1/bank?a=b",
                Some("postgres://app@h1,h2:1/bank?a=b"),
            ),
            ("postgres://app:pw@h/bank?sslpassword=other", None),
        ] {
            assert_eq!(without_password(text).as_deref(), bare);
        }
    }

    #[test]
    fn percent_signs_that_libpq_would_quote_are_escaped() {
        assert_eq!(
            driver_url("postgres://app:50%x%41%@h/bank").unwrap(),
            "postgres://app:50%25xA%25@h/bank",
            "libpq would quote what a stray percent sign stands in, password or not"
        );
        let error = driver_url("postgres://app:a%00b@h/bank").unwrap_err().to_string();
        assert!(!error.contains("a%00b"), "{error}");
    }
}
