//! A pool of somebody else's, used as an engine's.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::connection::{TransactionManager, TransactionManagerStatus};
use diesel::r2d2::{ConnectionManager, R2D2Connection};

use super::connector::{BoxError, CheckoutInfo, Connecting, Connector, PingVerdict, Refuse};
use super::extensions::Extensions;
use super::options::ResetOnReturn;
use super::raw::{Loan, Raw};
use super::{Checkout, Pool};
use crate::process;
use crate::sync::Arc;

/// A foreign pool, from which an engine borrows its connections.
///
/// Implement it to put an engine on a pool of your own; [`Adopted`] does so for r2d2's.
pub trait Lender<C>: Send + Sync + 'static {
    /// Lends a connection.
    ///
    /// # Errors
    ///
    /// When none could be had within that time: an [`Exhausted`] where others have them all, which the caller of the checkout
    /// gets as [`PoolError::Timeout`](super::PoolError::Timeout), and anything else as a failed connect.
    fn lend(&self, within: Option<Duration>) -> Result<Raw<C>, BoxError>;

    /// Whether it may be asked in a forked child: default no, and then the engine refuses there. The connections that it has
    /// are the parent's, and threads that would make others are not in the child.
    fn survives_a_fork(&self) -> bool {
        false
    }
}

/// What a [`Lender`] answers when all its connections were in use for the whole time.
///
/// ```
/// use aludel_core::pool::Exhausted;
/// use std::time::Duration;
///
/// let error = Exhausted { size: 3, waited: Duration::from_secs(1) };
/// assert_eq!(error.to_string(), "all 3 connections of the foreign pool were in use for 1.00 s");
/// ```
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("all {size} connections of the foreign pool were in use for {:.2} s", waited.as_secs_f64())]
pub struct Exhausted {
    /// How many connections it may have.
    pub size: usize,
    /// How long it has waited for one.
    pub waited: Duration,
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
        let within = within.unwrap_or_else(|| self.0.connection_timeout());
        match self.0.get_timeout(within) {
            Ok(loan) => Ok(Raw::lent(R2d2Loan(loan))),
            // r2d2 has one error, and what it says of a connect that failed is text.
            Err(error) if error.to_string() != R2D2_TIMEOUT => Err(error.into()),
            Err(_) => Err(Box::new(Exhausted {
                size: self.0.max_size() as usize,
                waited: within,
            })),
        }
    }
}

/// What r2d2 says when nothing was wrong with its last connect; otherwise `: ` and the connect's error follow.
const R2D2_TIMEOUT: &str = "timed out waiting for connection";

/// Of an error of r2d2's, what the connect had said that it is about.
pub(crate) fn of_failed_connect(error: &BoxError) -> Option<String> {
    let text = error.downcast_ref::<r2d2::Error>()?.to_string();
    let said = text.strip_prefix(R2D2_TIMEOUT)?.strip_prefix(": ")?;
    Some(said.to_owned())
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

/// A ready pool of ours as an engine's: what is lent by it is given back to it (`pool` among the options of SQLAlchemy's
/// `create_engine`). Its limits, its waiters and its ping are those of the pool; the engine's own settings of that kind have
/// nothing to do.
impl<C: Send + 'static> Lender<C> for Pool<C> {
    fn lend(&self, within: Option<Duration>) -> Result<Raw<C>, BoxError> {
        Ok(Raw::lent(self.checkout_within(within.unwrap_or(Duration::MAX))?))
    }

    fn survives_a_fork(&self) -> bool {
        true
    }
}

impl<C: Send + 'static> Loan<C> for Checkout<C> {
    fn extensions(&mut self) -> Option<&mut Extensions> {
        Some(self.info_mut())
    }

    fn condemn(&mut self) {
        self.soft_invalidate("invalidated by the engine that had borrowed it");
    }
}

/// Marks a connection of a foreign pool that was prepared for this engine.
struct PreparedFor(u64);

/// A number that nobody else in this process gets: unlike an address it is not used again, when a pool has ended whose
/// mark is still on a connection of a foreign one.
pub(super) fn number_of_its_own() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Borrows connections where another connector would make them; what is done with them is the other one's business.
pub(super) struct Lending<C> {
    lender: Box<dyn Lender<C>>,
    inner: Arc<dyn Connector<C>>,
    number: u64,
    /// How many forks lay behind the process that brought the foreign pool along.
    forks: u64,
}

impl<C> Lending<C> {
    pub(super) fn new(lender: Box<dyn Lender<C>>, inner: Arc<dyn Connector<C>>) -> Self {
        Self {
            lender,
            inner,
            number: number_of_its_own(),
            forks: process::forks(),
        }
    }
}

impl<C: 'static> Connector<C> for Lending<C> {
    fn connect(&self, request: &Connecting) -> Result<Raw<C>, BoxError> {
        if self.forks != process::forks() && !self.lender.survives_a_fork() {
            return Err(
                "a foreign pool cannot lend connections in a forked child: those that it has are the parent's, and the \
                 threads that would make others are not here; build another pool and another engine in the child"
                    .into(),
            );
        }
        let mut raw = self.lender.lend(request.within)?;
        let me = self.number;
        let known = |loan: &mut dyn Loan<C>| {
            let extensions = loan.extensions();
            extensions.is_some_and(|ours| ours.get::<PreparedFor>().is_some_and(|mark| mark.0 == me))
        };
        if !raw.loan().is_some_and(known) {
            if let Err(error) = self.inner.adopt(&mut raw) {
                // Half prepared, or dead: whoever gets it next would have the same.
                if let Some(loan) = raw.loan() {
                    loan.condemn();
                }
                return Err(error);
            }
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

    fn reset_found_all_lost(&self, error: &BoxError) -> bool {
        self.inner.reset_found_all_lost(error)
    }

    fn broke_with_all(&self, connection: &mut C) -> bool {
        self.inner.broke_with_all(connection)
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
