//! Foreign keys: how a child names its parent.

use std::any::{Any, TypeId};
use std::fmt;

use super::Model;
use super::store::Store;

/// A foreign key of the model `M` to the model `P`, as a value; `#[derive(Model)]` makes one for each
/// `#[model(belongs_to = P)]`, as a constant with the field's name in capitals.
pub struct ForeignKey<M, P: Model> {
    name: &'static str,
    /// Numbers of its columns in `M`'s shape, in the order of `P`'s key.
    columns: &'static [usize],
    nullable: bool,
    get: fn(&M) -> Option<P::Key>,
    set: fn(&mut M, Option<P::Key>),
}

impl<M, P: Model> ForeignKey<M, P> {
    /// What `#[derive(Model)]` writes.
    #[doc(hidden)]
    pub const fn new(
        name: &'static str,
        columns: &'static [usize],
        nullable: bool,
        get: fn(&M) -> Option<P::Key>,
        set: fn(&mut M, Option<P::Key>),
    ) -> Self {
        Self {
            name,
            columns,
            nullable,
            get,
            set,
        }
    }

    /// The name of its field, or the names of its fields.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it can be NULL.
    pub const fn is_nullable(&self) -> bool {
        self.nullable
    }

    pub(crate) fn columns(&self) -> &'static [usize] {
        self.columns
    }

    /// Which of `M`'s foreign keys it is.
    pub(crate) fn number(&self) -> Option<usize>
    where
        M: Model,
    {
        let is =
            |other: &&'static dyn Reference<M>| other.parent() == TypeId::of::<P>() && other.columns() == self.columns;
        M::REFERENCES.iter().position(is)
    }

    /// The parent's key, as the child has it; none for NULL.
    pub fn get(&self, child: &M) -> Option<P::Key> {
        (self.get)(child)
    }

    pub(crate) fn set(&self, child: &mut M, key: Option<P::Key>) {
        (self.set)(child, key);
    }
}

// Derives would demand the same of `M` and `P`.
impl<M, P: Model> Clone for ForeignKey<M, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M, P: Model> Copy for ForeignKey<M, P> {}

impl<M, P: Model> fmt::Debug for ForeignKey<M, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForeignKey({} to {})", self.name, P::NAME)
    }
}

/// A model with exactly one foreign key to `P`; `#[derive(Model)]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no foreign key to `{P}`, or more than one",
    label = "which foreign key?",
    note = "mark the field `#[model(belongs_to = {P})]`; where there are several, name one: `set_parent(child, Child::PARENT_ID, parent)`, \
            `has_many(Child, foreign_key = PARENT_ID)`"
)]
pub trait BelongsTo<P: Model>: Model {
    /// It.
    const FOREIGN_KEY: ForeignKey<Self, P>;
}

/// What becomes of the children of an object that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDelete {
    /// The database sees to it: by `ON DELETE ..`, or by refusing.
    Database,
    /// They are deleted first, and their children before them.
    Cascade,
    /// Their foreign key becomes NULL first.
    SetNull,
}

/// A foreign key whose parent's model is forgotten.
#[doc(hidden)]
pub trait Reference<M: Model>: Sync {
    /// The parent's model.
    fn parent(&self) -> TypeId;
    /// For errors.
    fn describe(&self) -> (&'static str, &'static str);
    /// Where in the parent's store the object is that the child names by its key.
    fn find(&self, child: &M, parents: &dyn Any) -> Option<u32>;
    /// Copies the parent's key.
    fn fill(&self, child: &mut M, key: &dyn Any);
    /// Which columns of the child it is.
    fn columns(&self) -> &'static [usize];
    /// Whether the parent, or somebody above it, is one of those that are meant; told by its model and the type of its table.
    fn leads_to(&self, is_meant: &dyn Fn(TypeId, &'static str) -> bool, seen: &mut Vec<TypeId>) -> bool;
}

impl<M: Model, P: Model> Reference<M> for ForeignKey<M, P> {
    fn parent(&self) -> TypeId {
        TypeId::of::<P>()
    }

    fn describe(&self) -> (&'static str, &'static str) {
        (self.name, P::NAME)
    }

    fn find(&self, child: &M, parents: &dyn Any) -> Option<u32> {
        let parents = parents.downcast_ref::<Store<P>>()?;
        parents.position(&self.get(child)?)
    }

    fn fill(&self, child: &mut M, key: &dyn Any) {
        if let Some(key) = key.downcast_ref::<P::Key>() {
            self.set(child, Some(key.clone()));
        }
    }

    fn columns(&self) -> &'static [usize] {
        self.columns
    }

    fn leads_to(&self, is_meant: &dyn Fn(TypeId, &'static str) -> bool, seen: &mut Vec<TypeId>) -> bool {
        let parent = TypeId::of::<P>();
        if is_meant(parent, P::table()) {
            return true;
        }
        if seen.contains(&parent) {
            return false;
        }
        seen.push(parent);
        P::REFERENCES.iter().any(|above| above.leads_to(is_meant, seen))
    }
}
