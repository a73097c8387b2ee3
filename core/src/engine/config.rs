//! The options of an engine as text: from a map, from the environment, from a file.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

use super::builder::connect;
use super::{Engine, EngineBuilder};
use crate::dialect::{ConnectArgs, Dialect};
use crate::error::{Error, Result};
use crate::mistakes::Mistakes;
use crate::names::unknown_option;
use crate::url::{Url, hides};

mod options;
#[cfg(feature = "serde")]
mod serde;
mod values;

/// The prefix of [`EngineBuilder::from_config`].
const PREFIX: &str = "aludel.";

/// Arguments of the connections, behind this.
const CONNECT_ARGS: &str = "connect_args.";

/// The options of an engine as text, as a configuration file or the environment has them (`engine_from_config` in
/// SQLAlchemy).
///
/// | Option | Value | Default |
/// |---|---|---|
/// | `url` | a database [URL](crate::url) | must be there |
/// | `password` | put into the URL, which then need not have one | none |
/// | `connect_args.<name>` | an argument of the connections, over the URL's query | none |
/// | `isolation_level` | `READ COMMITTED` and the like, in any case, with spaces or `_` | the server's |
/// | `pool` | `queue`, `null`, `thread_local`, `static` or `assertion` | `queue`; for SQLite in memory `thread_local` |
/// | `pool_size` | connections, 0 for no limit | 5 |
/// | `max_overflow` | connections, -1 for no limit | 10 |
/// | `pool_timeout` | a time | 30 s |
/// | `pool_recycle` | a time, -1 for never | never |
/// | `pool_pre_ping` | `true`, `false`, or the time of idling after which to ping, with its unit | `false` |
/// | `pool_use_lifo` | `true` or `false` | `false` |
/// | `pool_reset_on_return` | `rollback`, `commit`, `none`, `full` | `rollback` |
/// | `pool_min_idle` | connections | 0 |
/// | `pool_idle_timeout`, `pool_max_lifetime`, `pool_keepalive`, `leak_detection_threshold` | a time, -1 for never | never |
/// | `echo`, `echo_pool` | `true` or `false` | `false` |
/// | `hide_parameters` | `true` or `false` | `true` |
/// | `logging_name` | a name | none |
/// | `insertmanyvalues_page_size` | rows of one statement of a flush | 1000; on SQLite 250 |
/// | `implicit_returning` | `true` or `false` | `true` |
/// | `retry_attempts` | attempts of a retry, the first one included | 5 |
/// | `retry_deadline` | a time, which servers are told of; see [`RetryPolicy::deadline`](crate::RetryPolicy::deadline) | 30 s, which they are not |
/// | `retry_commit` | `fail`, `verify`, `idempotent` | `fail` |
/// | `retry_on` | the classes that run again: of `retry`, `disconnect`, `failover`, `busy`, with commas between | all four |
/// | `retry_backoff` | the shortest and the longest pause as `10ms..2s`, or `none` | by class, see [`RetryPolicy`](crate::RetryPolicy) |
/// | `retry_budget` | tokens, -1 for no limit | 100 |
///
/// A time is a number of seconds, as in SQLAlchemy (`30`, `0.5`), or has units (`30s`, `500ms`, `1h 30m`). `true` may be
/// written `yes`, `on` or `1`, and `false` likewise. What is a closure or a type (hooks, listeners, the clock) is given
/// to the builder.
///
/// With the feature `serde` it can be read from any format that says what its values are (JSON, TOML, YAML), and written.
/// **What is written has no secrets**: no `password`, no password in the URL, and no argument that looks like a secret;
/// they come from elsewhere, with [`update`](Self::update). A mistake is told by [`builder`](Self::builder) and not while
/// reading, since readers of files like to show the line, which may hold a password.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::EngineConfig;
/// use diesel::SqliteConnection;
///
/// let engine = EngineConfig::new()
///     .set("url", "sqlite://:memory:")
///     .set("pool_timeout", "2s")
///     .set("connect_args.foreign_keys", "on")
///     .builder::<SqliteConnection>()?
///     .build()?;
/// drop(engine.raw_connection()?);
///
/// // All mistakes at once, each with its fix, and no value in any of them.
/// let error = EngineConfig::new().set("url", "bank.db").set("pool_sise", "5").builder::<SqliteConnection>().unwrap_err();
/// assert!(error.to_string().starts_with("2 mistakes:"));
/// assert!(error.to_string().contains("did you mean `pool_size`"));
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "an engine exists only after builder() and build()"]
pub struct EngineConfig {
    entries: Vec<Entry>,
    naming: Naming,
}

#[derive(Clone)]
struct Entry {
    /// The option.
    name: String,
    /// As it was written, for whoever has to find it.
    source: String,
    value: Value,
}

#[derive(Clone)]
enum Value {
    /// Any of them may be a secret, in the wrong place or not.
    Text(SecretString),
    /// It could not be read as one text, for this reason.
    Unreadable(&'static str),
}

/// How an option is called where the configuration comes from.
#[derive(Clone, Default)]
enum Naming {
    #[default]
    Plain,
    Prefixed(String),
    Environment(String),
}

impl Naming {
    fn full(&self, name: &str) -> String {
        match self {
            Self::Plain => name.to_owned(),
            Self::Prefixed(prefix) => format!("{prefix}{name}"),
            Self::Environment(prefix) => format!("{prefix}{}", name.replace('.', "_").to_uppercase()),
        }
    }
}

impl EngineConfig {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the entries of a map whose keys begin with `prefix`; the others are left alone.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::EngineConfig;
    /// use diesel::SqliteConnection;
    ///
    /// let map = [("db.url", "sqlite://:memory:"), ("db.pool_recycle", "3600"), ("web.port", "80")];
    /// let engine = EngineConfig::from_map(map, "db.").builder::<SqliteConnection>()?.build()?;
    /// # drop(engine);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn from_map<K: AsRef<str>, V: AsRef<str>>(map: impl IntoIterator<Item = (K, V)>, prefix: &str) -> Self {
        let mut config = Self {
            entries: Vec::new(),
            naming: Naming::Prefixed(prefix.to_owned()),
        };
        for (key, value) in map {
            if let Some(name) = key.as_ref().strip_prefix(prefix) {
                config.put(name, Value::Text(value.as_ref().to_owned().into()));
            }
        }
        config
    }

    /// Reads the environment's variables that begin with `prefix` and `_`, in upper case: `ALUDEL_URL`,
    /// `ALUDEL_POOL_SIZE`, `ALUDEL_CONNECT_ARGS_CHARSET`. An empty one counts as missing.
    ///
    /// ```
    /// use aludel_core::EngineConfig;
    /// use diesel::SqliteConnection;
    ///
    /// # #[cfg(feature = "sqlite")] {
    /// let error = EngineConfig::from_env("NOT_SET").builder::<SqliteConnection>().unwrap_err();
    /// assert!(error.to_string().contains("`NOT_SET_URL` is missing"));
    /// # }
    /// ```
    pub fn from_env(prefix: &str) -> Self {
        let prefix = format!("{prefix}_");
        let mut config = Self {
            entries: Vec::new(),
            naming: Naming::Environment(prefix.clone()),
        };
        for (variable, value) in std::env::vars_os() {
            let Some(name) = variable.to_str().and_then(|variable| variable.strip_prefix(&prefix)) else {
                continue;
            };
            let name = name.to_lowercase();
            let name = match name.strip_prefix("connect_args_") {
                Some(argument) => format!("{CONNECT_ARGS}{argument}"),
                None => name,
            };
            match value.into_string() {
                Ok(value) if value.is_empty() => {}
                Ok(value) => config.put(&name, Value::Text(value.into())),
                Err(_) => config.put(&name, Value::Unreadable("it is not UTF-8")),
            }
        }
        config
    }

    /// Sets an option; the last one wins.
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.put(name, Value::Text(value.into().into()));
        self
    }

    /// Takes over what `other` has; on a clash that one wins.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::EngineConfig;
    /// use diesel::SqliteConnection;
    ///
    /// let file = EngineConfig::new().set("url", "sqlite://:memory:").set("pool_size", "5");
    /// let engine = file.update(EngineConfig::from_env("BANK")).builder::<SqliteConnection>()?.build()?;
    /// # drop(engine);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn update(mut self, other: Self) -> Self {
        for entry in other.entries {
            self.replace(entry);
        }
        self
    }

    /// Reads every option, and makes an [`EngineBuilder`] with them, to which more can be said.
    ///
    /// # Errors
    ///
    /// All mistakes at once: an unknown option, with the nearest known one or the place where it belongs; a value that
    /// cannot be; a missing or unreadable URL; an argument that this database does not have. No value is repeated.
    pub fn builder<C: Dialect>(&self) -> Result<EngineBuilder<C>> {
        let mut mistakes = Mistakes::default();
        let (mut url, mut password, mut arguments, mut steps) = (None, None, ConnectArgs::new(), Vec::new());
        for entry in &self.entries {
            let text = match &entry.value {
                Value::Text(text) => text.expose_secret(),
                Value::Unreadable(reason) => {
                    mistakes.add(format!("`{}`: {reason}", entry.source));
                    continue;
                }
            };
            let note = |mistake: String| format!("`{}`: {mistake}", entry.source);
            match entry.name.as_str() {
                "url" => url = Some(mistakes.take(Url::parse(text).map_err(|error| note(error.to_string())))),
                "password" => password = Some(text),
                name => match name.strip_prefix(CONNECT_ARGS) {
                    Some(argument) => arguments = arguments.set(argument, text),
                    None => match options::step::<C>(name, text) {
                        Some(step) => steps.extend(mistakes.take(step.map_err(note))),
                        None => mistakes.add(note(unknown_option(name, |name| self.naming.full(name)))),
                    },
                },
            }
        }
        let url = match url {
            None => {
                mistakes.add(format!(
                    "`{}` is missing; it must be a database URL",
                    self.naming.full("url")
                ));
                None
            }
            Some(url) => url,
        };
        let url = url.and_then(|url| {
            let with_password = match password {
                Some(password) => url.with_password(password),
                None => Ok(url),
            };
            let url = mistakes.take(with_password.map_err(|error| error.to_string()))?;
            let pairs: Vec<_> = arguments.clone().into_iter().collect();
            let checked = connect::check::<C>(&url, &pairs).map_err(|error| error.to_string().replace('\n', "\n  "));
            mistakes.take(checked).map(|_| url)
        });
        let Some(url) = url else {
            return mistakes
                .finish(())
                .and_then(|()| Err(Error::configuration("there is no URL")));
        };
        mistakes.finish(())?;
        let builder = Engine::<C>::builder(url).connect_args(arguments);
        Ok(steps.into_iter().fold(builder, |builder, step| step(builder)))
    }

    fn put(&mut self, name: &str, value: Value) {
        let source = self.naming.full(name);
        self.replace(Entry {
            name: name.to_owned(),
            source,
            value,
        });
    }

    fn replace(&mut self, entry: Entry) {
        match self.entries.iter_mut().find(|other| other.name == entry.name) {
            Some(other) => *other = entry,
            None => self.entries.push(entry),
        }
    }

    /// What may be seen: no secrets.
    fn shown(&self) -> impl Iterator<Item = (&str, String)> {
        self.entries.iter().filter_map(|entry| {
            let Value::Text(text) = &entry.value else { return None };
            let text = text.expose_secret();
            let name = entry.name.as_str();
            if name == "url" {
                return Some((name, without_secrets(text)?));
            }
            (!hides(name, text)).then(|| (name, text.to_owned()))
        })
    }
}

/// A URL that may be written into a file.
fn without_secrets(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let kept = url.query().iter().filter(|(key, value)| !hides(key, value)).cloned();
    let url = url.set().password("").query(kept).build().ok()?;
    Some(url.reveal().expose_secret().to_owned())
}

/// Without its secrets.
impl fmt::Debug for EngineConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish_non_exhaustive()
    }
}

impl<C: Dialect> EngineBuilder<C> {
    /// The options of a map of texts whose keys begin with `aludel.` (`engine_from_config` in SQLAlchemy); the other keys
    /// are left alone. [`EngineConfig`] lists them, and takes another prefix with [`EngineConfig::from_map`].
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::EngineBuilder;
    /// use diesel::SqliteConnection;
    /// use std::collections::HashMap;
    ///
    /// let map = HashMap::from([("aludel.url", "sqlite://:memory:"), ("aludel.pool_pre_ping", "500ms")]);
    /// let engine = EngineBuilder::<SqliteConnection>::from_config(map)?.logging_name("bank").build()?;
    /// # drop(engine);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`EngineConfig::builder`].
    pub fn from_config<K: AsRef<str>, V: AsRef<str>>(map: impl IntoIterator<Item = (K, V)>) -> Result<Self> {
        EngineConfig::from_map(map, PREFIX).builder()
    }

    /// The options of the environment: with the prefix `ALUDEL`, what is in `ALUDEL_URL`, `ALUDEL_POOL_SIZE` and so on.
    ///
    /// ```no_run
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::EngineBuilder;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = EngineBuilder::<SqliteConnection>::from_env("ALUDEL")?.build()?;
    /// # drop(engine);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`EngineConfig::builder`].
    pub fn from_env(prefix: &str) -> Result<Self> {
        EngineConfig::from_env(prefix).builder()
    }
}
