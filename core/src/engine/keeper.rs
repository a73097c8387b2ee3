//! The connection that keeps a database in memory alive while the pool has none.

use crate::error::Result;
use crate::forkable::Forkable;

/// SQLite forgets a shared database in memory with its last connection, and a pool may close all of its own: on
/// `dispose`, after a disconnect, when they have been idle for too long.
///
/// It belongs to the engine's connector, so it dies with the engine's last clone or the last checkout. Nothing is ever
/// sent on it, so it holds no lock.
pub(super) struct Keeper<C>(Forkable<Option<C>>);

impl<C> Keeper<C> {
    pub(super) fn new() -> Self {
        Self(Forkable::new(None))
    }

    /// Connects, unless it has done so before. To be called before a connection of the pool is made, so that there is no
    /// moment in which nobody has the database.
    pub(super) fn hold(&self, connect: impl FnOnce() -> Result<C>) -> Result<()> {
        let held = self.0.with(|kept| {
            if kept.is_none() {
                *kept = Some(connect()?);
            }
            Ok(())
        });
        // A forked child that has lost it has no database of its parent's to keep either: it is in the parent's memory.
        held.unwrap_or(Ok(()))
    }
}
