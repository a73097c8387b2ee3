//! Where a database is, and who asks: URLs whose password is never shown.
//!
//! ```
//! use aludel_core::url::Url;
//!
//! let url: Url = "mysql://app:p%40ss@127.0.0.1:3307/bank?ssl_mode=required".parse()?;
//! assert_eq!((url.host(), url.port(), url.database()), (Some("127.0.0.1"), Some(3307), Some("bank")));
//! assert_eq!(url.to_string(), "mysql://app:***@127.0.0.1:3307/bank?ssl_mode=required");
//!
//! let url = Url::parse("sqlite://bank.db")?;
//! assert_eq!(url.sqlite_path(), Some("bank.db"));
//! # Ok::<(), aludel_core::url::UrlError>(())
//! ```
//!
//! # Server databases
//!
//! `scheme://user:password@host:port/database?key=value`, of which everything after the scheme may be missing. User,
//! password, host and database are percent-decoded, and a `+` in them is a plus sign; in the query a `+` is a space, as
//! in SQLAlchemy (and so it is for libpq, which would take it for a plus sign there as well). What the `url` crate refuses and libpq understands is accepted too: no host after `user@` (the host is then in the query, as
//! in `postgres://app@/bank?host=/run/postgresql`) and lists of hosts (`postgres://a:5432,b:5433/bank`), which
//! [`Url::host`] gives as one text.
//!
//! # SQLite
//!
//! Everything between `sqlite://` and `?` is the path of the file, percent-decoded, as Diesel reads it. **This is not
//! SQLAlchemy's count of slashes.**
//!
//! | URL | Database |
//! |---|---|
//! | `sqlite://bank.db` | the file `bank.db`, relative to the current directory |
//! | `sqlite:///var/bank.db`, `sqlite:////var/bank.db` | the file `/var/bank.db` |
//! | `sqlite://`, `sqlite://:memory:`, `:memory:` | in memory |
//! | `sqlite://my%20bank.db?mode=ro` | the file `my bank.db`, read-only; a raw space does as well |
//!
//! # SQLAlchemy's verbs
//!
//! A URL never changes; each verb makes another one.
//!
//! | SQLAlchemy | Here |
//! |---|---|
//! | `URL.create(..)`, `url.set(..)` | [`Url::create`], [`Url::set`], and a [`UrlBuilder`] |
//! | `make_url(text)` | [`Url::parse`] |
//! | `url.query["key"]` with its lists | [`Url::query_value`], [`Url::query_values`] |
//! | `update_query_pairs`, `update_query_dict`, `update_query_string`, `difference_update_query` | the same |
//! | `str(url)`, `render_as_string(hide_password=False)` | [`Display`](std::fmt::Display), [`Url::reveal`], [`Url::render_as_string`] |
//! | `==`, `hash` | the same: what a driver would be given, the order of the query included |
//! | `get_backend_name()`, `get_driver_name()` | [`Url::scheme`]; there is one driver for each connection type |

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};
use url::form_urlencoded;

mod builder;
mod encode;
mod error;
mod parse;
mod query;

pub use builder::UrlBuilder;
pub use error::UrlError;

/// What stands where a secret was.
const MASK: &str = "***";

/// A database URL.
///
/// [`Display`](fmt::Display) and [`Debug`] show `***` in the place of the password and of every value in the query
/// whose key looks like a secret's (`password`, `sslpassword`, `pwd`, `token`, `secret` and the like). Two URLs are
/// equal when what a driver would be given is equal, passwords included.
///
/// ```
/// use aludel_core::Url;
///
/// let url = Url::parse("postgres://app:secret@db.example/bank?sslmode=require&sslpassword=secret")?;
/// assert_eq!(url.host(), Some("db.example"));
/// assert_eq!(url.to_string(), "postgres://app:***@db.example/bank?sslmode=require&sslpassword=***");
/// assert!(!format!("{url:?}").contains("secret"));
/// # Ok::<(), aludel_core::url::UrlError>(())
/// ```
#[derive(Clone)]
pub struct Url {
    scheme: String,
    username: String,
    password: Option<SecretString>,
    host: Option<String>,
    port: Option<u16>,
    /// Empty where there is a slash and nothing behind it: nothing to a driver, but what was written.
    database: Option<String>,
    query: Vec<(String, String)>,
    /// For a driver, everything in it. Built once, from the pieces below, as [`Url::reveal`] says.
    full: SecretString,
    /// For people.
    shown: String,
}

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// A [`UrlError`] that names the fix, and never a part of the text, which may hold a password.
    ///
    /// ```
    /// use aludel_core::url::Url;
    ///
    /// let error = Url::parse("bank.db").unwrap_err();
    /// assert!(error.to_string().contains("sqlite://bank.db"));
    /// ```
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        parse::parse(text)
    }

    /// Makes a URL of its parts (`URL.create` in SQLAlchemy).
    ///
    /// ```
    /// use aludel_core::Url;
    ///
    /// let url = Url::create("sqlite").database("/var/bank 2.db").query([("mode", "ro")]).build()?;
    /// assert_eq!(url.to_string(), "sqlite:///var/bank%202.db?mode=ro");
    /// # Ok::<(), aludel_core::url::UrlError>(())
    /// ```
    pub fn create(scheme: &str) -> UrlBuilder {
        UrlBuilder::new(scheme)
    }

    /// Begins with the parts of this URL, to make another one (`URL.set` in SQLAlchemy). This one stays as it is.
    ///
    /// ```
    /// use aludel_core::Url;
    ///
    /// let url = Url::parse("postgres://app:secret@db.example/bank")?;
    /// let test = url.set().host("::1").port(5433).build()?;
    /// assert_eq!(test.to_string(), "postgres://app:***@[::1]:5433/bank");
    /// assert_eq!(url.host(), Some("db.example"));
    /// # Ok::<(), aludel_core::url::UrlError>(())
    /// ```
    pub fn set(&self) -> UrlBuilder {
        UrlBuilder::of(self)
    }

    /// The same URL with this password; with an empty one, without any.
    ///
    /// ```
    /// use aludel_core::Url;
    ///
    /// let url = Url::parse("mysql://app@h/bank")?.with_password("p@ss")?;
    /// assert_eq!(url.to_string(), "mysql://app:***@h/bank");
    /// assert_eq!(url.with_password("")?.to_string(), "mysql://app@h/bank");
    /// # Ok::<(), aludel_core::url::UrlError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the password has a zero byte in it, or this is a SQLite URL.
    pub fn with_password(&self, password: impl Into<String>) -> Result<Self, UrlError> {
        self.set().password(password).build()
    }

    /// The scheme in lower case: `mysql`, `mariadb`, `postgres`, `postgresql`, `sqlite`, or that of another dialect.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The user, decoded; empty if there is none.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The password, decoded; `None` if there is none or it is empty.
    pub fn password(&self) -> Option<&SecretString> {
        self.password.as_ref()
    }

    /// The host, decoded: a name, an IPv4 address, an IPv6 address without its brackets, the folder of a unix socket
    /// (`%2Frun%2Fpostgresql`), or libpq's list of hosts with their ports.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The TCP port, if one is written. It is part of [`host`](Self::host) where that is a list.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The database's name, decoded; `None` if it is missing or empty. For SQLite this is the path.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref().filter(|database| !database.is_empty())
    }

    /// The query's pairs, decoded, in the order they were written; a key may be there more than once.
    ///
    /// ```
    /// use aludel_core::Url;
    ///
    /// let url = Url::parse("mysql://h/bank?ssl_mode=required&connect_timeout=5")?;
    /// let keys: Vec<&str> = url.query().iter().map(|(key, _)| key.as_str()).collect();
    /// assert_eq!(keys, ["ssl_mode", "connect_timeout"]);
    /// # Ok::<(), aludel_core::url::UrlError>(())
    /// ```
    pub fn query(&self) -> &[(String, String)] {
        &self.query
    }

    /// The value of a key, the last one if it is repeated.
    ///
    /// ```
    /// use aludel_core::url::Url;
    ///
    /// let url = Url::parse("postgres://h/bank?application_name=a+b&connect_timeout=1&connect_timeout=5")?;
    /// assert_eq!(url.query_value("application_name"), Some("a b"));
    /// assert_eq!(url.query_value("connect_timeout"), Some("5"));
    /// assert_eq!(url.query_value("sslmode"), None);
    /// # Ok::<(), aludel_core::url::UrlError>(())
    /// ```
    pub fn query_value(&self, key: &str) -> Option<&str> {
        self.query
            .iter()
            .rev()
            .find(|(found, _)| found == key)
            .map(|(_, value)| value.as_str())
    }

    /// Whether this is a SQLite database, in a file or in memory.
    pub fn is_sqlite(&self) -> bool {
        self.scheme == parse::SQLITE
    }

    /// The path of SQLite's file, decoded and without the query; `None` in memory and for other databases.
    ///
    /// A memory database that has a name (`sqlite://name?mode=memory&cache=shared`) has it here.
    ///
    /// ```
    /// use aludel_core::Url;
    ///
    /// assert_eq!(Url::parse("sqlite:///var/bank.db")?.sqlite_path(), Some("/var/bank.db"));
    /// assert_eq!(Url::parse("sqlite://:memory:")?.sqlite_path(), None);
    /// # Ok::<(), aludel_core::url::UrlError>(())
    /// ```
    pub fn sqlite_path(&self) -> Option<&str> {
        if self.is_sqlite() { self.database() } else { None }
    }

    /// Whether this is a SQLite database in memory: no path, `:memory:`, or `?mode=memory`.
    ///
    /// ```
    /// use aludel_core::url::Url;
    ///
    /// assert!(Url::parse("sqlite://")?.is_sqlite_memory());
    /// assert!(Url::parse("sqlite://:memory:")?.is_sqlite_memory());
    /// assert!(!Url::parse("sqlite://bank.db")?.is_sqlite_memory());
    /// # Ok::<(), aludel_core::url::UrlError>(())
    /// ```
    pub fn is_sqlite_memory(&self) -> bool {
        self.is_sqlite() && (self.database().is_none() || self.query_value("mode") == Some("memory"))
    }

    /// Whether it is an SQLite database in memory that several connections of this process can share
    /// (`cache=shared`).
    pub fn is_shared_memory(&self) -> bool {
        self.is_sqlite_memory() && self.query_value("cache") == Some("shared")
    }

    /// Whether a secret's value in the query seems to have been torn at an `&`: nothing may show the name of what follows it.
    pub(crate) fn has_a_torn_secret(&self) -> bool {
        let query = self.full.expose_secret().split_once('?').map_or("", |(_, query)| query);
        let mut pairs = query.split('&').skip_while(|pair| !is_secret(pair));
        pairs.any(|pair| !pair.is_empty() && !pair.contains('='))
    }

    /// The whole text with its secrets, **for drivers only**: what was parsed, with the scheme in lower case and the
    /// characters that need it percent-encoded.
    ///
    /// ```
    /// use aludel_core::Url;
    /// use secrecy::ExposeSecret as _;
    ///
    /// let url = Url::parse("MySQL://app:p%40ss@127.0.0.1/bank")?;
    /// assert_eq!(url.reveal().expose_secret(), "mysql://app:p%40ss@127.0.0.1/bank");
    /// # Ok::<(), aludel_core::url::UrlError>(())
    /// ```
    pub fn reveal(&self) -> SecretString {
        self.full.clone()
    }

    /// The text, with its secrets as `***` or in the clear (`render_as_string` in SQLAlchemy). `true` gives what
    /// [`Display`](fmt::Display) gives; with `false`, [`reveal`](Self::reveal) is the better choice, since what it gives
    /// cannot be printed by accident.
    ///
    /// ```
    /// use aludel_core::Url;
    ///
    /// let url = Url::parse("mysql://app:secret@h/bank")?;
    /// assert_eq!(url.render_as_string(true), "mysql://app:***@h/bank");
    /// assert_eq!(url.render_as_string(false), "mysql://app:secret@h/bank");
    /// # Ok::<(), aludel_core::url::UrlError>(())
    /// ```
    pub fn render_as_string(&self, hide_password: bool) -> String {
        if hide_password {
            self.shown.clone()
        } else {
            self.full.expose_secret().to_owned()
        }
    }
}

/// The pieces of a URL as they are written, still encoded.
struct Pieces<'a> {
    scheme: &'a str,
    username: &'a str,
    password: Option<&'a str>,
    /// Host and port, with brackets and all; or SQLite's path.
    place: &'a str,
    /// Starts with a slash unless empty.
    path: &'a str,
    query: Option<&'a str>,
}

impl Pieces<'_> {
    fn render(&self, mask: bool) -> String {
        let mut text = format!("{}://", self.scheme);
        text.push_str(self.username);
        if let Some(password) = self.password {
            text.push(':');
            text.push_str(if mask { MASK } else { password });
        }
        if !self.username.is_empty() || self.password.is_some() {
            text.push('@');
        }
        text.push_str(self.place);
        text.push_str(self.path);
        if let Some(query) = self.query {
            text.push('?');
            text.push_str(&if mask { masked_query(query) } else { query.to_owned() });
        }
        text
    }
}

/// A query without its secrets.
fn masked_query(query: &str) -> String {
    let mut after_secret = false;
    let shown: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((key, _)) if is_secret(pair) => {
                after_secret = true;
                format!("{key}={MASK}")
            }
            // No pair at all: what is left of a password with a raw `&` in it, perhaps.
            None if after_secret || is_secret(pair) => MASK.to_owned(),
            _ => pair.to_owned(),
        })
        .collect();
    shown.join("&")
}

fn is_secret(pair: &str) -> bool {
    form_urlencoded::parse(pair.as_bytes()).any(|(key, value)| {
        // A value may smuggle another pair in: `options=-c app.token=…`, or `a=1;password=…`.
        looks_secret(&key) || (value.contains(['=', ':']) && looks_secret(&value))
    })
}

/// Whether a value may be shown beside its key, once both are decoded.
pub(crate) fn hides(key: &str, value: &str) -> bool {
    looks_secret(key) || looks_secret(value)
}

/// Rather one value too many than one too few: `passfile` is only a path, and hidden.
fn looks_secret(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "pass",
        "pwd",
        "secret",
        "token",
        "credential",
        // libpq's keys that stand for a password.
        "scram",
        "apikey",
        "api_key",
        "api-key",
        "accesskey",
        "access_key",
    ];
    let text = text.to_lowercase();
    WORDS.iter().any(|word| text.contains(word))
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.shown)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Url").field(&self.shown).finish()
    }
}

impl PartialEq for Url {
    fn eq(&self, other: &Self) -> bool {
        self.full.expose_secret() == other.full.expose_secret()
    }
}

impl Eq for Url {}

impl Hash for Url {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.full.expose_secret().hash(state);
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for Url {
    type Error = UrlError;

    fn try_from(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Url {
    type Error = UrlError;

    fn try_from(text: String) -> Result<Self, UrlError> {
        Self::parse(&text)
    }
}

impl TryFrom<&String> for Url {
    type Error = UrlError;

    fn try_from(text: &String) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests;
