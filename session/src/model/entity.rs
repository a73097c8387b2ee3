//! The handle of an object.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

/// A `Copy` handle to one object of one session.
///
/// It names the object and holds nothing of it: reach the values with `session[handle]`,
/// [`read`](crate::Session::read) and [`edit`](crate::Session::edit). A handle whose object has left the session
/// answers an error with model and key, never another row.
///
/// Two handles are equal when they name the same object of the same session.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// diesel::table! { notes (id) { id -> Integer, text -> Text, } }
///
/// #[derive(Model, Queryable, Selectable, Clone, Debug)]
/// #[diesel(table_name = notes)]
/// struct Note { id: i32, text: String }
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let mut session = engine.session();
/// let note: Entity<Note> = session.add(Note { id: 1, text: "hello".to_owned() });
/// let same = note;
/// assert_eq!(session[same].text, session[note].text);
/// # session.rollback()?;
/// assert!(session.read(note).unwrap_err().is_stale_entity()); // it had never been written
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
pub struct Entity<M> {
    pub(super) index: u32,
    pub(super) generation: u32,
    pub(super) session: u64,
    model: PhantomData<fn() -> M>,
}

impl<M> Entity<M> {
    pub(super) fn new(session: u64, index: u32, generation: u32) -> Self {
        Self {
            index,
            generation,
            session,
            model: PhantomData,
        }
    }

    pub(crate) fn index(self) -> u32 {
        self.index
    }

    pub(crate) fn generation(self) -> u32 {
        self.generation
    }
}

// Derives would demand the same of `M`.
impl<M> Clone for Entity<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Entity<M> {}

impl<M> PartialEq for Entity<M> {
    fn eq(&self, other: &Self) -> bool {
        (self.session, self.index, self.generation) == (other.session, other.index, other.generation)
    }
}

impl<M> Eq for Entity<M> {}

impl<M> Hash for Entity<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.session, self.index, self.generation).hash(state);
    }
}

impl<M> fmt::Debug for Entity<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = std::any::type_name::<M>().rsplit("::").next().unwrap_or_default();
        write!(
            f,
            "Entity<{model}>({}.{} of session {})",
            self.index, self.generation, self.session
        )
    }
}
