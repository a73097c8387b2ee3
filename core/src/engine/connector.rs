//! How the engine's pool makes, tests and resets connections.

use secrecy::SecretString;

use super::keeper::Keeper;
use crate::classify::{Flavour, Phase, classify_connect};
use crate::control::Control;
use crate::dialect::{Dialect, Setup};
use crate::error::{Error, Result};
use crate::pool::{BoxError, CheckoutInfo, Connecting, Connector, Raw, Refuse, ResetOnReturn};
use crate::testing::{self, FaultScript};

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
    pub(super) on_connect: Vec<Box<ConnectHook<C>>>,
    pub(super) on_checkout: Vec<Box<CheckoutHook<C>>>,
    pub(super) faults: Option<FaultScript>,
    /// For a database that is gone with its last connection.
    pub(super) keeper: Option<Keeper<C>>,
}

impl<C: Dialect> EngineConnector<C> {
    fn make(&self) -> Result<C> {
        let mut connection = self.establish().map_err(|error| {
            let verdict = classify_connect(C::FLAVOUR, &error);
            Error::connect(error, verdict)
        })?;
        self.prepare(&mut connection)?;
        Ok(connection)
    }

    fn prepare(&self, connection: &mut C) -> Result<()> {
        connection.prepare(&self.setup)?;
        for hook in &self.on_connect {
            hook(connection, &ConnectInfo { setup: &self.setup })?;
        }
        Ok(())
    }

    fn establish(&self) -> diesel::ConnectionResult<C> {
        if let Some(keeper) = &self.keeper {
            keeper.hold(|| C::connect(&self.driver_url))?;
        }
        let Some(faults) = &self.faults else {
            return C::connect(&self.driver_url);
        };
        faults.before(Phase::Connect).map_err(testing::at_connect)?;
        let connection = C::connect(&self.driver_url)?;
        faults.after(Phase::Connect).map_err(testing::at_connect)?;
        Ok(connection)
    }
}

impl<C: Dialect> Connector<C> for EngineConnector<C> {
    fn connect(&self, _: &Connecting) -> std::result::Result<Raw<C>, BoxError> {
        self.make().map(Raw::from).map_err(BoxError::from)
    }

    fn adopt(&self, connection: &mut C) -> std::result::Result<(), BoxError> {
        self.prepare(connection).map_err(BoxError::from)
    }

    fn may_block(&self) -> bool {
        C::FLAVOUR != Flavour::Sqlite
    }

    fn is_only_copy(&self) -> bool {
        self.setup.url.is_sqlite_memory() && !self.setup.url.is_shared_memory()
    }

    fn ping(&self, connection: &mut C) -> std::result::Result<(), BoxError> {
        if let Some(faults) = &self.faults {
            faults.before(Phase::Ping)?;
            connection.ping()?;
            return Ok(faults.after(Phase::Ping)?);
        }
        connection.ping().map_err(BoxError::from)
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

    fn looks_at_checkouts(&self) -> bool {
        !self.on_checkout.is_empty()
    }

    fn on_checkout(&self, connection: &mut C, info: &CheckoutInfo) -> std::result::Result<(), Refuse> {
        self.on_checkout.iter().try_for_each(|hook| hook(connection, info))
    }
}
