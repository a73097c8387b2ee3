//! Engines from a map, from the environment and from files: SQLAlchemy's `engine_from_config`.

use std::collections::HashMap;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aludel::pool::{Limit, PoolOptions};
use aludel::prelude::*;
use aludel::{Echo, EngineBuilder, EngineConfig, ErrorKind};
use diesel::SqliteConnection;

fn config(pairs: &[(&str, &str)]) -> EngineConfig {
    pairs
        .iter()
        .fold(EngineConfig::new(), |config, (name, value)| config.set(name, *value))
}

fn mistakes(pairs: &[(&str, &str)]) -> String {
    let error = config(pairs)
        .builder::<SqliteConnection>()
        .expect_err("there are mistakes");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    error.to_string()
}

#[test]
fn engine_from_config() -> aludel::Result<()> {
    let map = HashMap::from([
        ("aludel.url", "sqlite://:memory:"),
        ("aludel.pool_size", "2"),
        ("aludel.pool_pre_ping", "true"),
        ("web.port", "80"),
        ("url", "not ours"),
    ]);
    let engine = EngineBuilder::<SqliteConnection>::from_config(&map)?.build()?;
    let options = PoolOptions {
        pool_size: 2.into(),
        pre_ping: PrePing::Always,
        ..PoolOptions::default()
    };
    assert_eq!(engine.pool().options(), &options);
    engine.begin(|_| Ok(()))
}

/// Every option, coerced from text.
#[test]
fn engine_from_config_custom() -> aludel::Result<()> {
    let map = [
        ("db.url", "sqlite://:memory:"),
        ("db.connect_args.busy_timeout", "77"),
        ("db.isolation_level", "read_uncommitted"),
        ("db.pool_size", "0"),
        ("db.max_overflow", "-1"),
        ("db.pool_timeout", "2.5"),
        ("db.pool_recycle", "3600"),
        ("db.pool_pre_ping", "500ms"),
        ("db.pool_use_lifo", "yes"),
        ("db.pool_reset_on_return", "Commit"),
        ("db.pool_min_idle", "0"),
        ("db.pool_idle_timeout", "10m"),
        ("db.pool_max_lifetime", "1h 30m"),
        ("db.pool_keepalive", "-1"),
        ("db.leak_detection_threshold", "never"),
        ("db.echo", "false"),
        ("db.echo_pool", "0"),
        ("db.hide_parameters", "off"),
        ("db.logging_name", "bank"),
    ];
    let seen = Arc::new(Mutex::new(None));
    let level = Arc::clone(&seen);
    let engine = EngineConfig::from_map(map, "db.")
        .builder::<SqliteConnection>()?
        .pool_idle_timeout(Duration::from_secs(7)) // what is said to the builder is said later
        .on_connect(move |_, info| {
            *level.lock().expect("no panic") = info.setup.characteristics.isolation_level;
            assert_eq!(info.setup.url.query_value("busy_timeout"), Some("77"));
            Ok(())
        })
        .build()?;
    let options = PoolOptions {
        pool_size: Limit::Unlimited,
        max_overflow: Limit::Unlimited,
        pool_timeout: Duration::from_millis(2_500),
        pool_recycle: Some(Duration::from_hours(1)),
        pre_ping: PrePing::IdleFor(Duration::from_millis(500)),
        use_lifo: true,
        reset_on_return: ResetOnReturn::Commit,
        min_idle: 0,
        idle_timeout: Some(Duration::from_secs(7)),
        max_lifetime: Some(Duration::from_mins(90)),
        keepalive: None,
        leak_detection_threshold: None,
    };
    assert_eq!(engine.pool().options(), &options);
    let log = engine.log();
    assert_eq!((log.hides_parameters(), log.name()), (false, "bank"));
    drop(engine.raw_connection()?);
    assert_eq!(*seen.lock().expect("no panic"), Some(IsolationLevel::ReadUncommitted));
    Ok(())
}

#[test]
fn the_kind_of_pool_is_a_word() -> aludel::Result<()> {
    for (word, name) in [
        ("queue", "QueuePool"),
        ("NullPool", "NullPool"),
        ("thread_local", "ThreadLocalPool"),
        ("SingletonThreadPool", "ThreadLocalPool"),
        ("static", "StaticPool"),
        ("assertion", "AssertionPool"),
    ] {
        let engine = config(&[("url", "sqlite://bank.db"), ("pool", word)])
            .builder::<SqliteConnection>()?
            .build()?;
        assert_eq!(engine.pool().kind(), name, "{word}");
    }
    let error = config(&[("url", "sqlite://"), ("pool", "null"), ("pool_size", "3")])
        .builder::<SqliteConnection>()?
        .build()
        .expect_err("such a pool has no size");
    assert!(error.to_string().contains("`pool_size` has no meaning"), "{error}");
    assert!(mistakes(&[("url", "sqlite://"), ("pool", "r2d2")]).contains("`pool`: it must be queue, null"));
    Ok(())
}

#[test]
fn echo_is_read_like_any_other_switch() -> aludel::Result<()> {
    let shown = |value| -> aludel::Result<_> {
        let config = config(&[("url", "sqlite://"), ("echo", value), ("echo_pool", value)]);
        let engine = config.builder::<SqliteConnection>()?.build()?;
        Ok((engine.echo(), engine.echo_pool()))
    };
    assert_ne!(shown("true")?, shown("false")?);
    assert_eq!(shown("True")?, shown("1")?);
    assert_eq!(shown("debug")?, (Echo::Debug, Echo::Debug));
    Ok(())
}

#[test]
fn unknown_options_are_told_with_the_nearest_or_their_place() {
    for (name, words) in [
        ("pool_sise", "did you mean `pool_size`, an option of the pool?"),
        ("Pool_Size", "did you mean `pool_size`"),
        (
            "isolation_levle",
            "did you mean `isolation_level`, an option of the engine?",
        ),
        ("busy_timeout", "`connect_args.busy_timeout`"),
        ("init_command", "an option of MariaDB and MySQL"),
        ("sslmode", "an option of PostgreSQL"),
        ("expire_on_commit", "the session"),
        ("poolclass", "the kind of pool is `pool`"),
        ("plugins", "a function that takes a builder and gives it back"),
        ("colour", "known are url, password, isolation_level"),
        ("connect_args", "`connect_args.<name>`"),
    ] {
        let text = mistakes(&[("url", "sqlite://"), (name, "1")]);
        assert!(
            text.starts_with(&format!("`{name}`: unknown option")) && text.contains(words),
            "{text}"
        );
    }
    // With the prefix where there is one.
    let error = EngineConfig::from_map([("db.url", "sqlite://"), ("db.pool_sise", "5")], "db.")
        .builder::<SqliteConnection>()
        .expect_err("a typo")
        .to_string();
    assert!(
        error.contains("`db.pool_sise`") && error.contains("did you mean `db.pool_size`"),
        "{error}"
    );
}

#[test]
fn all_mistakes_of_one_map_are_told_at_once_and_no_value_is_shown() {
    let text = mistakes(&[
        ("url", "mysql://app:hunter2/x@h/bank"),
        ("pool_size", "postgres://app:hunter2@h/bank"),
        ("pool_timeout", "hunter2"),
        ("pool_recycle", "hunter2"),
        ("pool_pre_ping", "hunter2"),
        ("max_overflow", "hunter2"),
        ("pool_use_lifo", "hunter2"),
        ("pool_reset_on_return", "hunter2"),
        ("isolation_level", "hunter2"),
        ("pasword", "hunter2"),
    ]);
    assert!(text.starts_with("10 mistakes:"), "{text}");
    assert_eq!(text.lines().count(), 11, "{text}");
    for words in [
        "`url`:",
        "%2F",
        "0 or more",
        "30s, 500ms",
        "-1 for never",
        "its unit",
        "-1 for no limit",
        "`pool_use_lifo`: it must be true or false",
        "rollback, commit, none or full",
        "SERIALIZABLE",
        "did you mean `password`",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("hunter2"), "{text}");

    // What URL and arguments ask of the database is among them.
    let text = mistakes(&[
        ("url", "sqlite://bank.db?buzy_timeout=1"),
        ("connect_args.journal_mode", "hunter2"),
        ("pool_size", "-5"),
    ]);
    assert!(
        text.starts_with("2 mistakes:") && text.contains("did you mean `busy_timeout`") && text.contains("truncate"),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
    let text = mistakes(&[("url", "mysql://app:hunter2@h/bank")]);
    assert!(text.contains("scheme `mysql`") && !text.contains("hunter2"), "{text}");
    assert!(mistakes(&[]).contains("`url` is missing"));
}

#[test]
fn a_password_may_come_from_elsewhere_and_is_not_shown() -> aludel::Result<()> {
    let file = config(&[("url", "sqlite://:memory:"), ("pool_size", "3"), ("pool_timeout", "1")]);
    let engine = file
        .update(config(&[("pool_timeout", "2")]))
        .builder::<SqliteConnection>()?
        .build()?;
    assert_eq!(engine.pool().options().pool_timeout, Duration::from_secs(2));
    assert_eq!(engine.pool().options().pool_size, 3.into());

    let secret = config(&[
        (
            "url",
            "mysql://app:hunter2@h/bank?ssl_mode=required&access_token=hunter2",
        ),
        ("password", "hunter2"),
        ("connect_args.sslpassword", "hunter2"),
        ("connect_args.init_command", "SET @token = 'hunter2'"),
        ("connect_args.charset", "utf8mb4"),
    ]);
    let shown = format!("{secret:?} {secret:#?}");
    assert!(
        !shown.contains("hunter2") && shown.contains("mysql://app@h/bank?ssl_mode=required"),
        "{shown}"
    );
    assert!(shown.contains("utf8mb4"), "{shown}");

    let error = config(&[("url", "sqlite://"), ("password", "hunter2")])
        .builder::<SqliteConnection>()
        .expect_err("SQLite has none")
        .to_string();
    assert!(
        error.contains("no user, password or host") && !error.contains("hunter2"),
        "{error}"
    );
    Ok(())
}

/// The test runs itself with other variables: those of a running process are nobody's to change.
#[test]
fn options_come_from_the_environment() -> aludel::Result<()> {
    const CHILD: &str = "ALUDEL_TESTS_ENVIRONMENT";
    if std::env::var_os(CHILD).is_some() {
        let engine = EngineBuilder::<SqliteConnection>::from_env("SHOP")?.build()?;
        let options = engine.pool().options();
        assert_eq!(options.pool_size, 7.into());
        assert_eq!(
            options.pool_timeout,
            PoolOptions::default().pool_timeout,
            "an empty one is missing"
        );
        let raw = engine.raw_connection();
        assert!(raw.is_ok());
        let error = EngineBuilder::<SqliteConnection>::from_env("WRONG")
            .expect_err("two mistakes")
            .to_string();
        assert!(
            error.contains("`WRONG_POOL_SISE`")
                && error.contains("did you mean `WRONG_POOL_SIZE`")
                && error.contains("`WRONG_URL` is missing")
                && error.contains("`WRONG_LOGGING_NAME`: it is not UTF-8"),
            "{error}"
        );
        return Ok(());
    }
    let error = EngineBuilder::<SqliteConnection>::from_env("SHOP")
        .expect_err("it is not there")
        .to_string();
    assert_eq!(error, "`SHOP_URL` is missing; it must be a database URL");

    let not_utf8 = <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(vec![0xff]);
    let output = Command::new(std::env::current_exe().expect("the test runs"))
        .args(["--exact", "config::options_come_from_the_environment"])
        .env(CHILD, "1")
        .env("SHOP_URL", "sqlite://:memory:")
        .env("SHOP_POOL_SIZE", "7")
        .env("SHOP_POOL_TIMEOUT", "")
        .env("SHOP_CONNECT_ARGS_BUSY_TIMEOUT", "100")
        .env("WRONG_POOL_SISE", "5")
        .env("WRONG_LOGGING_NAME", not_utf8)
        .output()
        .expect("the test can be run again");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    Ok(())
}

#[test]
fn a_function_on_the_builder_is_what_a_plugin_would_be() -> aludel::Result<()> {
    fn quiet_bank<C: Dialect>(builder: EngineBuilder<C>) -> EngineBuilder<C> {
        builder.logging_name("bank").pool_use_lifo(true)
    }
    let engine = quiet_bank(Engine::<SqliteConnection>::builder("sqlite://")).build()?;
    assert!(engine.pool().options().use_lifo);
    Ok(())
}

#[test]
fn pool_creation_from_a_url_alone() -> aludel::Result<()> {
    // SQLAlchemy's `create_pool_from_url`: here an engine costs nothing beside its pool.
    let engine = Engine::<SqliteConnection>::new("sqlite://")?;
    let pool = engine.pool().clone();
    drop(pool.checkout()?);
    assert_eq!(pool.opened(), 1);
    Ok(())
}

#[cfg(feature = "serde")]
mod files {
    use secrecy::ExposeSecret as _;

    use super::*;

    const TOML: &str = r#"
        url = "postgres://app:hunter2@h/bank?sslmode=require&sslpassword=hunter2"
        pool_size = 20
        pool_timeout = 2.5
        pool_pre_ping = "500ms"
        pool_use_lifo = true

        [connect_args]
        application_name = "5"
        statement_timeout = "20s"
        password = "hunter2"
    "#;

    /// `"engine": "postgres://.."` where a table is meant; an error of the format would show the text.
    #[test]
    fn a_text_in_the_place_of_a_table_is_the_url_and_is_not_shown() -> Result<(), Box<dyn std::error::Error>> {
        let config: EngineConfig = serde_json::from_str(r#""sqlite://bank.db""#)?;
        let engine = config.builder::<diesel::SqliteConnection>()?.build()?;
        assert_eq!(engine.url().to_string(), "sqlite://bank.db");
        let config: EngineConfig = serde_json::from_str(r#""postgres://app:hunter2@h/bank""#)?;
        let told = config.builder::<diesel::SqliteConnection>().unwrap_err().to_string();
        assert!(
            told.contains("scheme") && !format!("{told} {config:?}").contains("hunter2"),
            "{told}"
        );
        Ok(())
    }

    #[test]
    fn toml_is_read_and_written_without_secrets() -> Result<(), Box<dyn std::error::Error>> {
        let config: EngineConfig = toml::from_str(TOML)?;
        let written = serde_json::to_string(&config)?;
        assert_eq!(
            written,
            r#"{"pool_pre_ping":"500ms","pool_size":20,"pool_timeout":"2.5","pool_use_lifo":true,"url":"postgres://app@h/bank?sslmode=require","connect_args":{"application_name":5,"statement_timeout":"20s"}}"#
        );
        let again: EngineConfig = serde_json::from_str(&written)?;
        assert_eq!(serde_json::to_string(&again)?, written);
        Ok(())
    }

    #[test]
    fn json_becomes_an_engine() -> Result<(), Box<dyn std::error::Error>> {
        let config: EngineConfig = serde_json::from_str(
            r#"{"url": "sqlite://:memory:", "max_overflow": -1, "pool_size": 3, "pool_pre_ping": true,
                "pool_recycle": null, "connect_args": {"foreign_keys": true, "cache_size": -64}}"#,
        )?;
        let engine = config.builder::<SqliteConnection>()?.build()?;
        assert_eq!(engine.pool().options().max_overflow, Limit::Unlimited);
        assert_eq!(engine.pool().options().pre_ping, PrePing::Always);
        drop(engine.raw_connection()?);
        Ok(())
    }

    #[test]
    fn mistakes_in_a_file_are_told_without_its_lines() -> Result<(), Box<dyn std::error::Error>> {
        // A reader that refuses an unknown field shows the line, and the line may be the password's.
        let config: EngineConfig = toml::from_str(
            r#"
            ulr = "sqlite://hunter2.db"
            pool_size = ["hunter2"]
            pool_timeout = { hunter2 = 1 }
            connect_args = { busy_timeout = ["hunter2"] }
            "#,
        )?;
        let error = config
            .builder::<SqliteConnection>()
            .expect_err("all of it is wrong")
            .to_string();
        assert!(error.starts_with("5 mistakes:"), "{error}");
        assert!(
            error.contains("did you mean `url`") && error.contains("`pool_size`: it must be one text"),
            "{error}"
        );
        assert!(
            error.contains("`connect_args.busy_timeout`: it must be one text"),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
        Ok(())
    }

    #[test]
    fn it_is_a_part_of_a_larger_file() -> Result<(), Box<dyn std::error::Error>> {
        let file: HashMap<String, EngineConfig> = toml::from_str("[database]\nurl = \"sqlite://\"\npool_size = 2")?;
        let engine = file["database"].builder::<SqliteConnection>()?.build()?;
        assert_eq!(engine.url().reveal().expose_secret(), "sqlite://");
        assert_eq!(engine.pool().size(), 2);
        Ok(())
    }
}
