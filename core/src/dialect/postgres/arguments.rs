//! The arguments of a PostgreSQL URL: libpq's own, checked before anything is connected to, and a few settings of the
//! server.

use std::fmt::Write as _;

use secrecy::SecretString;

use crate::error::Result;
use crate::mistakes::Mistakes;
use crate::names::{Component, unknown_argument};
use crate::url::Url;

/// Settings that travel in libpq's `options`. A SET after connecting would be undone by RESET ALL, and cost a round trip.
const SETTINGS: &[&str] = &[
    "search_path",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
];

/// Checks a URL, and renders it for libpq.
///
/// It is written anew, so that libpq reads what [`Url::query`] shows: by itself it takes a `+` for a plus sign, and the
/// last of several hosts for the only one.
pub(super) fn driver_url(url: &Url) -> Result<SecretString> {
    let mut kept: Vec<(String, String)> = Vec::new();
    let mut settings: Vec<(&str, &str)> = Vec::new();
    let mut mistakes = Mistakes::default();
    for (name, value) in url.query() {
        if let Err(mistake) = check(name, value) {
            mistakes.add(mistake);
        }
        if SETTINGS.contains(&name.as_str()) {
            settings.retain(|(other, _)| other != name);
            settings.push((name, value));
        } else if !matches!(name.as_str(), "host" | "port") {
            kept.retain(|(other, _)| other != name);
            kept.push((name.clone(), value.clone()));
        }
    }
    kept.extend(mistakes.take(places(url)).unwrap_or_default());
    if !settings.is_empty() {
        let position = kept.iter().position(|(name, _)| name == "options");
        let mut options = position.map_or_else(String::new, |position| kept.remove(position).1);
        for (name, value) in settings {
            let space = if options.is_empty() { "" } else { " " };
            let _ = write!(options, "{space}-c {name}={}", escaped(value));
        }
        kept.push(("options".to_owned(), options));
    }
    let kept = mistakes.finish(kept)?;
    Ok(url.set().query(kept).build()?.reveal())
}

fn check(name: &str, value: &str) -> std::result::Result<(), String> {
    match name {
        "connect_timeout" if value.parse::<i32>().is_err() => {
            Err("connect_timeout must be a whole number of seconds".to_owned())
        }
        "sslmode" if !["disable", "allow", "prefer", "require", "verify-ca", "verify-full"].contains(&value) => {
            Err("sslmode must be one of disable, allow, prefer, require, verify-ca, verify-full".to_owned())
        }
        "ssl" if value != "true" => {
            Err("ssl can only be true (which is sslmode=require): write sslmode instead".to_owned())
        }
        "client_encoding" if !["utf8", "utf-8", "unicode", "auto"].contains(&value.to_lowercase().as_str()) => Err(
            "client_encoding cannot be anything but UTF8: Diesel reads and writes text as UTF-8, and sets it after \
             connecting; the database may have any encoding"
                .to_owned(),
        ),
        "statement_timeout" | "lock_timeout" | "idle_in_transaction_session_timeout" if !is_time(value) => Err(
            format!("{name} must be a whole number of milliseconds, or one with a unit (ms, s, min, h, d)"),
        ),
        known if Component::PostgreSql.has(known) => Ok(()),
        unknown => Err(unknown_argument(unknown, Component::PostgreSql)),
    }
}

/// A time as PostgreSQL's settings have it.
fn is_time(value: &str) -> bool {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && ["", "us", "ms", "s", "min", "h", "d"].contains(&value[digits..].trim_start())
}

/// `host` and `port` as libpq has them. SQLAlchemy's form for several hosts, a `host=name:port` for each, becomes the two
/// lists of libpq; of repeated keys libpq would take the last, and say nothing.
fn places(url: &Url) -> std::result::Result<Vec<(String, String)>, String> {
    let hosts: Vec<&str> = url.query_values("host").collect();
    let ports: Vec<&str> = url.query_values("port").collect();
    let pair = |name: &str, value: String| (name.to_owned(), value);
    match (hosts.as_slice(), ports.as_slice()) {
        ([] | [_], [] | [_]) => {
            let listed = |values: &[&str]| values.first().map_or(0, |list| list.split(',').count());
            if listed(&ports) > 1 && listed(&hosts) != listed(&ports) {
                return Err("there must be as many ports as hosts, or one port for all of them".to_owned());
            }
            let hosts = hosts.iter().map(|host| pair("host", (*host).to_owned()));
            Ok(hosts
                .chain(ports.iter().map(|port| pair("port", (*port).to_owned())))
                .collect())
        }
        (several, []) if !several.iter().any(|host| host.contains(',')) => {
            let (mut names, mut numbers) = (Vec::new(), Vec::new());
            for host in several {
                let (name, number) = match host.rsplit_once(':') {
                    // `[::1]:5432`, or `::1` alone.
                    Some((name, number)) if name.starts_with('[') || !name.contains(':') => {
                        (name.trim_matches(['[', ']']), number)
                    }
                    _ => (host.trim_matches(['[', ']']), ""),
                };
                names.push(name);
                numbers.push(number);
            }
            let mut places = vec![pair("host", names.join(","))];
            if numbers.iter().any(|number| !number.is_empty()) {
                places.push(pair("port", numbers.join(",")));
            }
            Ok(places)
        }
        _ => {
            Err("several hosts are either `host=a:5432&host=b:5433` or `host=a,b&port=5432,5433`, not both".to_owned())
        }
    }
}

/// A value in `options`, where a space would end it (and could begin another option).
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        if character == '\\' || character.is_whitespace() {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn rendered(text: &str) -> Result<String> {
        Ok(driver_url(&Url::parse(text)?)?.expose_secret().to_owned())
    }

    #[test]
    fn what_libpq_understands_reaches_it() {
        for text in [
            "postgres://app:p%40ss@db.example:5433/bank",
            "postgresql://app@/bank?host=/run/postgresql",
            "postgres://app:pw@a:5432,[::1]:5433/bank?target_session_attrs=read-write",
            "postgres:///bank?service=main&passfile=/etc/pg",
        ] {
            assert_eq!(rendered(text).unwrap(), text);
        }
        assert_eq!(
            rendered("postgres://h/bank?application_name=a+b&connect_timeout=1&connect_timeout=5").unwrap(),
            "postgres://h/bank?application_name=a%20b&connect_timeout=5"
        );
    }

    #[test]
    fn settings_travel_in_the_options_and_cannot_begin_others() {
        assert_eq!(
            rendered("postgres://h/bank?statement_timeout=5s&options=-c%20geqo%3Doff").unwrap(),
            "postgres://h/bank?options=-c%20geqo%3Doff%20-c%20statement_timeout%3D5s"
        );
        assert_eq!(
            rendered("postgres://h/bank?search_path=a%20-c%20role%3Droot%5C").unwrap(),
            "postgres://h/bank?options=-c%20search_path%3Da%5C%20-c%5C%20role%3Droot%5C%5C"
        );
    }

    #[test]
    fn psycopg2_multi_host() {
        for (query, expected) in [
            ("host=a:5432&host=b:5433", "host=a,b&port=5432,5433"),
            ("host=a&host=b", "host=a,b"),
            ("host=a:5432&host=b", "host=a,b&port=5432,"),
            ("host=[::1]:5432&host=::1", "host=%3A%3A1,::1&port=5432,"),
            ("host=a,b&port=5432,5433", "host=a,b&port=5432,5433"),
            ("host=a,b&port=5432", "host=a,b&port=5432"),
        ] {
            let expected = Url::parse(&format!("postgres:///bank?{expected}")).unwrap();
            let found = Url::parse(&rendered(&format!("postgres:///bank?{query}")).unwrap()).unwrap();
            assert_eq!(found.query(), expected.query(), "{query}");
        }
        for query in [
            "host=a:1&host=b:2&port=3",
            "host=a,b&host=c",
            "host=a,b,c&port=1,2",
            "port=1&port=2",
        ] {
            assert!(rendered(&format!("postgres:///bank?{query}")).is_err(), "{query}");
        }
    }

    #[test]
    fn what_libpq_does_not_know_is_refused_before_anything_is_connected_to() {
        for (argument, fix) in [
            ("aplication_name=x", "did you mean `application_name`?"),
            ("conect_timeout=1", "did you mean `connect_timeout`?"),
            ("charset=utf8", "an option of MariaDB and MySQL"),
            ("ssl_mode=required", "an option of MariaDB and MySQL"),
            ("sslmode=required", "verify-full"),
            ("ssl=1", "sslmode"),
            ("connect_timeout=5s", "seconds"),
            ("statement_timeout=soon", "milliseconds"),
            ("statement_timeout=5%20-c%20x", "milliseconds"),
            ("client_encoding=latin1", "UTF8"),
        ] {
            let error = rendered(&format!("postgres://app:hunter2@h/bank?{argument}"))
                .expect_err(argument)
                .to_string();
            assert!(error.contains(fix) && !error.contains("hunter2"), "{argument}: {error}");
        }
    }
}
