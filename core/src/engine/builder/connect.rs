//! What is connected to, and by whom.

use diesel::ConnectionResult;
use secrecy::SecretString;

use super::EngineBuilder;
use crate::dialect::{ConnectArgs, Dialect};
use crate::engine::maker::{ByUrl, Creator, Maker, Manager};
use crate::error::{Error, Result};
use crate::url::Url;

impl<C: Dialect> EngineBuilder<C> {
    /// Arguments of the connections, beside those in the URL's query; on a clash they win (SQLAlchemy's `connect_args`).
    /// Default: none. Each database has typed ones, which [`ConnectArgs`] lists.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use aludel_core::dialect::SqliteConnectArgs;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
    ///     .connect_args(SqliteConnectArgs::new().foreign_keys(true).cache_size(-8_000))
    ///     .build()?;
    /// drop(engine.raw_connection()?);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn connect_args(mut self, arguments: ConnectArgs<C::Backend>) -> Self {
        for (name, value) in arguments {
            self.connect_args.retain(|(other, _)| *other != name);
            self.connect_args.push((name, value));
        }
        self
    }

    /// Lets a closure of yours connect (`creator` in SQLAlchemy). The URL is then used only to choose the dialect (and, for
    /// a SQLite database in memory, the size of its pool) and to be displayed. What it makes is prepared as always, by the arguments that act on a finished connection and by the
    /// [`on_connect`](Self::on_connect) hooks, and its error is classified as always. Default: the dialect connects, by
    /// the URL.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::{Connection, SqliteConnection};
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://")
    ///     .creator(|| SqliteConnection::establish(":memory:")) // or with a password that changes every hour
    ///     .build()?;
    /// drop(engine.raw_connection()?);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn creator(mut self, creator: impl Fn() -> ConnectionResult<C> + Send + Sync + 'static) -> Self {
        self.maker = Some(Box::new(Creator(creator)));
        self
    }

    /// Lets an r2d2 manager make, test and judge the connections, such as Diesel's
    /// [`ConnectionManager`](diesel::r2d2::ConnectionManager) or what wraps it. As with a [`creator`](Self::creator), the
    /// URL is then used only to choose the dialect and to be displayed.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    /// use diesel::r2d2::ConnectionManager;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://")
    ///     .manager(ConnectionManager::new(":memory:"))
    ///     .build()?;
    /// drop(engine.raw_connection()?);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn manager<M>(mut self, manager: M) -> Self
    where
        M: r2d2::ManageConnection<Connection = C>,
        M::Error: Send + Sync,
    {
        self.maker = Some(Box::new(Manager(manager)));
        self
    }
}

/// What a connection is made from.
pub(in crate::engine) struct Target<C: Dialect> {
    /// With the `connect_args` in its query.
    pub(in crate::engine) url: Url,
    pub(in crate::engine) maker: Box<dyn Maker<C>>,
}

/// Checks URL and arguments, and finds who connects. Nothing is connected to.
pub(in crate::engine) fn target<C: Dialect>(
    url: &Url,
    arguments: &[(String, String)],
    maker: Option<Box<dyn Maker<C>>>,
) -> Result<Target<C>> {
    let (url, driver_url) = check::<C>(url, arguments)?;
    let Some(maker) = maker else {
        let maker = Box::new(ByUrl {
            url: url.clone(),
            driver_url,
        });
        return Ok(Target { url, maker });
    };
    if let Some((name, value)) = url
        .query()
        .iter()
        .find(|(name, value)| C::must_connect_itself(name, value))
    {
        return Err(Error::configuration(format!(
            "{name}={value} can only be seen to while connecting, and here a creator or manager connects: see to it there, \
             and write {name}=required, which is proved afterwards"
        )));
    }
    let idle: Vec<&str> = arguments
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| !C::acts_after_connecting(name))
        .collect();
    if idle.is_empty() {
        return Ok(Target { url, maker });
    }
    Err(Error::configuration(format!(
        "the connect_args {} act while connecting, and here a creator or manager connects: give them to that one",
        idle.join(", ")
    )))
}

/// The URL with all arguments, and for the driver.
pub(in crate::engine) fn check<C: Dialect>(url: &Url, arguments: &[(String, String)]) -> Result<(Url, SecretString)> {
    if !C::SCHEMES.contains(&url.scheme()) {
        return Err(Error::configuration(format!(
            "the URL is of scheme `{}`, but this engine's connection type takes {}://",
            url.scheme(),
            C::SCHEMES.join(":// or ")
        )));
    }
    if url.has_a_torn_secret() {
        return Err(Error::configuration(
            "behind a secret in the URL's query stands something without a `=`, which looks like the rest of the secret: \
             write a `&` in a value as %26",
        ));
    }
    let url = if arguments.is_empty() {
        url.clone()
    } else {
        url.update_query_pairs(arguments.iter().cloned(), false)?
    };
    let driver_url = C::driver_url(&url)?;
    Ok((url, driver_url))
}
