//! The verbs on objects.
//!
//! | File | Verbs |
//! |---|---|
//! | `load` | get and its sisters, query |
//! | `write` | add, delete, read, edit |
//! | `state` | merge, attach, detach, expunge, refresh, expire |
//! | `inspect` | what is pending, changed, deleted; the state of an object |
//! | `relations` | parents and children |

use std::ops::{Index, IndexMut};

use aludel_core::{Dialect, Error, ErrorKind};

use super::Session;
use crate::model::{Entity, Model, Persist};

mod inspect;
mod load;
mod query;
mod relations;
mod state;
mod write;

pub use inspect::{ObjectState, Objects};
pub use query::ObjectQuery;

fn of_another_session<M: Model>() -> Error {
    let text = format!(
        "this handle to {} belongs to another session; each session has its own",
        M::NAME
    );
    Error::object(ErrorKind::StaleEntity, text)
}

fn not_found<M: Model>(key: &M::Key) -> Error {
    Error::object(ErrorKind::NotFound, format!("there is no {} with key {key:?}", M::NAME))
}

/// `session[entity]` is sugar over what is loaded.
///
/// # Panics
///
/// When the handle names no object of this session, or its value is expired: [`Session::read`] answers an error then,
/// and reads the row again.
impl<C: Dialect, M: Persist<C::Backend>> Index<Entity<M>> for Session<C> {
    type Output = M;

    #[track_caller]
    fn index(&self, entity: Entity<M>) -> &M {
        let Some(store) = self.objects.store::<M>() else {
            panic!("{}", of_another_session::<M>())
        };
        match store.value(entity) {
            Ok(value) => value,
            Err(trouble) => panic!("{}", store.explain(entity, trouble)),
        }
    }
}

/// `session[entity].field = ..` marks the object as edited.
///
/// # Panics
///
/// As `Index`, and for a value that an earlier transaction has left behind: [`Session::edit`] reads it again.
impl<C: Dialect, M: Persist<C::Backend>> IndexMut<Entity<M>> for Session<C> {
    #[track_caller]
    fn index_mut(&mut self, entity: Entity<M>) -> &mut M {
        self.objects.mark_pending();
        match self.objects.store_mut::<M>().edit(entity) {
            Ok(value) => value,
            Err(error) => panic!("{error}"),
        }
    }
}
