//! Who makes an engine's raw connections: the dialect, a closure of the user's, or an r2d2 manager.

use diesel::ConnectionError;
use diesel::ConnectionResult;
use secrecy::{ExposeSecret as _, SecretString};

use crate::classify::classify_connect;
use crate::dialect::Dialect;
use crate::error::{Error, Result};
use crate::event;
use crate::pool::BoxError;
use crate::url::Url;

/// Makes raw connections, and looks after them.
pub(super) trait Maker<C: Dialect>: Send + Sync {
    fn make(&self) -> Result<C>;

    fn ping(&self, connection: &mut C) -> std::result::Result<(), BoxError> {
        connection.ping().map_err(BoxError::from)
    }

    fn has_broken(&self, connection: &mut C) -> bool {
        connection.is_broken()
    }

    /// Whether it may set on a connection what nobody else could set again.
    fn may_set(&self) -> bool {
        true
    }
}

/// The dialect, by what the URL says.
pub(super) struct ByUrl {
    pub(super) url: Url,
    pub(super) driver_url: SecretString,
}

impl<C: Dialect> Maker<C> for ByUrl {
    fn make(&self) -> Result<C> {
        // Diesel shows its default instrumentation the driver's URL before it connects: where somebody would see a secret,
        // we connect without, or not at all.
        let Self { url, driver_url } = self;
        let made = if !event::shows_urls() || url.to_string() == url.reveal().expose_secret() {
            C::connect(driver_url)
        } else {
            C::connect_discreetly(url, driver_url).ok_or_else(|| {
                Error::configuration(
                    "diesel::connection::set_default_instrumentation was called, and Diesel would show what it has set \
                     the URL with its password; set it with aludel::event::set_default_instrumentation instead, which \
                     hides it",
                )
            })?
        };
        made.map_err(refused::<C>)
    }

    fn may_set(&self) -> bool {
        false
    }
}

/// A closure of the user's.
pub(super) struct Creator<F>(pub(super) F);

impl<C, F> Maker<C> for Creator<F>
where
    C: Dialect,
    F: Fn() -> ConnectionResult<C> + Send + Sync,
{
    fn make(&self) -> Result<C> {
        (self.0)().map_err(refused::<C>)
    }
}

/// An r2d2 manager.
pub(super) struct Manager<M>(pub(super) M);

impl<C, M> Maker<C> for Manager<M>
where
    C: Dialect,
    M: r2d2::ManageConnection<Connection = C>,
    M::Error: Send + Sync,
{
    fn make(&self) -> Result<C> {
        self.0.connect().map_err(|error| {
            let error: BoxError = error.into();
            match error.downcast::<diesel::r2d2::Error>() {
                Ok(diesels) => match *diesels {
                    diesel::r2d2::Error::ConnectionError(error) => refused::<C>(error),
                    diesel::r2d2::Error::QueryError(error) => {
                        refused::<C>(ConnectionError::CouldntSetupConfiguration(error))
                    }
                },
                Err(foreign) => {
                    // Whatever it is, it has the words of whoever refused.
                    let verdict = classify_connect(C::FLAVOUR, &ConnectionError::BadConnection(foreign.to_string()));
                    Error::connect(foreign, verdict)
                }
            }
        })
    }

    fn ping(&self, connection: &mut C) -> std::result::Result<(), BoxError> {
        self.0.is_valid(connection).map_err(BoxError::from)
    }

    fn has_broken(&self, connection: &mut C) -> bool {
        self.0.has_broken(connection)
    }
}

pub(super) fn refused<C: Dialect>(error: ConnectionError) -> Error {
    let verdict = classify_connect(C::FLAVOUR, &error);
    Error::connect(error, verdict)
}
