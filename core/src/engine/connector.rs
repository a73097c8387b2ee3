//! How the engine's pool makes, tests and resets connections.

use std::fmt;
use std::sync::OnceLock;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::error_context::ErrorHooks;
use super::keeper::Keeper;
use super::maker::{Maker, refused};
use crate::classify::{Class, Flavour, Phase, Scope, Verdict, classify};
use crate::control::Control;
use crate::dialect::{Dialect, FullReset, IsolationLevel, Setup};
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::log::Meter;
use crate::pool::{BoxError, CheckoutInfo, Connecting, Connector, PingVerdict, Raw, Refuse, ResetOnReturn};
use crate::sync::Arc;
use crate::testing::{self, FaultScript};

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

/// What the server answered when it was first asked for its isolation level, before anything was set.
pub(super) type DefaultLevel = Arc<OnceLock<IsolationLevel>>;

pub(super) struct EngineConnector<C: Dialect> {
    pub(super) maker: Box<dyn Maker<C>>,
    pub(super) setup: Setup,
    pub(super) default_isolation_level: DefaultLevel,
    pub(super) first_connect: FirstConnect<C>,
    pub(super) on_connect: Vec<Box<ConnectHook<C>>>,
    pub(super) on_checkout: Vec<Box<CheckoutHook<C>>>,
    pub(super) handle_error: Arc<ErrorHooks>,
    pub(super) meter: Option<Meter>,
    pub(super) faults: Option<FaultScript>,
    /// For a database that is gone with its last connection.
    pub(super) keeper: Option<Keeper<C>>,
}

impl<C: Dialect> EngineConnector<C> {
    fn make(&self) -> Result<C> {
        let mut connection = self.establish().map_err(|error| self.reconsidered(error))?;
        self.prepare(&mut connection)?;
        Ok(connection)
    }

    fn prepare(&self, connection: &mut C) -> Result<()> {
        self.note_default_isolation_level(connection);
        connection
            .prepare(&self.setup)
            .map_err(|error| self.reconsidered(while_connecting::<C>(error)))?;
        self.first_connect
            .run(connection, &ConnectInfo { setup: &self.setup })
            .and_then(|()| self.run_hooks(connection))
            .map_err(while_connecting::<C>)
    }

    /// Lets the user's hooks say what an error of connecting is.
    fn reconsidered(&self, error: Error) -> Error {
        let Some(verdict) = error.verdict() else { return error };
        // The driver's own words are what hooks look for.
        let message = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        let fault = Fault::from_message(Phase::Connect, verdict, message);
        let verdict = self.handle_error.reconsider(fault, None).verdict();
        error.with_verdict(verdict)
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
        if self.maker.may_set() {
            return Err("a full reset replaces what a creator or a manager has set up".into());
        }
        match connection.full_reset(&self.setup)? {
            FullReset::Done => Ok(self.run_hooks(connection)?),
            FullReset::Replace => Err("a full reset replaces the connection".into()),
        }
    }
}

/// What failed while a connection was set up: one that is lost then has never been one, and its host is what cannot serve.
fn while_connecting<C: Dialect>(error: Error) -> Error {
    let class = |error| classify(C::FLAVOUR, Phase::Statement, error).class;
    if error.as_diesel().map(class) != Some(Class::Disconnect) {
        return error;
    }
    match error.into_diesel() {
        Ok(driver) => {
            let verdict = classify(C::FLAVOUR, Phase::Connect, &driver);
            Error::connect(driver, verdict)
        }
        Err(error) => error,
    }
}

/// A fault of a script, as a driver would have answered it.
fn scripted<C: Dialect>(error: DieselError) -> Error {
    refused::<C>(testing::at_connect(error))
}

/// A ping that came to nothing, and what the user's hooks say of it.
#[derive(Debug)]
struct Unanswered {
    before: Class,
    verdict: Verdict,
    error: BoxError,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Unanswered {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.error)
    }
}

fn unanswered<C: Dialect>(error: BoxError) -> (Fault, BoxError) {
    match error.downcast::<DieselError>() {
        Ok(error) => {
            let (fault, error) = Fault::record(C::FLAVOUR, Phase::Ping, None, *error);
            (fault, error.into())
        }
        // A manager's own.
        Err(error) => {
            let unknown = DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(error.to_string()));
            (Fault::record(C::FLAVOUR, Phase::Ping, None, unknown).0, error)
        }
    }
}

impl<C: Dialect> Connector<C> for EngineConnector<C> {
    fn connect(&self, _: &Connecting) -> std::result::Result<Raw<C>, BoxError> {
        let made = match &self.meter {
            Some(meter) => meter.creating(|| self.make()),
            None => self.make(),
        };
        made.map(Raw::from).map_err(BoxError::from)
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
        let answer = match &self.faults {
            None => self.maker.ping(connection),
            Some(faults) => faults
                .before(Phase::Ping)
                .map_err(BoxError::from)
                .and_then(|()| self.maker.ping(connection))
                .and_then(|()| faults.after(Phase::Ping).map_err(BoxError::from)),
        };
        answer.map_err(|error| {
            let (fault, error) = unanswered::<C>(error);
            let before = fault.verdict().class;
            let verdict = self.handle_error.reconsider(fault, None).verdict();
            BoxError::from(Unanswered { before, verdict, error })
        })
    }

    fn judge_ping(&self, error: &BoxError) -> PingVerdict {
        let Some(Unanswered { before, verdict, .. }) = error.downcast_ref() else {
            return PingVerdict::Retire;
        };
        match (verdict.class, verdict.scope) {
            (Class::Disconnect, Some(Scope::Connection)) => PingVerdict::Replace,
            (Class::Disconnect, _) => PingVerdict::Retire,
            // A hook has said so: then the caller is to see the error.
            (after, _) if after != *before => PingVerdict::Raise,
            // Whatever it is, a connection that cannot answer is of no use; but it says nothing about the others.
            _ => PingVerdict::Replace,
        }
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

    fn reset_found_all_lost(&self, error: &BoxError) -> bool {
        error.downcast_ref().is_some_and(all_are_lost::<C>)
    }

    fn broke_with_all(&self, connection: &mut C) -> bool {
        // Diesel's own manager may have given up on a connection that lives; one that is dead cannot roll back.
        let answer = connection.end_transaction(Control::Rollback);
        answer.is_err_and(|error| all_are_lost::<C>(&error))
    }

    fn looks_at_checkouts(&self) -> bool {
        !self.on_checkout.is_empty()
    }

    fn on_checkout(&self, connection: &mut C, info: &CheckoutInfo) -> std::result::Result<(), Refuse> {
        self.on_checkout.iter().try_for_each(|hook| hook(connection, info))
    }
}

/// Whether the answer to a ROLLBACK says that the server itself is gone. No trigger and no procedure runs in one, so its
/// words are the client library's or the server's own.
fn all_are_lost<C: Dialect>(error: &DieselError) -> bool {
    let verdict = classify(C::FLAVOUR, Phase::Rollback, error);
    verdict.class == Class::Disconnect && verdict.scope == Some(Scope::Generation)
}
