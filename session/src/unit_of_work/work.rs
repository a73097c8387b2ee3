//! A flush: gather what is to be written, plan it, write it.

use std::any::{Any, TypeId};
use std::collections::HashSet;

use aludel_core::{Dialect, Error, Result};

use super::dependents::{self, dependents};
use super::execute::{self, Writer};
use super::gather::{self, CascadeOf};
use super::plan::{Action, Cycle, Models, Order, Place, Work};
use crate::connection::Connection;
use crate::model::{IdentityMap, Link, Persist, Store};

/// The objects of one model, as a flush sees them.
pub(crate) trait Unit<C: Dialect> {
    /// The model.
    fn model(&self) -> TypeId;
    /// The models that its foreign keys lead to.
    fn parents(&self) -> Vec<TypeId>;
    /// New objects, each with its place in the order of all adds.
    fn to_insert(&self) -> Vec<(u64, u32)>;
    /// Edited objects, in the order of their keys.
    fn to_update(&self) -> Vec<u32>;
    /// Objects that are marked for deletion, in the order of their keys.
    fn to_delete(&self) -> Vec<u32>;
    /// New objects with the key of one that is deleted take over its row.
    fn switch_rows(&mut self);
    /// Objects can be found by the keys of new ones, too.
    fn index_added(&mut self);
    /// The objects that this one names by its foreign keys.
    fn named(&self, index: u32, objects: &IdentityMap<C>) -> Vec<Place>;
    /// Which of these rows have not their key any more after a step.
    fn losing_their_key(&self, action: Action, rows: &[u32]) -> HashSet<u32>;
    /// The objects without changes of their own that name one of these places of a model, by their foreign keys.
    fn naming(&self, parent: TypeId, parents: &dyn Any, places: &HashSet<u32>) -> Vec<u32>;
    /// These are read again when they are next used.
    fn expire_rows(&mut self, rows: &[u32]);
    /// The parents that it was given before they had keys.
    fn take_links(&mut self, index: u32) -> Vec<Link>;
    /// The key of an object that has one, if it is still the same object.
    fn key_of(&self, index: u32, generation: u32) -> Option<Box<dyn Any>>;
    /// Copies the key of a parent.
    fn fill(&mut self, index: u32, reference: usize, key: &dyn Any);
    /// The key that a new object will have, unless the database makes it.
    fn own_key(&mut self, index: u32) -> Option<Box<dyn Any>>;
    /// The parent that it was given has left the session, or is the object itself.
    fn parent_has_no_key(&self, index: u32, reference: usize, is_own: bool) -> Error;
    /// Writes.
    fn write(&mut self, action: Action, rows: &[u32], writer: &mut Writer<'_, C>) -> Result<()>;
    /// All of it is written, or no more of it will be.
    fn flush_ended(&mut self);
    /// Sees to the children of what is deleted.
    fn cascade(&self) -> CascadeOf<C>;
    /// Reads rows that must be known before they are deleted.
    fn read_doomed(&mut self, all: bool, connection: &mut Connection<C>) -> Result<()>;
    /// An object, for errors.
    fn show(&self, index: u32) -> String;
}

/// Writes everything that is pending.
pub(crate) fn flush<C: Dialect>(objects: &mut IdentityMap<C>, connection: &mut Connection<C>) -> Result<()> {
    let result = write_all(objects, connection);
    for store in 0..objects.count() {
        objects.unit_mut(store).flush_ended();
    }
    result
}

fn write_all<C: Dialect>(objects: &mut IdentityMap<C>, connection: &mut Connection<C>) -> Result<()> {
    gather::children(objects, connection)?;
    let order = Order::of(&models(objects));
    for store in 0..objects.count() {
        let circular = order.is_circular(store);
        let unit = objects.unit_mut(store);
        unit.read_doomed(circular, connection)?;
        unit.switch_rows();
        if circular {
            unit.index_added();
        }
    }
    let steps = order.plan(&work(objects), |place| {
        objects.unit(place.store).named(place.index, objects)
    });
    let steps = steps.map_err(|cycle| describe(&cycle, objects))?;
    let mut writer = Writer::new(connection);
    for step in steps {
        fill_links(objects, step.store, &step.rows)?;
        let losing = objects.unit(step.store).losing_their_key(step.action, &step.rows);
        let loses_keys = !losing.is_empty();
        let dependents = dependents(objects, step.store, losing);
        let unit = objects.unit_mut(step.store);
        unit.write(step.action, &step.rows, &mut writer)?;
        dependents::expire(objects, &dependents);
        if step.action != Action::Insert {
            objects.expire_others(step.store, loses_keys);
        }
    }
    Ok(())
}

fn models<C: Dialect>(objects: &IdentityMap<C>) -> Vec<Models> {
    let stores = 0..objects.count();
    let model = |store| Models {
        name: objects.name(store),
        parents: objects
            .unit(store)
            .parents()
            .into_iter()
            .filter_map(|parent| objects.position(parent))
            .collect(),
    };
    stores.map(model).collect()
}

fn work<C: Dialect>(objects: &IdentityMap<C>) -> Work {
    let mut inserts = Vec::new();
    let mut work = Work::default();
    for store in 0..objects.count() {
        let unit = objects.unit(store);
        let place = |index| Place { store, index };
        inserts.extend(unit.to_insert().into_iter().map(|(at, index)| (at, place(index))));
        work.updates.extend(unit.to_update().into_iter().map(place));
        work.deletes.extend(unit.to_delete().into_iter().map(place));
    }
    inserts.sort_unstable();
    work.inserts = inserts.into_iter().map(|(_, place)| place).collect();
    work
}

/// The parents of these rows are written by now, and have keys.
fn fill_links<C: Dialect>(objects: &mut IdentityMap<C>, store: usize, rows: &[u32]) -> Result<()> {
    for &row in rows {
        for link in objects.unit_mut(store).take_links(row) {
            let is_own = link.parent == Place { store, index: row };
            let key = if is_own {
                objects.unit_mut(store).own_key(row)
            } else {
                let parents = objects.unit(link.parent.store);
                parents.key_of(link.parent.index, link.generation)
            };
            let unit = objects.unit_mut(store);
            match key {
                Some(key) => unit.fill(row, link.reference, key.as_ref()),
                None => return Err(unit.parent_has_no_key(row, link.reference, is_own)),
            }
        }
    }
    Ok(())
}

fn describe<C: Dialect>(cycle: &Cycle, objects: &IdentityMap<C>) -> Error {
    let show = |place: &Place| objects.unit(place.store).show(place.index);
    let names: Vec<_> = cycle.rows.iter().chain(cycle.rows.first()).map(show).collect();
    let names = names.join(" -> ");
    Error::misuse(match cycle.action {
        Action::Delete => format!(
            "these objects cannot be deleted in any order, since each refers to the next one: {names}; set a foreign key of one \
             of them to NULL, flush, and delete them then"
        ),
        Action::Insert | Action::Update => format!(
            "these objects cannot be written in any order, since each refers to the next one: {names}; write one of them \
             without its foreign key, flush, and set the key then"
        ),
    })
}

impl<C: Dialect, M: Persist<C::Backend>> Unit<C> for Store<M> {
    fn model(&self) -> TypeId {
        TypeId::of::<M>()
    }

    fn parents(&self) -> Vec<TypeId> {
        M::REFERENCES.iter().map(|reference| reference.parent()).collect()
    }

    fn to_insert(&self) -> Vec<(u64, u32)> {
        Self::to_insert(self)
    }

    fn to_update(&self) -> Vec<u32> {
        Self::to_update(self)
    }

    fn to_delete(&self) -> Vec<u32> {
        Self::to_delete(self)
    }

    fn switch_rows(&mut self) {
        Self::switch_rows(self);
    }

    fn index_added(&mut self) {
        Self::index_added(self);
    }

    fn named(&self, index: u32, objects: &IdentityMap<C>) -> Vec<Place> {
        let child = self.as_written(index);
        let by_key = M::REFERENCES.iter().filter_map(|reference| {
            let store = objects.position(reference.parent())?;
            let index = reference.find(child?, objects.store_as_any(store))?;
            Some(Place { store, index })
        });
        by_key.chain(self.links(index).map(|link| link.parent)).collect()
    }

    fn losing_their_key(&self, action: Action, rows: &[u32]) -> HashSet<u32> {
        let loses = |&row: &u32| match action {
            Action::Delete => M::shape().soft_delete.is_none(),
            Action::Update => !self.is_switched(row) && self.row(row).key().as_ref() != self.key_at(row),
            Action::Insert => false,
        };
        rows.iter().copied().filter(loses).collect()
    }

    fn naming(&self, parent: TypeId, parents: &dyn Any, places: &HashSet<u32>) -> Vec<u32> {
        self.unchanged(|child: &M| {
            M::REFERENCES.iter().any(|reference| {
                let is = |place| places.contains(&place);
                reference.parent() == parent && reference.find(child, parents).is_some_and(is)
            })
        })
    }

    fn expire_rows(&mut self, rows: &[u32]) {
        for &row in rows {
            self.expire_row(row);
        }
    }

    fn take_links(&mut self, index: u32) -> Vec<Link> {
        Self::take_links(self, index)
    }

    fn key_of(&self, index: u32, generation: u32) -> Option<Box<dyn Any>> {
        let key = self.key_of_same(index, generation)?;
        Some(Box::new(key.clone()))
    }

    fn fill(&mut self, index: u32, reference: usize, key: &dyn Any) {
        M::REFERENCES[reference].fill(self.row_mut(index), key);
    }

    fn own_key(&mut self, index: u32) -> Option<Box<dyn Any>> {
        let value = self.row_mut(index);
        value.make_key();
        Some(Box::new(value.key()?))
    }

    fn parent_has_no_key(&self, index: u32, reference: usize, is_own: bool) -> Error {
        let (field, parent) = M::REFERENCES[reference].describe();
        if is_own {
            return Error::misuse(format!(
                "{} cannot be its own `{field}` yet, since the database makes its key when it is inserted; flush it without, \
                 and set the key then",
                self.show(index)
            ));
        }
        Error::misuse(format!(
            "{} was given a {parent} as its `{field}` that has left the session before it was written",
            self.show(index)
        ))
    }

    fn write(&mut self, action: Action, rows: &[u32], writer: &mut Writer<'_, C>) -> Result<()> {
        match action {
            Action::Insert => execute::insert(self, rows, writer),
            Action::Update => execute::update(self, rows, writer),
            Action::Delete => execute::delete(self, rows, writer),
        }
    }

    fn flush_ended(&mut self) {
        Self::flush_ended(self);
    }

    fn cascade(&self) -> CascadeOf<C> {
        gather::cascade_of::<C, M>
    }

    fn read_doomed(&mut self, all: bool, connection: &mut Connection<C>) -> Result<()> {
        gather::read_doomed(self, all, connection)
    }

    fn show(&self, index: u32) -> String {
        Self::show(self, index)
    }
}
