//! How the engine's pool makes, tests and resets connections.

use diesel::ConnectionResult;
use secrecy::{ExposeSecret as _, SecretString};

use super::error_context::ErrorHooks;
use crate::classify::{Class, Phase, Verdict, classify_connect};
use crate::control::Control;
use crate::dialect::{Dialect, Setup};
use crate::error::{Error, Result};
use crate::event;
use crate::fault::Fault;
use crate::log::Meter;
use crate::pool::{BoxError, CheckoutInfo, Connector, Refuse, ResetOnReturn};
use crate::sync::Arc;

mod first_connect;

pub(super) use first_connect::FirstConnect;

pub(super) type ConnectHook<C> = dyn Fn(&mut C, &ConnectInfo<'_>) -> Result<()> + Send + Sync;
pub(super) type CheckoutHook<C> = dyn Fn(&mut C, &CheckoutInfo) -> std::result::Result<(), Refuse> + Send + Sync;

/// What an `on_connect` hook is told about the connection it prepares.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::Engine;
/// use diesel::SqliteConnection;
///
/// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
///     .on_connect(|_connection, info| {
///         assert!(info.setup.url.is_sqlite_memory());
///         Ok(())
///     })
///     .build()?;
/// drop(engine.raw_connection()?);
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectInfo<'a> {
    /// What it was set up with.
    pub setup: &'a Setup,
}

pub(super) struct EngineConnector<C> {
    pub(super) driver_url: SecretString,
    pub(super) setup: Setup,
    pub(super) first_connect: FirstConnect<C>,
    pub(super) on_connect: Vec<Box<ConnectHook<C>>>,
    pub(super) on_checkout: Vec<Box<CheckoutHook<C>>>,
    pub(super) handle_error: Arc<ErrorHooks>,
    pub(super) meter: Option<Meter>,
}

impl<C: Dialect> EngineConnector<C> {
    fn make(&self) -> Result<C> {
        let mut connection = self.establish()?.map_err(|error| {
            let verdict = self.reconsider(classify_connect(C::FLAVOUR, &error), &error);
            Error::connect(error, verdict)
        })?;
        connection.prepare(&self.setup).map_err(|error| match error.verdict() {
            Some(verdict) => {
                let verdict = self.reconsider(verdict, &error);
                error.with_verdict(verdict)
            }
            None => error,
        })?;
        let info = ConnectInfo { setup: &self.setup };
        self.first_connect.run(&mut connection, &info)?;
        for hook in &self.on_connect {
            hook(&mut connection, &info)?;
        }
        Ok(connection)
    }

    /// Lets the user's hooks say what an error of connecting is.
    fn reconsider(&self, verdict: Verdict, error: &dyn std::error::Error) -> Verdict {
        let fault = Fault::from_message(Phase::Connect, verdict, error.to_string());
        self.handle_error.reconsider(fault, None).verdict()
    }

    /// Diesel shows its default instrumentation the driver's URL before it connects: where somebody would see a secret,
    /// it connects without, or not at all.
    fn establish(&self) -> Result<ConnectionResult<C>> {
        let url = &self.setup.url;
        if !event::shows_urls() || url.to_string() == url.reveal().expose_secret() {
            return Ok(C::connect(&self.driver_url));
        }
        C::connect_discreetly(url, &self.driver_url).ok_or_else(|| {
            Error::configuration(
                "diesel::connection::set_default_instrumentation was called, and Diesel would show what it has set the \
                 URL with its password; set it with aludel::event::set_default_instrumentation instead, which hides it",
            )
        })
    }
}

impl<C: Dialect> Connector<C> for EngineConnector<C> {
    fn connect(&self) -> std::result::Result<C, BoxError> {
        let made = match &self.meter {
            Some(meter) => meter.creating(|| self.make()),
            None => self.make(),
        };
        made.map_err(BoxError::from)
    }

    fn ping(&self, connection: &mut C) -> std::result::Result<(), BoxError> {
        connection.ping().or_else(|error| {
            let (fault, error) = Fault::record(C::FLAVOUR, Phase::Ping, None, error);
            let before = fault.verdict().class;
            let after = self.handle_error.reconsider(fault, None).verdict().class;
            if before == Class::Disconnect && after != before {
                return Ok(());
            }
            Err(BoxError::from(error))
        })
    }

    fn has_broken(&self, connection: &mut C) -> bool {
        connection.is_broken()
    }

    fn reset(&self, connection: &mut C, how: ResetOnReturn) -> std::result::Result<(), BoxError> {
        match how {
            ResetOnReturn::Rollback => connection.end_transaction(Control::Rollback)?,
            ResetOnReturn::Commit => connection.end_transaction(Control::Commit)?,
            ResetOnReturn::None => return Ok(()),
            ResetOnReturn::Full => return Err("a full reset replaces the connection".into()),
        }
        connection.mirror(false);
        Ok(())
    }

    fn on_checkout(&self, connection: &mut C, info: &CheckoutInfo) -> std::result::Result<(), Refuse> {
        self.on_checkout.iter().try_for_each(|hook| hook(connection, info))
    }
}
