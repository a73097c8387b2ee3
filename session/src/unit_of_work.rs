//! The unit of work: what a flush writes, in which order, and how.

use aludel_core::{Dialect, Result};

use crate::connection::Connection;
use crate::model::{ForeignKey, IdentityMap, Model, OnDelete, Persist};

/// The children of objects that are about to be deleted.
#[doc(hidden)]
#[allow(dead_code)]
#[derive(Debug)]
pub struct Cascading<'a, C: Dialect, P: Model> {
    objects: &'a mut IdentityMap<C>,
    connection: &'a mut Connection<C>,
    parents: Vec<P::Key>,
}

impl<C: Dialect, P: Persist<C::Backend>> Cascading<'_, C, P> {
    /// Those by one foreign key.
    ///
    /// # Errors
    ///
    /// Those of the statements.
    pub fn children<M: Persist<C::Backend>>(&mut self, _key: ForeignKey<M, P>, _on_delete: OnDelete) -> Result<()> {
        unimplemented!()
    }
}
