//! The raw connection: ours, or on loan from a pool of somebody else's.

use std::ops::{Deref, DerefMut};

/// A connection that was borrowed from a foreign pool; dropping it gives it back there.
///
/// Implemented for `r2d2::PooledConnection` (see [`Adopted`](super::Adopted)); implement it for whatever your own pool
/// lends.
pub trait Loan<C>: DerefMut<Target = C> + Send {
    /// What the foreign pool keeps with the connection while it is idle, so that the next borrower finds it again: with
    /// `None` every loan counts as a new connection.
    fn extensions(&mut self) -> Option<&mut super::Extensions>;

    /// Makes sure that the foreign pool closes the connection when it comes back.
    fn condemn(&mut self);
}

/// What a [`Connector`](super::Connector) makes: a connection of its own, or one on loan.
///
/// ```
/// use aludel_core::pool::Raw;
///
/// let mut raw = Raw::from(7_u32);
/// *raw += 1;
/// assert_eq!(raw.into_inner().ok(), Some(8));
/// ```
pub struct Raw<C>(Inner<C>);

enum Inner<C> {
    Own(C),
    Lent(Box<dyn Loan<C>>),
}

impl<C> Raw<C> {
    /// A connection that is on loan.
    pub fn lent(loan: impl Loan<C> + 'static) -> Self {
        Self(Inner::Lent(Box::new(loan)))
    }

    /// Whether it is on loan.
    pub fn is_lent(&self) -> bool {
        matches!(self.0, Inner::Lent(_))
    }

    /// The loan, if it is one.
    pub(super) fn loan(&mut self) -> Option<&mut dyn Loan<C>> {
        match &mut self.0 {
            Inner::Own(_) => None,
            Inner::Lent(loan) => Some(&mut **loan),
        }
    }

    /// The connection itself.
    ///
    /// # Errors
    ///
    /// Itself, if it is on loan: its owner wants it back.
    pub fn into_inner(self) -> Result<C, Self> {
        match self.0 {
            Inner::Own(connection) => Ok(connection),
            lent @ Inner::Lent(_) => Err(Self(lent)),
        }
    }
}

impl<C> From<C> for Raw<C> {
    fn from(connection: C) -> Self {
        Self(Inner::Own(connection))
    }
}

impl<C> Deref for Raw<C> {
    type Target = C;

    #[inline]
    fn deref(&self) -> &C {
        match &self.0 {
            Inner::Own(connection) => connection,
            Inner::Lent(loan) => loan,
        }
    }
}

impl<C> DerefMut for Raw<C> {
    #[inline]
    fn deref_mut(&mut self) -> &mut C {
        match &mut self.0 {
            Inner::Own(connection) => connection,
            Inner::Lent(loan) => loan,
        }
    }
}

impl<C> std::fmt::Debug for Raw<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_lent() { "Raw(lent)" } else { "Raw" })
    }
}
