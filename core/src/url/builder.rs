//! A URL out of its parts, and the verbs that make one URL out of another.

use std::fmt::{self, Write as _};
use std::net::Ipv6Addr;

use secrecy::{ExposeSecret, SecretString};

use super::encode::{database_encoded, host_encoded, query_encoded, sqlite_path_encoded, user_encoded};
use super::{MASK, Url, UrlError, hides, parse};

/// Makes a [`Url`] of its parts (`URL.create` and `URL.set` in SQLAlchemy): everything is given as it is, and
/// percent-encoded where it has to be.
///
/// [`Url::create`] begins with nothing but the scheme, [`Url::set`] with the parts of a URL, which itself never changes.
///
/// ```
/// use aludel_core::Url;
///
/// let url = Url::create("mysql").username("app").password("p@ss/word").host("db.example").database("bank").build()?;
/// assert_eq!(url.to_string(), "mysql://app:***@db.example/bank");
///
/// let other = url.set().database("shop").port(3307).build()?;
/// assert_eq!(other.to_string(), "mysql://app:***@db.example:3307/shop");
/// assert_eq!(other.password().map(secrecy::ExposeSecret::expose_secret), Some("p@ss/word"));
/// # Ok::<(), aludel_core::url::UrlError>(())
/// ```
#[derive(Clone)]
#[must_use = "a URL exists only after build()"]
pub struct UrlBuilder {
    scheme: String,
    username: String,
    password: Option<SecretString>,
    host: Option<String>,
    port: Option<u16>,
    database: Option<String>,
    query: Vec<(String, String)>,
}

impl UrlBuilder {
    pub(super) fn new(scheme: &str) -> Self {
        Self {
            scheme: scheme.to_ascii_lowercase(),
            username: String::new(),
            password: None,
            host: None,
            port: None,
            database: None,
            query: Vec::new(),
        }
    }

    pub(super) fn of(url: &Url) -> Self {
        Self {
            scheme: url.scheme.clone(),
            username: url.username.clone(),
            password: url.password.clone(),
            host: url.host.clone(),
            port: url.port,
            database: url.database.clone(),
            query: url.query.clone(),
        }
    }

    /// The scheme, as in `mysql`.
    pub fn scheme(mut self, scheme: &str) -> Self {
        self.scheme = scheme.to_ascii_lowercase();
        self
    }

    /// The user; empty for none.
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = username.into();
        self
    }

    /// The password; empty for none.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        let password: String = password.into();
        self.password = (!password.is_empty()).then(|| password.into());
        self
    }

    /// The host; empty for none. An IPv6 address needs no brackets here.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        let host: String = host.into();
        self.host = (!host.is_empty()).then_some(host);
        self
    }

    /// The port; `None` for the database's own.
    pub fn port(mut self, port: impl Into<Option<u16>>) -> Self {
        self.port = port.into();
        self
    }

    /// The database, or SQLite's path; `None` for none. An empty name is written as one (`mysql://host/`), which
    /// drivers take for none.
    pub fn database<'a>(mut self, database: impl Into<Option<&'a str>>) -> Self {
        self.database = database.into().map(str::to_owned);
        self
    }

    /// The query, in place of what was there. A key may be there more than once.
    pub fn query<K: Into<String>, V: Into<String>>(mut self, pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        self.query = pairs
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        self
    }

    /// Makes the URL.
    ///
    /// # Errors
    ///
    /// A [`UrlError`] when the parts make no URL that could be read again: an unknown form of scheme or host, a zero
    /// byte, a user in a SQLite URL. No part is shown in it.
    ///
    /// ```
    /// use aludel_core::url::{Url, UrlError};
    ///
    /// assert_eq!(Url::create("sqlite").username("app").build().unwrap_err(), UrlError::SqliteUser);
    /// ```
    pub fn build(self) -> Result<Url, UrlError> {
        let url = parse::parse(&self.render()?)?;
        // What the reader of URLs makes of an odd part (a database named `..`) must not be something else in silence.
        let same = |left: &Option<SecretString>, right: &Option<SecretString>| {
            left.as_ref().map(ExposeSecret::expose_secret) == right.as_ref().map(ExposeSecret::expose_secret)
        };
        let given = self
            .database
            .as_deref()
            .filter(|database| !url.is_sqlite() || !database.is_empty());
        if url.scheme == self.scheme
            && url.username == self.username
            && same(&url.password, &self.password)
            && url.host == self.host
            && url.port == self.port
            && url.database.as_deref() == given
            && url.query == self.query
        {
            Ok(url)
        } else {
            Err(UrlError::Unwritable)
        }
    }

    fn render(&self) -> Result<String, UrlError> {
        let mut text = format!("{}://", self.scheme);
        if self.scheme == parse::SQLITE {
            if !self.username.is_empty() || self.password.is_some() || self.host.is_some() || self.port.is_some() {
                return Err(UrlError::SqliteUser);
            }
            text.push_str(&sqlite_path_encoded(self.database.as_deref().unwrap_or_default()));
        } else {
            text.push_str(&user_encoded(&self.username));
            if let Some(password) = &self.password {
                text.push(':');
                text.push_str(&user_encoded(password.expose_secret()));
            }
            if !self.username.is_empty() || self.password.is_some() {
                text.push('@');
            }
            text.push_str(&self.render_host());
            if let Some(port) = self.port {
                let _ = write!(text, ":{port}");
            }
            if let Some(database) = &self.database {
                text.push('/');
                text.push_str(&database_encoded(database));
            } else if self.host.is_none() && self.username.is_empty() && self.password.is_none() {
                // `mysql:///?..` and `mysql://?..` are the same; only the first is a URL to everybody.
                text.push_str(if self.query.is_empty() { "" } else { "/" });
            }
        }
        for (index, (key, value)) in self.query.iter().enumerate() {
            text.push(if index == 0 { '?' } else { '&' });
            text.push_str(&query_encoded(key));
            text.push('=');
            text.push_str(&query_encoded(value));
        }
        Ok(text)
    }

    fn render_host(&self) -> String {
        match self.host.as_deref() {
            None => String::new(),
            // libpq's list, with its ports.
            Some(hosts) if hosts.contains(',') => hosts.to_owned(),
            Some(host) if host.parse::<Ipv6Addr>().is_ok() => format!("[{host}]"),
            Some(host) => host_encoded(host),
        }
    }
}

/// Without the password, and without the value of any key that looks like a secret's.
impl fmt::Debug for UrlBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query: Vec<(&str, &str)> = self
            .query
            .iter()
            .map(|(key, value)| (key.as_str(), if hides(key, value) { MASK } else { value }))
            .collect();
        f.debug_struct("UrlBuilder")
            .field("scheme", &self.scheme)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| MASK))
            .field("host", &self.host)
            .field("port", &self.port)
            .field("database", &self.database)
            .field("query", &query)
            .finish()
    }
}
