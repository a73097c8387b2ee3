//! MariaDB and MySQL, through whichever client library the program was linked with.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::RunQueryDsl as _;
use diesel::connection::{Connection as _, SimpleConnection};
use diesel::dsl::sql;
use diesel::mysql::{Mysql, MysqlConnection};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::{Error as DieselError, QueryResult};
use diesel::sql_types::{BigInt, Text, Unsigned};
use secrecy::{ExposeSecret as _, SecretString};

use super::render::render;
use super::{AccessMode, Dialect, IsolationLevel, ServerTransaction, Setup};
use crate::classify::Flavour;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::process;
use crate::url::Url;

/// The arguments of a URL that act, and how.
const ARGUMENTS: &str = "connect_timeout (seconds), ssl_mode (disabled, preferred, required), ssl_ca, ssl_cert, \
                         ssl_key, unix_socket";

/// Set once a server has refused to prepare a control statement (Oracle MySQL, error 1295).
///
/// One flag for the process: the price of asking again would be a failing round trip on each new connection, the price
/// of remembering is three round trips instead of one on a MariaDB used beside a MySQL.
static CONTROL_NOT_PREPARABLE: AtomicBool = AtomicBool::new(false);

impl Dialect for MysqlConnection {
    const FLAVOUR: Flavour = Flavour::MySql;
    const SCHEMES: &'static [&'static str] = &["mysql", "mariadb"];

    fn driver_url(url: &Url) -> Result<SecretString> {
        check_host(url)?;
        check_database(url)?;
        let mut connect_timeout = None;
        for (key, value) in url.query() {
            match key.as_str() {
                "connect_timeout" => connect_timeout = Some(seconds(value)?),
                "ssl_mode" => check_ssl_mode(value)?,
                "ssl_ca" | "ssl_cert" | "ssl_key" | "unix_socket" => {}
                "read_timeout" | "write_timeout" => {
                    return Err(Error::configuration(format!(
                        "`{key}` cannot be set through Diesel's MySQL client; bound statements with \
                         `max_statement_time` on the server instead"
                    )));
                }
                unknown => {
                    return Err(Error::configuration(format!(
                        "unknown argument `{unknown}` in the MySQL URL, which Diesel would ignore in silence; known \
                         are {ARGUMENTS}"
                    )));
                }
            }
        }
        let text = render_for_diesel(url);
        match connect_timeout {
            None => Ok(text),
            Some(seconds) => with_connect_timeout(url, &text, seconds),
        }
    }

    fn prepare(&mut self, setup: &Setup) -> Result<()> {
        // The classifier knows English texts; any user may set this. And outside a transaction of ours every statement
        // stands for itself, whatever the server's default is.
        self.batch_execute("SET SESSION lc_messages = 'en_US', autocommit = 1")?;
        for setting in Self::settings(setup.characteristics) {
            self.batch_execute(&setting)?;
        }
        if setup.url.query_value("ssl_mode") == Some("required") {
            prove_tls(self)?;
        }
        Ok(())
    }

    fn control(&mut self, control: Control) -> QueryResult<()> {
        let control = if control == Control::BeginImmediate {
            Control::Begin
        } else {
            control
        };
        self.steer(control.sql())
    }

    fn steer(&mut self, statement: Cow<'static, str>) -> QueryResult<()> {
        if CONTROL_NOT_PREPARABLE.load(Ordering::Relaxed) {
            return self.batch_execute(&statement);
        }
        let statement = Prepared(statement);
        match self.execute_returning_count(&statement) {
            Ok(_) => Ok(()),
            Err(DieselError::DatabaseError(_, information))
                if information
                    .message()
                    .starts_with("This command is not supported in the prepared statement") =>
            {
                CONTROL_NOT_PREPARABLE.store(true, Ordering::Relaxed);
                self.batch_execute(&statement.0)
            }
            Err(error) => Err(error),
        }
    }

    fn isolation_level(&mut self, own: Option<IsolationLevel>) -> QueryResult<IsolationLevel> {
        // Of one transaction's own level the server knows, and has no words for it.
        if let Some(own) = own {
            return Ok(own);
        }
        let shown = variable(self, ["tx_isolation", "transaction_isolation"])?;
        IsolationLevel::parse::<Self>(&shown.replace('-', " ")).map_err(DieselError::from)
    }

    fn access_mode(&mut self, own: Option<AccessMode>) -> QueryResult<AccessMode> {
        if let Some(own) = own {
            return Ok(own);
        }
        let shown = variable(self, ["tx_read_only", "transaction_read_only"])?;
        Ok(match shown.as_str() {
            "ON" | "1" => AccessMode::ReadOnly,
            _ => AccessMode::ReadWrite,
        })
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
struct Prepared(Cow<'static, str>);

impl QueryId for Prepared {
    type QueryId = ();
    // The cache goes by text: there are sixty of them.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Mysql> for Prepared {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        if matches!(self.0, Cow::Owned(_)) {
            out.unsafe_to_cache_prepared();
        }
        out.push_sql(&self.0);
        Ok(())
    }
}

/// A variable that MariaDB and MySQL have under different names.
fn variable(connection: &mut MysqlConnection, [mariadb, mysql]: [&str; 2]) -> QueryResult<String> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text, column_name = "Value")]
        value: String,
    }
    let query = format!("SHOW SESSION VARIABLES WHERE Variable_name IN ('{mariadb}', '{mysql}')");
    Ok(diesel::sql_query(query).get_result::<Row>(connection)?.value)
}

/// Diesel hands the database's name to the server as it stands in the URL.
fn check_database(url: &Url) -> Result<()> {
    let text = url.reveal();
    let path = text.expose_secret().split_once("://").map_or("", |(_, rest)| rest);
    let path = path.split('?').next().unwrap_or_default();
    match path.split_once('/') {
        Some((_, database)) if database.contains('%') => Err(Error::configuration(
            "the database of a MySQL URL may not be percent-encoded: Diesel would take the encoded name for the name",
        )),
        _ => Ok(()),
    }
}

/// Refuses hosts through which any option of the client library could be set: libmariadb reads a connection string
/// there.
fn check_host(url: &Url) -> Result<()> {
    match url.host() {
        Some(host) if host.contains([';', '=', '%']) => Err(Error::configuration(
            "the host of a MySQL URL may not contain `;`, `=` or `%`: the client library would read options from it",
        )),
        _ => Ok(()),
    }
}

fn check_ssl_mode(value: &str) -> Result<()> {
    match value {
        "disabled" | "preferred" | "required" => Ok(()),
        "verify_ca" | "verify_identity" => Err(Error::configuration(format!(
            "ssl_mode={value} cannot be proved on the connection: this client library takes the option and connects \
             without it; use ssl_mode=required, which is proved after connecting"
        ))),
        _ => Err(Error::configuration(
            "ssl_mode must be one of disabled, preferred, required",
        )),
    }
}

fn seconds(value: &str) -> Result<u32> {
    match value.parse() {
        Ok(seconds) if seconds > 0 => Ok(seconds),
        _ => Err(Error::configuration(
            "connect_timeout must be a whole number of seconds, at least 1",
        )),
    }
}

/// Diesel knows only the scheme `mysql`, and must not see arguments that it would ignore.
fn render_for_diesel(url: &Url) -> SecretString {
    let text = url.reveal();
    let text = text.expose_secret();
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("connect_timeout="))
        .collect();
    if kept.is_empty() {
        format!("mysql://{rest}").into()
    } else {
        format!("mysql://{rest}?{}", kept.join("&")).into()
    }
}

/// Hands the time-out to libmariadb in its connection string, the only way that Diesel leaves open.
fn with_connect_timeout(url: &Url, text: &SecretString, seconds: u32) -> Result<SecretString> {
    if !process::is_mariadb_client() {
        return Err(Error::configuration(format!(
            "connect_timeout acts only with MariaDB Connector/C, and this program runs on client library {}; \
             bound the wait with pool_timeout",
            process::mysql_client_version()
        )));
    }
    let host = url.host().unwrap_or_default();
    if host.is_empty() || host.contains(':') || url.query_value("unix_socket").is_some() {
        return Err(Error::configuration(
            "connect_timeout needs a host name or an IPv4 address in the MySQL URL",
        ));
    }
    let port = url.port().unwrap_or(3306);
    let authority = format!("host={host};port={port};connect_timeout={seconds}");
    let text = text.expose_secret();
    let rest = &text["mysql://".len()..];
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (before, after) = rest.split_at(end);
    let user = before.rfind('@').map_or("", |at| &before[..=at]);
    Ok(format!("mysql://{user}{authority}{after}").into())
}

/// TLS that was asked for is proved: `ssl_mode=required` connects in the clear on libmariadb without a word.
fn prove_tls(connection: &mut MysqlConnection) -> Result<()> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text, column_name = "Value")]
        cipher: String,
    }
    let rows: Vec<Row> = diesel::sql_query("SHOW SESSION STATUS LIKE 'Ssl_cipher'").load(connection)?;
    if rows.iter().any(|row| !row.cipher.is_empty()) {
        return Ok(());
    }
    Err(Error::configuration(
        "ssl_mode=required was asked for and the connection is not encrypted; configure TLS on the server and give \
         ssl_ca, or drop the demand",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn driver_url(text: &str) -> Result<String> {
        let url = Url::parse(text)?;
        Ok(MysqlConnection::driver_url(&url)?.expose_secret().to_owned())
    }

    #[test]
    fn an_argument_that_diesel_would_ignore_is_refused() {
        let error = driver_url("mysql://app:secret@127.0.0.1/bank?foo=1")
            .unwrap_err()
            .to_string();
        assert!(error.contains("`foo`") && error.contains("connect_timeout"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn a_host_that_smuggles_options_is_refused() {
        for host in ["host=evil", "a;b", "a%3Bb"] {
            assert!(
                driver_url(&format!("mysql://app:secret@{host}/bank")).is_err(),
                "{host}"
            );
        }
    }

    #[test]
    fn the_connect_timeout_travels_in_the_connection_string() {
        if process::is_mariadb_client() {
            assert_eq!(
                driver_url("mariadb://app:p%40ss@127.0.0.1:3307/bank?connect_timeout=2").unwrap(),
                "mysql://app:p%40ss@host=127.0.0.1;port=3307;connect_timeout=2/bank"
            );
        } else {
            assert!(driver_url("mysql://app@127.0.0.1/bank?connect_timeout=2").is_err());
        }
    }

    #[test]
    fn what_cannot_act_is_refused_with_the_name_of_what_can() {
        for argument in [
            "read_timeout=1",
            "ssl_mode=verify_ca",
            "ssl_mode=maybe",
            "connect_timeout=0",
        ] {
            assert!(
                driver_url(&format!("mysql://app@127.0.0.1/bank?{argument}")).is_err(),
                "{argument}"
            );
        }
    }
}
