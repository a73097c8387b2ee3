//! A pool of somebody else's, used as an engine's.

use std::fmt;
use std::time::Duration;

use diesel::connection::{TransactionManager, TransactionManagerStatus};
use diesel::r2d2::{ConnectionManager, R2D2Connection};

use super::connector::{BoxError, CheckoutInfo, Connecting, Connector, PingVerdict, Refuse};
use super::extensions::Extensions;
use super::kind::{Asker, Idle, Kind};
use super::options::ResetOnReturn;
use super::raw::{Loan, Raw};
use crate::sync::Arc;

/// A foreign pool, from which an engine borrows its connections.
///
/// Implement it to put an engine on a pool of your own; [`Adopted`] does so for r2d2's.
pub trait Lender<C>: Send + Sync + 'static {
    /// Lends a connection.
    ///
    /// # Errors
    ///
    /// When none could be had within that time.
    fn lend(&self, within: Option<Duration>) -> Result<Raw<C>, BoxError>;
}

/// An `r2d2::Pool` as an engine's pool: for programs that have one already and share it with code that knows nothing of
/// engines.
///
/// The limits are r2d2's, and so is the order of those who wait. Everything else is as with a pool of ours: a connection
/// is prepared and shown to the hooks when the engine first sees it, reset when it comes back dirty, pinged if the engine
/// is told to, and closed by r2d2 when it was invalidated here.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::{Engine, pool};
/// use diesel::SqliteConnection;
/// use diesel::r2d2::{ConnectionManager, Pool};
///
/// let theirs = Pool::builder().max_size(1).build(ConnectionManager::<SqliteConnection>::new(":memory:"))?;
/// let engine = Engine::builder("sqlite://:memory:").pool(pool::Adopted(theirs.clone())).build()?;
/// let raw = engine.raw_connection()?;
/// assert_eq!(theirs.state().idle_connections, 0);
/// drop(raw);
/// assert_eq!(theirs.state().idle_connections, 1);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Adopted<C: R2D2Connection + 'static>(pub r2d2::Pool<ConnectionManager<C>>);

impl<C: R2D2Connection + 'static> fmt::Debug for Adopted<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Adopted({:?})", self.0.state())
    }
}

impl<C: R2D2Connection + 'static> Lender<C> for Adopted<C> {
    fn lend(&self, within: Option<Duration>) -> Result<Raw<C>, BoxError> {
        let loan = match within {
            Some(within) => self.0.get_timeout(within)?,
            None => self.0.get()?,
        };
        Ok(Raw::lent(R2d2Loan(loan)))
    }
}

type Connection<C> = r2d2::PooledConnection<ConnectionManager<C>>;

struct R2d2Loan<C: R2D2Connection + 'static>(Connection<C>);

impl<C: R2D2Connection + 'static> std::ops::Deref for R2d2Loan<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C: R2D2Connection + 'static> std::ops::DerefMut for R2d2Loan<C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.0
    }
}

impl<C: R2D2Connection + 'static> Loan<C> for R2d2Loan<C> {
    fn extensions(&mut self) -> Option<&mut Extensions> {
        // Ours lives in r2d2's map as one value.
        if Connection::extensions_mut(&mut self.0).get::<Extensions>().is_none() {
            Connection::extensions_mut(&mut self.0).insert(Extensions::default());
        }
        Connection::extensions_mut(&mut self.0).get_mut()
    }

    fn condemn(&mut self) {
        // r2d2 asks Diesel's manager whether the connection is broken, and nobody else.
        let status = <C::TransactionManager as TransactionManager<C>>::transaction_manager_status_mut(&mut **self);
        *status = TransactionManagerStatus::InError;
    }
}

/// Marks a connection of a foreign pool that was prepared for this engine.
struct PreparedFor(usize);

/// Borrows connections where another connector would make them; what is done with them is the other one's business.
pub(super) struct Lending<C> {
    pub(super) lender: Box<dyn Lender<C>>,
    pub(super) inner: Arc<dyn Connector<C>>,
}

impl<C: 'static> Connector<C> for Lending<C> {
    fn connect(&self, request: &Connecting) -> Result<Raw<C>, BoxError> {
        let mut raw = self.lender.lend(request.within)?;
        let me = Arc::as_ptr(&self.inner).addr();
        let known = |loan: &mut dyn Loan<C>| {
            let extensions = loan.extensions();
            extensions.is_some_and(|ours| ours.get::<PreparedFor>().is_some_and(|mark| mark.0 == me))
        };
        if !raw.loan().is_some_and(known) {
            self.inner.adopt(&mut raw)?;
            if let Some(extensions) = raw.loan().and_then(|loan| loan.extensions()) {
                extensions.insert(PreparedFor(me));
            }
        }
        Ok(raw)
    }

    fn adopt(&self, connection: &mut C) -> Result<(), BoxError> {
        self.inner.adopt(connection)
    }

    fn ping(&self, connection: &mut C) -> Result<(), BoxError> {
        self.inner.ping(connection)
    }

    fn judge_ping(&self, error: &BoxError) -> PingVerdict {
        self.inner.judge_ping(error)
    }

    fn has_broken(&self, connection: &mut C) -> bool {
        self.inner.has_broken(connection)
    }

    fn reset(&self, connection: &mut C, how: ResetOnReturn) -> Result<(), BoxError> {
        if how == ResetOnReturn::Full {
            return Err("a full reset replaces what a foreign pool has set up".into());
        }
        self.inner.reset(connection, how)
    }

    fn may_block(&self) -> bool {
        // The foreign pool bounds its own wait, and the loan belongs to the thread that asked for it.
        false
    }

    fn looks_at_checkouts(&self) -> bool {
        self.inner.looks_at_checkouts()
    }

    fn on_checkout(&self, connection: &mut C, info: &CheckoutInfo) -> Result<(), Refuse> {
        self.inner.on_checkout(connection, info)
    }
}

/// What a pool of borrowed connections keeps: nothing.
#[derive(Debug)]
pub(super) struct Lent;

impl<C: Send + 'static> Kind<C> for Lent {
    fn name(&self) -> &'static str {
        "AdoptedPool"
    }

    fn keep(&self) -> usize {
        0
    }

    fn take(&mut self, _: &Asker) -> Option<Idle<C>> {
        None
    }

    fn put(&mut self, idle: Idle<C>) -> Result<(), Idle<C>> {
        Err(idle)
    }

    fn idle(&self) -> usize {
        0
    }

    fn remove(&mut self, _: &mut dyn FnMut(&Idle<C>) -> bool) -> Vec<Idle<C>> {
        Vec::new()
    }

    fn recreate(&self) -> Box<dyn Kind<C>> {
        Box::new(Self)
    }
}
