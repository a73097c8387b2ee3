//! Parents that have no key yet: what a flush copies into their children once they have.

use std::collections::HashMap;

use super::{State, Store};
use crate::model::{Entity, Model};
use crate::unit_of_work::Place;

/// The parent of an object, by one of the foreign keys of its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Which of `M::REFERENCES`.
    pub(crate) reference: usize,
    /// Where it is.
    pub(crate) parent: Place,
    /// What its place must have for it to be there still.
    pub(crate) generation: u32,
}

/// By the child's place and the number of the reference. Beside the slots, since few children have one, and none for long.
#[derive(Debug, Default)]
pub(super) struct Links(HashMap<(u32, usize), Link>);

impl Links {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn children(&self) -> impl Iterator<Item = u32> {
        self.0.keys().map(|(child, _)| *child)
    }
}

impl<M: Model> Store<M> {
    /// The parent gets its key later.
    pub(crate) fn link(&mut self, child: Entity<M>, link: Link) {
        self.links.0.insert((child.index, link.reference), link);
    }

    /// The parent by one foreign key is another one, or none.
    pub(crate) fn unlink_one(&mut self, child: Entity<M>, reference: usize) {
        self.links.0.remove(&(child.index, reference));
    }

    /// All parents are those that the value names.
    pub(crate) fn unlink_all(&mut self, child: Entity<M>) {
        self.unlink(child.index);
    }

    /// The parent by one foreign key, if it had no key when it became the parent and nothing was written since.
    pub(crate) fn link_of(&self, child: Entity<M>, reference: usize) -> Option<Link> {
        self.links.0.get(&(child.index, reference)).copied()
    }

    /// The parents of the object in this place that had no key when they became its parents.
    pub(crate) fn links(&self, child: u32) -> impl Iterator<Item = Link> {
        let count = if self.links.0.is_empty() {
            0
        } else {
            M::REFERENCES.len()
        };
        (0..count).filter_map(move |reference| self.links.0.get(&(child, reference)).copied())
    }

    /// The children of one parent among those links.
    pub(crate) fn linked_to(&self, parent: Link) -> Vec<Entity<M>> {
        let mut children: Vec<u32> = self
            .links
            .0
            .iter()
            .filter(|(_, link)| **link == parent)
            .map(|((child, _), _)| *child)
            .collect();
        children.sort_unstable();
        children.into_iter().map(|child| self.entity(child)).collect()
    }

    /// The same, and they are forgotten.
    pub(crate) fn take_links(&mut self, child: u32) -> Vec<Link> {
        let links = self.links(child).collect();
        self.unlink(child);
        links
    }

    pub(crate) fn unlink(&mut self, child: u32) {
        if !self.links.0.is_empty() {
            for reference in 0..M::REFERENCES.len() {
                self.links.0.remove(&(child, reference));
            }
        }
    }

    /// The handle of what a link names, if it is still there.
    pub(crate) fn linked(&self, link: Link) -> Option<Entity<M>> {
        let slot = self.slots.get(link.parent.index as usize)?;
        let is = slot.generation == link.generation && slot.state != State::Free;
        is.then(|| self.entity(link.parent.index))
    }
}
