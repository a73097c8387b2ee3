use std::error::Error as _;

use secrecy::ExposeSecret;

use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: &str) -> UrlError {
    Url::parse(text).expect_err(text)
}

fn password(url: &Url) -> Option<&str> {
    url.password().map(ExposeSecret::expose_secret)
}

/// URL, user, password, host, port and database, `-` for none: after SQLAlchemy's `test_parseconnect.py`.
const PARTS: &str = "\
dbtype://username:password@hostspec:110//usr/db_file.db | username | password | hostspec | 110 | /usr/db_file.db
mysql://username:password@hostspec/database | username | password | hostspec | - | database
mariadb://username:password@hostspec/database | username | password | hostspec | - | database
postgres://username:password@hostspec | username | password | hostspec | - | -
postgresql://username:password@hostspec | username | password | hostspec | - | -
postgres://username:password@/database | username | password | - | - | database
postgres://username@/database?host=/tmp | username | - | - | - | database
mysql://username@hostspec | username | - | hostspec | - | -
mysql://username:@hostspec | username | - | hostspec | - | -
mysql://:password@hostspec | - | password | hostspec | - | -
mysql://username:password@127.0.0.1:1521 | username | password | 127.0.0.1 | 1521 | -
mysql://hostspec/database | - | - | hostspec | - | database
mysql://hostspec | - | - | hostspec | - | -
mysql://hostspec/?arg1=val1&arg2=val2 | - | - | hostspec | - | -
postgres:///database | - | - | - | - | database
postgres:// | - | - | - | - | -
mysql://username:apples%2Foranges@hostspec/database | username | apples/oranges | hostspec | - | database
mysql://username:password@[2001:da8:2004:1000:202:116:160:90]/database?foo=bar | username | password | 2001:da8:2004:1000:202:116:160:90 | - | database
mysql://username:password@[2001:da8:2004:1000:202:116:160:90]:80/database?foo=bar | username | password | 2001:da8:2004:1000:202:116:160:90 | 80 | database
postgres://[::1]/bank | - | - | ::1 | - | bank
mysql://username:password@hostspec/test database with%40atsign | username | password | hostspec | - | test database with@atsign
mysql://username:password@hostspec?query=but_no_db | username | password | hostspec | - | -
mysql://username:password@hostspec:450?query=but_no_db | username | password | hostspec | 450 | -
mysql://username:password with spaces@hostspec:450 | username | password with spaces | hostspec | 450 | -
mysql://user with space+and+plus:password with space+and+plus@hostspec:450 | user with space+and+plus | password with space+and+plus | hostspec | 450 | -
mysql://user%25%26%7C:pass%25%26%7C@hostspec:499 | user%&| | pass%&| | hostspec | 499 | -
mysql://user🐍測試:pass🐍測試@hostspec:499 | user🐍測試 | pass🐍測試 | hostspec | 499 | -
mysql://user:p@ss@hostspec/database | user | p@ss | hostspec | - | database
mysql://user:100%@hostspec/a%2Fb | user | 100% | hostspec | - | a/b
postgres://app@%2Frun%2Fpostgresql/bank | app | - | /run/postgresql | - | bank
postgres://app:pw@a:5432,[::1]:5433/bank | app | pw | a:5432,[::1]:5433 | - | bank
MySQL://User@Host.Example/Bank | User | - | Host.Example | - | Bank";

/// The lines of [`PARTS`].
fn parts() -> impl Iterator<Item = (&'static str, [Option<&'static str>; 5])> {
    PARTS.lines().map(|line| {
        let fields: Vec<&str> = line.split(" | ").collect();
        (
            fields[0],
            std::array::from_fn(|index| Some(fields[index + 1]).filter(|field| *field != "-")),
        )
    })
}

#[test]
fn the_parts_are_told_apart() {
    for (text, [username, secret, host, port, database]) in parts() {
        let url = url(text);
        assert_eq!(url.username(), username.unwrap_or_default(), "{text}");
        assert_eq!(password(&url), secret, "{text}");
        assert_eq!(url.host(), host, "{text}");
        assert_eq!(url.port().map(|port| port.to_string()).as_deref(), port, "{text}");
        assert_eq!(url.database(), database, "{text}");
        assert!(
            !url.is_sqlite() && url.sqlite_path().is_none() && !url.is_sqlite_memory(),
            "{text}"
        );
    }
}

#[test]
fn what_is_revealed_is_read_as_the_same() {
    for (text, _) in parts() {
        let once = url(text);
        let again = url(once.reveal().expose_secret());
        assert_eq!(once, again, "{text}");
        assert_eq!(once.query(), again.query(), "{text}");
        assert_eq!(password(&once), password(&again), "{text}");
        assert_eq!(once.host(), again.host(), "{text}");
        assert_eq!(once.database(), again.database(), "{text}");
    }
    assert_eq!(url("MySQL://h/b").scheme(), "mysql");
    assert_eq!(
        url("mysql://u:p@ss@h/b").reveal().expose_secret(),
        "mysql://u:p%40ss@h/b"
    );
    assert_eq!(
        url("postgres://u@/b?host=/tmp").reveal().expose_secret(),
        "postgres://u@/b?host=/tmp"
    );
    assert_ne!(url("mysql://u:one@h/b"), url("mysql://u:two@h/b"));
}

#[test]
fn the_query_keeps_its_order_and_its_repetitions() {
    let url = url("postgres://h/b?host=h1:1&host=h2:2&application_name=a+b%2B&flag");
    let pairs: Vec<(&str, &str)> = url
        .query()
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("host", "h1:1"),
            ("host", "h2:2"),
            ("application_name", "a b+"),
            ("flag", "")
        ]
    );
    assert_eq!(
        (
            url.query_value("host"),
            url.query_value("flag"),
            url.query_value("HOST")
        ),
        (Some("h2:2"), Some(""), None)
    );
}

#[test]
fn everything_after_sqlites_scheme_is_the_path() {
    for (text, path) in [
        ("sqlite://bank.db", "bank.db"),
        ("sqlite://./data/bank.db", "./data/bank.db"),
        ("sqlite://../bank.db", "../bank.db"),
        ("sqlite://data/Bank.DB", "data/Bank.DB"),
        ("sqlite:///var/bank.db", "/var/bank.db"),
        ("sqlite:////var/bank.db", "/var/bank.db"),
        ("SQLite://bank.db", "bank.db"),
        ("sqlite://my%20bank.db", "my bank.db"),
        ("sqlite://my bank.db", "my bank.db"),
        ("sqlite://100%25.db", "100%.db"),
        ("sqlite://100%.db", "100%.db"),
        ("sqlite://a+b.db", "a+b.db"),
        ("sqlite://what%3F%23.db", "what?#.db"),
        (
            "sqlite:///home/_x@example.com/members.db",
            "/home/_x@example.com/members.db",
        ),
        ("sqlite://C:/data/hello.db?mode=ro&cache=shared", "C:/data/hello.db"),
        ("sqlite://größe.db", "größe.db"),
        ("sqlite://localhost/bank.db", "localhost/bank.db"),
    ] {
        let url = url(text);
        assert_eq!(url.sqlite_path(), Some(path), "{text}");
        assert!(url.is_sqlite() && !url.is_sqlite_memory(), "{text}");
        assert_eq!(
            (url.host(), url.port(), url.username(), password(&url)),
            (None, None, "", None),
            "{text}"
        );
        assert_eq!(Url::parse(url.reveal().expose_secret()).unwrap(), url, "{text}");
    }
    assert_eq!(url("sqlite:///var/bank.db"), url("sqlite:////var/bank.db"));
    assert_eq!(url("sqlite://bank.db?mode=ro").query_value("mode"), Some("ro"));
    assert_eq!(
        url("sqlite://my bank.db?mode=ro").to_string(),
        "sqlite://my bank.db?mode=ro"
    );
}

#[test]
fn a_sqlite_database_may_be_in_memory() {
    for text in [
        "sqlite://",
        "sqlite://:memory:",
        ":memory:",
        "sqlite://?cache=shared",
        "sqlite://:memory:?cache=shared",
    ] {
        assert!(
            url(text).is_sqlite_memory() && url(text).sqlite_path().is_none(),
            "{text}"
        );
    }
    let named = url("sqlite://shop?mode=memory&cache=shared");
    assert!(named.is_sqlite_memory());
    assert_eq!(named.sqlite_path(), Some("shop"));
    assert_eq!(url(":memory:"), url("sqlite://"));
}

#[test]
fn the_password_is_masked_in_every_rendering() {
    let odd = [
        "hunter2",
        "p%40ss%2Fw%3Aord",
        "100%",
        "p@ss",
        "a:b",
        "with space",
        "測試",
        "***",
        "a&b",
        "x=y",
        "[1]",
        "p,w",
    ];
    for secret in odd {
        for form in [
            "mysql://app:SECRET@h:1/bank?ssl_mode=required",
            "postgres://app:SECRET@/bank?host=/tmp",
            "postgres://app:SECRET@a:1,b:2/bank",
            "postgres://:SECRET@[::1]/bank",
            "mariadb://app:SECRET@h",
        ] {
            let url = url(&form.replace("SECRET", secret));
            assert_eq!(url.to_string(), form.replace("SECRET", "***"), "{secret}");
            assert_eq!(
                format!("{url:?}"),
                format!("Url({:?})", form.replace("SECRET", "***")),
                "{secret}"
            );
            assert_eq!(format!("{url:#?}").matches("***").count(), 1, "{secret}");
            if secret != "***" {
                assert!(
                    !format!("{url} {url:?} {url:#?} {:?}", url.password()).contains(secret),
                    "{secret}"
                );
            }
        }
    }
}

#[test]
fn secrets_in_the_query_are_masked() {
    for (text, shown) in [
        (
            "postgres:///b?host=/tmp&password=hunter2",
            "postgres:///b?host=/tmp&password=***",
        ),
        (
            "postgres://h/b?PassWord=hunter2&sslmode=require",
            "postgres://h/b?PassWord=***&sslmode=require",
        ),
        ("postgres://h/b?sslpassword=hunter2", "postgres://h/b?sslpassword=***"),
        ("postgres://h/b?p%61ssword=hunter2", "postgres://h/b?p%61ssword=***"),
        (
            "postgres://h/b?passwd=hunter2&pwd=hunter2",
            "postgres://h/b?passwd=***&pwd=***",
        ),
        (
            "mysql://h/b?access_token=hunter2&client_secret=hunter2",
            "mysql://h/b?access_token=***&client_secret=***",
        ),
        (
            "postgres://h/b?options=-c%20app.token%3Dhunter2",
            "postgres://h/b?options=***",
        ),
        ("postgres://h/b?a=1;password=hunter2", "postgres://h/b?a=***"),
        (
            "postgres://h/b?password=hunt&er2&x=1",
            "postgres://h/b?password=***&***&x=1",
        ),
        (
            "postgres://h/b?scram_client_key=hunter2&scram_server_key=hunter2",
            "postgres://h/b?scram_client_key=***&scram_server_key=***",
        ),
        ("sqlite://bank.db?key_token=hunter2", "sqlite://bank.db?key_token=***"),
        ("sqlite://bank.db?mode=ro", "sqlite://bank.db?mode=ro"),
    ] {
        let url = url(text);
        assert_eq!(url.to_string(), shown);
        assert!(!format!("{url:?}").contains("hunter2"));
        assert_eq!(url.reveal().expose_secret(), text);
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_the_fix_and_without_the_text() {
    let cases: &[(&str, UrlError, &str)] = &[
        ("", UrlError::NoScheme, "sqlite://bank.db"),
        ("hunter2.db", UrlError::NoScheme, "sqlite://bank.db"),
        ("sqlite:hunter2.db", UrlError::NoScheme, "sqlite://bank.db"),
        ("file:hunter2.db?mode=ro", UrlError::NoScheme, "sqlite://bank.db"),
        ("/var/hunter2.db", UrlError::NoScheme, "sqlite://bank.db"),
        ("C:\\hunter2.db", UrlError::NoScheme, "sqlite://bank.db"),
        (
            "host=h user=app password=hunter2",
            UrlError::NoScheme,
            "postgres://user@host/bank",
        ),
        ("app:hunter2@h/bank", UrlError::NoScheme, "mysql://user@host/bank"),
        ("hunter2+x://h", UrlError::NoScheme, "scheme"),
        ("://hunter2", UrlError::NoScheme, "scheme"),
        (
            "mysql+pymysql://app:hunter2@h",
            UrlError::Driver { plain: "mysql" },
            "`mysql://`",
        ),
        (
            "PostgreSQL+psycopg2://app:hunter2@h",
            UrlError::Driver { plain: "postgresql" },
            "`postgresql://`",
        ),
        (
            "sqlite+pysqlite:///hunter2.db",
            UrlError::Driver { plain: "sqlite" },
            "`sqlite://`",
        ),
        ("mysql://app:hunter2@h/bank\n", UrlError::Whitespace, "line break"),
        (" mysql://app:hunter2@h/bank", UrlError::Whitespace, "space"),
        (
            "mysql://app:hun\tter2@h/bank",
            UrlError::Whitespace,
            "control character",
        ),
        ("mysql://app:hunter2/x@h/bank", UrlError::StrayAt, "%2F"),
        ("mysql://app:12/hunter2@h/bank", UrlError::StrayAt, "%2F"),
        ("mysql://app:12?hunter2@h/bank", UrlError::StrayAt, "%3F"),
        ("mysql://app:12#hunter2@h/bank", UrlError::Fragment, "%23"),
        ("sqlite://hunter2#1.db", UrlError::Fragment, "%23"),
        ("mysql://app:hunter2@h:port/bank", UrlError::Port, "65535"),
        ("mysql://app:hunter2@h:65536/bank", UrlError::Port, "65535"),
        ("mysql://h:hunter2", UrlError::Port, "%2F"),
        ("mysql://app:hunter2@[::1/bank", UrlError::Host, "brackets"),
        ("mysql://app:hunter2@::1/bank", UrlError::Host, "brackets"),
        ("mysql://app:hunter2@a b/bank", UrlError::Host, "%40"),
        ("postgres://app:hunter2@a b,c/bank", UrlError::Host, "%40"),
        (
            "mysql://app:hunter2%FF@h/bank",
            UrlError::NotUtf8 { part: "password" },
            "password",
        ),
        ("mysql://hunter2%FF@h/bank", UrlError::NotUtf8 { part: "user" }, "user"),
        (
            "mysql://app:hunter2%00@h/bank",
            UrlError::Nul { part: "password" },
            "password",
        ),
        ("sqlite://hunter2%FF.db", UrlError::NotUtf8 { part: "path" }, "path"),
        ("sqlite://hunter2%00.db", UrlError::Nul { part: "path" }, "path"),
        (
            "sqlite://app:hunter2@h/bank.db",
            UrlError::SqliteUser,
            "sqlite:///var/bank.db",
        ),
    ];
    for (text, expected, fix) in cases {
        let error = error(text);
        assert_eq!(error, *expected, "{text}");
        let words = error.to_string();
        assert!(words.contains(fix), "{text}: {words}");
        assert!(!format!("{words} {error:?} {error:#?}").contains("hunter2"), "{text}");
        assert!(error.source().is_none(), "{text}");
    }
}

#[test]
fn all_ways_to_parse_are_one() {
    let text = "mysql://app:hunter2@h/bank";
    let parsed: Url = text.parse().unwrap();
    assert_eq!(parsed, Url::try_from(text).unwrap());
    assert_eq!(parsed, Url::try_from(text.to_owned()).unwrap());
    assert_eq!(parsed, Url::try_from(&text.to_owned()).unwrap());
    assert_eq!(parsed.clone(), parsed);
}

#[test]
fn no_text_makes_it_panic() {
    for text in [
        "%",
        "sqlite://%",
        "mysql://%",
        "mysql://@",
        "mysql://:@/",
        "mysql://[",
        "sqlite://?",
        "postgres://,",
        "a://é%é",
        "sqlite://////",
    ] {
        let _ = Url::parse(text).map(|url| format!("{url:?} {url}"));
    }
}
