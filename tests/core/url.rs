//! Database URLs: their parts, their verbs, and what is never shown of them.

use std::collections::{BTreeMap, HashSet};

use aludel::Url;
use aludel::url::UrlError;
use secrecy::ExposeSecret as _;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn full(url: &Url) -> String {
    url.reveal().expose_secret().to_owned()
}

/// URLs of every form; those that are written otherwise in [`rfc1738_round_trip`] are told apart by their parts.
const URLS: &[&str] = &[
    "mysql://username:password@hostspec:110/database",
    "mariadb://username@hostspec",
    "mysql://:password@hostspec",
    "postgres://username:password@/database",
    "postgres:///database",
    "postgres://",
    "mysql://hostspec/?arg1=val1&arg2=val2",
    "mysql://username:apples%2Foranges@hostspec/database",
    "mysql://username:password@[2001:da8:2004:1000:202:116:160:90]:80/database?foo=bar",
    "mysql://username:password@hostspec/test database with%40atsign",
    "mysql://user with space+and+plus:password with space+and+plus@hostspec:450",
    "mysql://user%25%26%7C:pass%25%26%7C@hostspec:499",
    "mysql://user🐍測試:pass🐍測試@hostspec:499",
    "mysql://user:100%@hostspec/a%2Fb",
    "postgres://app@%2Frun%2Fpostgresql/bank",
    "postgres://app:pw@a:5432,[::1]:5433/bank",
    "postgres:///bank?host=h1:1&host=h2:2&application_name=a+b%2B%26&options=-c%20x%3Dy",
    "sqlite://",
    "sqlite://bank.db",
    "sqlite:///var/my%20bank%23%3F%25.db?mode=ro",
    "sqlite:///home/_x@example.com/members.db",
    "sqlite://C:/data/hello.db",
];

#[test]
fn rfc1738_round_trip() {
    for text in URLS {
        let read = url(text);
        let written = read.set().build().unwrap_or_else(|error| panic!("{text}: {error}"));
        let part = |url: &Url| {
            format!(
                "{} {} {:?} {:?} {:?} {:?} {:?}",
                url.scheme(),
                url.username(),
                url.password().map(|password| password.expose_secret().to_owned()),
                url.host(),
                url.port(),
                url.database(),
                url.query()
            )
        };
        assert_eq!(part(&read), part(&written), "{text}");
        // From then on nothing changes any more.
        assert_eq!(written, written.set().build().expect("it was written before"), "{text}");
        assert_eq!(written, url(&full(&written)), "{text}");
    }
}

#[test]
fn dont_urlescape_slashes() {
    let url = Url::create("postgres")
        .host("/run/postgresql")
        .database("bank")
        .build()
        .unwrap();
    assert_eq!(full(&url), "postgres://%2Frun%2Fpostgresql/bank");
    assert_eq!(url.host(), Some("/run/postgresql"));
    // SQLite's path keeps its slashes.
    let url = Url::create("sqlite").database("/var/bank.db").build().unwrap();
    assert_eq!(full(&url), "sqlite:///var/bank.db");
}

#[test]
fn password_custom_obj() {
    let url = Url::create("mysql")
        .username("app")
        .password("hunter2@/:%")
        .host("h")
        .build()
        .unwrap();
    assert_eq!(full(&url), "mysql://app:hunter2%40%2F%3A%25@h");
    assert_eq!(url.password().expect("there is one").expose_secret(), "hunter2@/:%");
    assert_eq!(url.render_as_string(true), "mysql://app:***@h");
    assert_eq!(url.render_as_string(false), full(&url));
    for shown in [
        url.to_string(),
        format!("{url:?}"),
        format!("{:?}", url.set()),
        format!("{:#?}", url.set()),
    ] {
        assert!(shown.contains("***") && !shown.contains("hunter2"), "{shown}");
    }
    let builder = Url::create("postgres").query([("sslpassword", "hunter2"), ("options", "-c a.token=hunter2")]);
    assert!(!format!("{builder:?}").contains("hunter2"));
    assert_eq!(full(&url.with_password("other").unwrap()), "mysql://app:other@h");
    assert_eq!(full(&url.with_password("").unwrap()), "mysql://app@h");
}

#[test]
fn comparison() {
    let text = "mysql://app:hunter2@h:3307/bank?ssl_mode=required";
    assert_eq!(url(text), url(text));
    let all: HashSet<Url> = [
        text,
        text,
        "mariadb://app:hunter2@h:3307/bank?ssl_mode=required",
        "mysql://ape:hunter2@h:3307/bank?ssl_mode=required",
        "mysql://app:hunter3@h:3307/bank?ssl_mode=required",
        "mysql://app:hunter2@g:3307/bank?ssl_mode=required",
        "mysql://app:hunter2@h:3306/bank?ssl_mode=required",
        "mysql://app:hunter2@h:3307/tank?ssl_mode=required",
        "mysql://app:hunter2@h:3307/bank?ssl_mode=disabled",
        "mysql://app:hunter2@h:3307/bank",
    ]
    .into_iter()
    .map(url)
    .collect();
    assert_eq!(all.len(), 9);
}

#[test]
fn copy() {
    let one = url("mysql://app:hunter2@h:3307/bank?ssl_mode=required");
    assert_eq!(one.clone(), one);
    assert_eq!(one.set().build().unwrap(), one);
}

#[test]
fn component_set() {
    let base = url("mysql://app:hunter2@h:3307/bank?a=1&a=2");
    let set = base.set();
    for (changed, expected) in [
        (
            set.clone().scheme("MariaDB"),
            "mariadb://app:hunter2@h:3307/bank?a=1&a=2",
        ),
        (
            set.clone().username("o'neil@x"),
            "mysql://o%27neil%40x:hunter2@h:3307/bank?a=1&a=2",
        ),
        (set.clone().username(""), "mysql://:hunter2@h:3307/bank?a=1&a=2"),
        (set.clone().password("s p"), "mysql://app:s%20p@h:3307/bank?a=1&a=2"),
        (set.clone().host("::1"), "mysql://app:hunter2@[::1]:3307/bank?a=1&a=2"),
        (set.clone().port(None), "mysql://app:hunter2@h/bank?a=1&a=2"),
        (set.clone().port(1), "mysql://app:hunter2@h:1/bank?a=1&a=2"),
        (
            set.clone().database("a b/c"),
            "mysql://app:hunter2@h:3307/a%20b%2Fc?a=1&a=2",
        ),
        (
            set.clone().query([("x", "1 + 1")]),
            "mysql://app:hunter2@h:3307/bank?x=1%20%2B%201",
        ),
    ] {
        assert_eq!(full(&changed.build().unwrap()), expected);
    }
    // A missing database and an empty one are written differently, and are the same to everybody who asks.
    let (missing, empty) = (
        set.clone().database(None).build().unwrap(),
        set.database("").build().unwrap(),
    );
    assert_eq!(full(&missing), "mysql://app:hunter2@h:3307?a=1&a=2");
    assert_eq!(full(&empty), "mysql://app:hunter2@h:3307/?a=1&a=2");
    assert_eq!((missing.database(), empty.database()), (None, None));
    assert_ne!(missing, empty);
    // And the URL itself is what it was.
    assert_eq!(full(&base), "mysql://app:hunter2@h:3307/bank?a=1&a=2");
}

#[test]
fn update_query_dict() {
    let base = url("mysql://h/b?k1=v1&k2=v2");
    for (changed, expected) in [
        (
            base.update_query_pairs([("k2", "new")], false),
            "mysql://h/b?k1=v1&k2=new",
        ),
        (
            base.update_query_pairs([("k1", "new")], true),
            "mysql://h/b?k1=v1&k2=v2&k1=new",
        ),
        (
            base.update_query_pairs([("k3", "a"), ("k3", "b")], false),
            "mysql://h/b?k1=v1&k2=v2&k3=a&k3=b",
        ),
        (
            base.update_query_pairs(BTreeMap::from([("k1", "x"), ("k4", "y")]), false),
            "mysql://h/b?k2=v2&k1=x&k4=y",
        ),
        (
            base.update_query_dict([("k2", ["x", "y"])], false),
            "mysql://h/b?k1=v1&k2=x&k2=y",
        ),
        (
            base.update_query_dict([("k2", ["x"])], true),
            "mysql://h/b?k1=v1&k2=v2&k2=x",
        ),
        (
            base.update_query_string("k2=a+b%26&k5", false),
            "mysql://h/b?k1=v1&k2=a%20b%26&k5=",
        ),
        (base.update_query_string("", false), "mysql://h/b?k1=v1&k2=v2"),
        (base.difference_update_query(["k1", "k9"]), "mysql://h/b?k2=v2"),
        (base.difference_update_query(["k1", "k2"]), "mysql://h/b"),
    ] {
        assert_eq!(full(&changed.unwrap()), expected);
    }
}

#[test]
fn query_dict_immutable() {
    let base = url("mysql://h/b?k1=v1");
    let _ = base.update_query_pairs([("k1", "v2"), ("k3", "v3")], false).unwrap();
    let _ = base.difference_update_query(["k1"]).unwrap();
    assert_eq!(full(&base), "mysql://h/b?k1=v1");
    assert_eq!(base.query_values("k1").collect::<Vec<_>>(), ["v1"]);
}

#[test]
fn create_engine_url_invalid() {
    for (builder, error) in [
        (Url::create("my sql"), UrlError::NoScheme),
        (Url::create("mysql+pymysql"), UrlError::Driver { plain: "mysql" }),
        (Url::create("sqlite").username("app"), UrlError::SqliteUser),
        (Url::create("sqlite").host("h").database("x"), UrlError::SqliteUser),
        (
            Url::create("mysql").host("h").password("hunter2\0"),
            UrlError::Nul { part: "password" },
        ),
        (
            Url::create("mysql").host("h").query([("a", "hunter2\0")]),
            UrlError::Nul { part: "query" },
        ),
        (Url::create("mysql").host("h").database(".."), UrlError::Unwritable),
        (Url::create("mysql").host("a b,c"), UrlError::Host),
        (Url::create("mysql").host("h:1,g").port(2), UrlError::Unwritable),
    ] {
        let shown = format!("{builder:?}");
        let found = builder.build().expect_err(&shown);
        assert_eq!(found, error, "{shown}");
        assert!(!found.to_string().contains("hunter2"));
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn the_rest_of_a_torn_secret_is_not_shown_as_an_unknown_argument() {
    let told = |text: &str| {
        let engine = aludel::Engine::<diesel::SqliteConnection>::new(text);
        engine.unwrap_err().to_string()
    };
    let torn = told("sqlite://bank.db?password=hun&ter2");
    assert!(torn.contains("%26") && !torn.contains("ter2"), "{torn}");
    assert!(told("sqlite://bank.db?hun&mode=ro").contains("unknown argument `hun`"));
}
