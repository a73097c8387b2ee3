//! How the engine's pool makes, tests and resets connections.

use std::sync::{Arc, OnceLock};

use diesel::result::Error as DieselError;

use super::keeper::Keeper;
use super::maker::{Maker, refused};
use crate::classify::{Flavour, Phase};
use crate::control::Control;
use crate::dialect::{Dialect, FullReset, IsolationLevel, Setup};
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

/// What the server answered when it was first asked for its isolation level, before anything was set.
pub(super) type DefaultLevel = Arc<OnceLock<IsolationLevel>>;

pub(super) struct EngineConnector<C: Dialect> {
    pub(super) maker: Box<dyn Maker<C>>,
    pub(super) setup: Setup,
    pub(super) default_isolation_level: DefaultLevel,
    pub(super) on_connect: Vec<Box<ConnectHook<C>>>,
    pub(super) on_checkout: Vec<Box<CheckoutHook<C>>>,
    pub(super) faults: Option<FaultScript>,
    /// For a database that is gone with its last connection.
    pub(super) keeper: Option<Keeper<C>>,
}

impl<C: Dialect> EngineConnector<C> {
    fn make(&self) -> Result<C> {
        let mut connection = self.establish()?;
        self.prepare(&mut connection)?;
        Ok(connection)
    }

    fn prepare(&self, connection: &mut C) -> Result<()> {
        self.note_default_isolation_level(connection);
        connection.prepare(&self.setup)?;
        self.run_hooks(connection)
    }

    fn establish(&self) -> Result<C> {
        if let Some(keeper) = &self.keeper {
            keeper.hold(|| self.maker.make())?;
        }
        let Some(faults) = &self.faults else {
            return self.maker.make();
        };
        faults.before(Phase::Connect).map_err(scripted::<C>)?;
        let connection = self.maker.make()?;
        faults.after(Phase::Connect).map_err(scripted::<C>)?;
        Ok(connection)
    }

    fn run_hooks(&self, connection: &mut C) -> Result<()> {
        let info = ConnectInfo { setup: &self.setup };
        self.on_connect.iter().try_for_each(|hook| hook(connection, &info))
    }

    /// Once an engine: the server's default does not change with the connection. One that does not answer is no reason
    /// to refuse the connection, and the next one is asked again.
    fn note_default_isolation_level(&self, connection: &mut C) {
        if self.default_isolation_level.get().is_none()
            && let Ok(level) = connection.isolation_level(None)
        {
            // Two first connections may be made at once; both have heard the same.
            let _ = self.default_isolation_level.set(level);
        }
    }

    /// What a borrower may have left in its session is gone, and what the hooks had set is there again.
    fn reset_fully(&self, connection: &mut C) -> std::result::Result<(), BoxError> {
        match connection.full_reset(&self.setup)? {
            FullReset::Done => Ok(self.run_hooks(connection)?),
            FullReset::Replace => Err("a full reset replaces the connection".into()),
        }
    }
}

/// A fault of a script, as a driver would have answered it.
fn scripted<C: Dialect>(error: DieselError) -> Error {
    refused::<C>(testing::at_connect(error))
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
            self.maker.ping(connection)?;
            return Ok(faults.after(Phase::Ping)?);
        }
        self.maker.ping(connection)
    }

    fn has_broken(&self, connection: &mut C) -> bool {
        self.maker.has_broken(connection)
    }

    fn reset(&self, connection: &mut C, how: ResetOnReturn) -> std::result::Result<(), BoxError> {
        match how {
            ResetOnReturn::Rollback => connection.end_transaction(Control::Rollback)?,
            ResetOnReturn::Commit => connection.end_transaction(Control::Commit)?,
            ResetOnReturn::None => return Ok(()),
            ResetOnReturn::Full => self.reset_fully(connection)?,
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
