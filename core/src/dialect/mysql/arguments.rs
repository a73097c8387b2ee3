//! The arguments of a MariaDB or MySQL URL: each one acts, or is refused with the name of what can.

use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection as _;
use diesel::mysql::MysqlConnection;
use diesel::sql_types::Text;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::{Error, Result};
use crate::mistakes::Mistakes;
use crate::names::{Component, unknown_argument};
use crate::process;
use crate::url::Url;

/// What Diesel reads from the query by itself.
const DIESELS: &[&str] = &["ssl_mode", "ssl_ca", "ssl_cert", "ssl_key", "unix_socket"];

/// What a URL asks of its connections.
#[derive(Debug, Default)]
pub(super) struct Arguments<'a> {
    connect_timeout: Option<u32>,
    charset: Option<&'a str>,
    collation: Option<&'a str>,
    /// Assignments of session variables, in SQL; every value was checked.
    settings: Vec<String>,
    init_command: Option<&'a str>,
    ssl_mode: Option<&'a str>,
    /// A certificate was named, so encryption is meant.
    certificates: bool,
    /// `ssl_ca` was.
    authority: bool,
}

/// Whether an argument acts on a connection that somebody else has made.
pub(super) fn acts_after_connecting(name: &str) -> bool {
    name == "ssl_mode" || (name != "connect_timeout" && Component::MySql.has(name) && !DIESELS.contains(&name))
}

/// Checks a URL, and renders it for Diesel.
pub(super) fn driver_url(url: &Url) -> Result<SecretString> {
    check_host(url)?;
    check_database(url)?;
    let arguments = Arguments::read(url)?;
    let text = render_for_diesel(url)?;
    let mut options = String::new();
    if let Some(seconds) = arguments.connect_timeout {
        check_connect_timeout(url)?;
        options = format!(";connect_timeout={seconds}");
    }
    if process::is_mariadb_client() {
        options.push_str(arguments.tls_options(has_plain_host(url))?);
    }
    Ok(if options.is_empty() {
        text
    } else {
        with_options(url, &text, &options)
    })
}

impl<'a> Arguments<'a> {
    pub(super) fn read(url: &'a Url) -> Result<Self> {
        let (mut found, mut mistakes) = (Self::default(), Mistakes::default());
        for (name, value) in url.query() {
            if let Err(mistake) = found.take(name, value) {
                mistakes.add(mistake);
            }
        }
        if found.ssl_mode == Some("disabled") && found.certificates {
            mistakes.add("ssl_mode=disabled contradicts ssl_ca, ssl_cert and ssl_key: leave out one or the other");
        }
        if found.ssl_mode == Some("verify_ca") && !found.authority {
            mistakes.add(
                "ssl_mode=verify_ca needs ssl_ca, the file of the authorities that may have signed the certificate",
            );
        }
        mistakes.finish(found)
    }

    /// What MariaDB's library calls it. It compares the certificate with an authority as soon as one is named.
    fn tls_options(&self, plain_host: bool) -> Result<&'static str> {
        match self.ssl_mode {
            Some("required" | "verify_ca") if plain_host => Ok(";ssl-enforce=1"),
            Some("verify_identity") if plain_host => Ok(";ssl-enforce=1;ssl-verify-server-cert=1"),
            Some("verify_ca" | "verify_identity") => Err(Error::configuration(
                "ssl_mode=verify_ca and verify_identity need a host name or an IPv4 address in the MySQL URL",
            )),
            _ => Ok(""),
        }
    }

    fn take(&mut self, name: &str, value: &'a str) -> std::result::Result<(), String> {
        match name {
            "connect_timeout" => match value.parse() {
                Ok(seconds) if seconds > 0 => self.connect_timeout = Some(seconds),
                _ => return Err("connect_timeout must be a whole number of seconds, at least 1".to_owned()),
            },
            "charset" => match value {
                "utf8mb4" | "utf8mb3" | "utf8" => self.charset = Some(value),
                _ => {
                    return Err(
                        "charset must be utf8mb4 or utf8mb3: Diesel reads and writes text as UTF-8, and what \
                                goes over the wire in another character set would become other text in silence; the \
                                tables may have any"
                            .to_owned(),
                    );
                }
            },
            "collation" => self.collation = Some(word(name, value, "_")?),
            "init_command" => self.init_command = Some(value).filter(|sql| !sql.trim().is_empty()),
            "ssl_mode" => self.ssl_mode = Some(ssl_mode(value)?),
            "ssl_ca" => (self.certificates, self.authority) = (true, true),
            "ssl_cert" | "ssl_key" => self.certificates = true,
            "unix_socket" => {}
            "max_statement_time" => {
                let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
                if !is_number(whole) || !is_number(fraction) {
                    return Err(format!("{name} must be a number of seconds, as in 20 or 0.5"));
                }
                self.settings.push(format!("{name} = {value}"));
            }
            "lock_wait_timeout" | "innodb_lock_wait_timeout" | "wait_timeout" => {
                let seconds: u32 = value
                    .parse()
                    .map_err(|_| format!("{name} must be a whole number of seconds"))?;
                self.settings.push(format!("{name} = {seconds}"));
            }
            "sql_mode" => self.settings.push(format!("{name} = '{}'", word(name, value, "_,")?)),
            "time_zone" => self
                .settings
                .push(format!("{name} = '{}'", word(name, value, "_/+-:")?)),
            unknown => return Err(unknown_argument(unknown, Component::MySql)),
        }
        Ok(())
    }

    /// Does on a new connection what cannot be told while connecting, the user's own command last.
    pub(super) fn apply(&self, connection: &mut MysqlConnection) -> Result<()> {
        // First of all: nothing of the user's goes over a connection that must be encrypted and is not.
        let asked = matches!(self.ssl_mode, Some("required" | "verify_ca" | "verify_identity"));
        if asked || (self.certificates && self.ssl_mode.is_none()) {
            prove_tls(connection)?;
        }
        let mut statements = Vec::new();
        if self.charset.is_some() || self.collation.is_some() {
            let of_collation = self
                .collation
                .filter(|name| name.starts_with("utf8mb3") || name.starts_with("utf8_"));
            let charset = self
                .charset
                .unwrap_or(if of_collation.is_some() { "utf8mb3" } else { "utf8mb4" });
            let collation = self
                .collation
                .map_or_else(String::new, |name| format!(" COLLATE '{name}'"));
            statements.push(format!("SET NAMES '{charset}'{collation}"));
        }
        if !self.settings.is_empty() {
            statements.push(format!("SET SESSION {}", self.settings.join(", ")));
        }
        if !statements.is_empty() {
            connection.batch_execute(&statements.join("; "))?;
        }
        if let Some(command) = self.init_command {
            connection.batch_execute(command)?;
            // With it off, a statement in AUTOCOMMIT would begin a transaction that nobody ends.
            connection.batch_execute("SET SESSION autocommit = 1")?;
        }
        Ok(())
    }
}

/// A value that can stand between quotes in SQL because of what it is made of.
fn word<'a>(name: &str, value: &'a str, beside: &str) -> std::result::Result<&'a str, String> {
    if value.chars().all(|c| c.is_ascii_alphanumeric() || beside.contains(c)) {
        Ok(value)
    } else {
        let beside: Vec<String> = beside.chars().map(|c| format!("`{c}`")).collect();
        Err(format!(
            "{name} may have letters, digits and {} in it, and nothing else",
            beside.join(" ")
        ))
    }
}

fn ssl_mode(value: &str) -> std::result::Result<&str, String> {
    match value {
        "disabled" | "preferred" | "required" | "verify_ca" | "verify_identity" => Ok(value),
        _ => Err("ssl_mode must be one of disabled, preferred, required, verify_ca, verify_identity".to_owned()),
    }
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

fn check_connect_timeout(url: &Url) -> Result<()> {
    if !process::is_mariadb_client() {
        return Err(Error::configuration(format!(
            "connect_timeout acts only with MariaDB Connector/C, and this program runs on client library {}; \
             bound the wait with pool_timeout",
            process::mysql_client_version()
        )));
    }
    if !has_plain_host(url) {
        return Err(Error::configuration(
            "connect_timeout needs a host name or an IPv4 address in the MySQL URL",
        ));
    }
    Ok(())
}

/// Whether options can be handed over in the host's place.
fn has_plain_host(url: &Url) -> bool {
    let host = url.host().unwrap_or_default();
    !host.is_empty() && !host.contains(':') && url.query_value("unix_socket").is_none()
}

/// Diesel knows only the scheme `mysql`, and must not see arguments that it would ignore; nor `ssl_mode` where the client
/// library is MariaDB's, to which the option that Diesel then sets is another one (the file of the server's public key).
fn render_for_diesel(url: &Url) -> Result<SecretString> {
    let is_read = |name: &str| DIESELS.contains(&name) && !(name == "ssl_mode" && process::is_mariadb_client());
    let kept = url.query().iter().filter(|(name, _)| is_read(name));
    Ok(url.set().scheme("mysql").query(kept.cloned()).build()?.reveal())
}

/// Hands options to libmariadb in its connection string, the only way that Diesel leaves open.
fn with_options(url: &Url, text: &SecretString, options: &str) -> SecretString {
    let host = url.host().unwrap_or_default();
    let port = url.port().unwrap_or(3306);
    let text = text.expose_secret();
    let rest = &text["mysql://".len()..];
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (before, after) = rest.split_at(end);
    let user = before.rfind('@').map_or("", |at| &before[..=at]);
    format!("mysql://{user}host={host};port={port}{options}{after}").into()
}

/// TLS that was asked for is proved: libmariadb may leave it out without a word.
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
        "encryption was asked for, by ssl_mode or with a certificate, and the connection is not encrypted; configure TLS \
         on the server and give ssl_ca, or drop the demand",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> Result<String> {
        Ok(driver_url(&Url::parse(text)?)?.expose_secret().to_owned())
    }

    #[test]
    fn an_argument_that_diesel_would_ignore_is_refused() {
        let error = rendered("mysql://app:secret@127.0.0.1/bank?foo=1")
            .unwrap_err()
            .to_string();
        assert!(error.contains("`foo`") && error.contains("connect_timeout"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn a_host_that_smuggles_options_is_refused() {
        for host in ["host=evil", "a;b", "a%3Bb"] {
            assert!(rendered(&format!("mysql://app:secret@{host}/bank")).is_err(), "{host}");
        }
    }

    #[test]
    fn the_connect_timeout_travels_in_the_connection_string() {
        if process::is_mariadb_client() {
            assert_eq!(
                rendered("mariadb://app:p%40ss@127.0.0.1:3307/bank?connect_timeout=2").unwrap(),
                "mysql://app:p%40ss@host=127.0.0.1;port=3307;connect_timeout=2/bank"
            );
        } else {
            assert!(rendered("mysql://app@127.0.0.1/bank?connect_timeout=2").is_err());
        }
    }

    #[test]
    fn a_demand_for_encryption_travels_there_too() {
        let expected = if process::is_mariadb_client() {
            "mysql://app@host=h;port=3306;ssl-enforce=1/bank?ssl_ca=/ca.pem"
        } else {
            "mysql://app@h/bank?ssl_mode=required&ssl_ca=/ca.pem"
        };
        assert_eq!(
            rendered("mysql://app@h/bank?ssl_mode=required&ssl_ca=/ca.pem").unwrap(),
            expected
        );
    }

    #[test]
    fn so_does_the_question_who_the_server_is() {
        if process::is_mariadb_client() {
            for (mode, options) in [("verify_ca", ""), ("verify_identity", ";ssl-verify-server-cert=1")] {
                assert_eq!(
                    rendered(&format!("mysql://app@h/bank?ssl_mode={mode}&ssl_ca=/ca.pem")).unwrap(),
                    format!("mysql://app@host=h;port=3306;ssl-enforce=1{options}/bank?ssl_ca=/ca.pem")
                );
            }
        }
    }

    #[test]
    fn diesel_sees_what_it_knows_and_nothing_else() {
        assert_eq!(
            rendered("mariadb://app:p%40ss@h/bank?charset=utf8mb4&ssl_ca=/etc/ca.pem&init_command=SELECT+1").unwrap(),
            "mysql://app:p%40ss@h/bank?ssl_ca=/etc/ca.pem"
        );
    }

    #[test]
    fn what_cannot_act_is_refused_with_the_name_of_what_can() {
        for (argument, fix) in [
            ("read_timeout=1", "max_statement_time"),
            ("ssl_mode=verify_ca", "needs ssl_ca"),
            (
                "ssl_mode=maybe",
                "disabled, preferred, required, verify_ca, verify_identity",
            ),
            ("ssl_mode=verify_identity&unix_socket=/s", "host name"),
            ("ssl_mode=disabled&ssl_ca=/x", "contradicts"),
            ("connect_timeout=0", "at least 1"),
            ("charset=latin1", "utf8mb4"),
            ("collation=utf8mb4_bin'", "letters"),
            ("time_zone=x'%3B", "letters"),
            ("sql_mode=A'B", "letters"),
            ("max_statement_time=1e3", "0.5"),
            ("max_statement_time=.", "0.5"),
            ("wait_timeout=-1", "whole number"),
            ("innodb_lock_wait_timeout=1%3B+DROP+TABLE+t", "whole number"),
            ("sslmode=require", "PostgreSQL"),
        ] {
            let error = rendered(&format!("mysql://app:hunter2@127.0.0.1/bank?{argument}")).expect_err(argument);
            let text = error.to_string();
            assert!(text.contains(fix) && !text.contains("hunter2"), "{argument}: {text}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let error = rendered("mysql://h/bank?charset=latin1&wait_timeout=x&conect_timeout=3")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("3 mistakes:"), "{error}");
        assert!(error.contains("did you mean `connect_timeout`?"), "{error}");
    }
}
