//! What a flush does, in which order. Pure: it sees numbers and names, no session and no connection.
//!
//! Parents are written before their children, and deleted after them; all that is written comes before all that is deleted.
//! Where models refer to each other in a circle, or to themselves, their rows are ordered one by one, level by level.

use std::collections::HashMap;
use std::fmt;

use super::order::{components, levels};

/// An object: the number of its model, and its place among the objects of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) store: usize,
    pub(crate) index: u32,
}

/// A model, as far as order is concerned.
#[derive(Clone, Debug)]
pub(crate) struct Models {
    /// Its name, by which models that do not depend on each other are ordered: every session has the same order then, and two
    /// of them do not wait for each other in a circle.
    pub(crate) name: &'static str,
    /// The models that its foreign keys lead to.
    pub(crate) parents: Vec<usize>,
}

/// What has to be written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    /// In the order of the adds.
    pub(crate) inserts: Vec<Place>,
    /// In the order of their keys.
    pub(crate) updates: Vec<Place>,
    /// In the order of their keys.
    pub(crate) deletes: Vec<Place>,
}

/// One kind of statement for rows of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) store: usize,
    pub(crate) action: Action,
    pub(crate) rows: Vec<u32>,
}

/// What is done with rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Insert,
    Update,
    Delete,
}

/// Rows that can be written, or deleted, in no order: each refers to the next one, and the last one to the first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cycle {
    pub(crate) action: Action,
    pub(crate) rows: Vec<Place>,
}

/// Models in the order in which they are written, those that depend on each other together.
#[derive(Debug)]
pub(crate) struct Order(Vec<Group>);

#[derive(Debug)]
struct Group {
    stores: Vec<usize>,
    /// Whether its rows may depend on each other.
    is_circular: bool,
}

impl Order {
    /// The order of models.
    pub(crate) fn of(models: &[Models]) -> Self {
        let mut by_name: Vec<usize> = (0..models.len()).collect();
        by_name.sort_by_key(|&store| models[store].name);
        let mut rank = vec![0; models.len()];
        for (at, &store) in by_name.iter().enumerate() {
            rank[store] = at;
        }
        let edges: Vec<Vec<usize>> = by_name
            .iter()
            .map(|&store| {
                let mut parents: Vec<_> = models[store].parents.iter().map(|&parent| rank[parent]).collect();
                parents.sort_unstable();
                parents
            })
            .collect();
        let groups = components(&edges).into_iter().map(|group| Group {
            is_circular: group.len() > 1 || edges[group[0]].contains(&group[0]),
            stores: group.into_iter().map(|at| by_name[at]).collect(),
        });
        Self(groups.collect())
    }

    /// Whether the rows of this model may depend on rows of the same group, and have to be asked.
    pub(crate) fn is_circular(&self, store: usize) -> bool {
        let mut groups = self.0.iter();
        groups.any(|group| group.is_circular && group.stores.contains(&store))
    }

    /// The steps. `parents` says which other objects one names by its foreign keys; it is asked for rows of circular groups only.
    ///
    /// # Errors
    ///
    /// Rows that cannot be written in any order.
    pub(crate) fn plan(&self, work: &Work, parents: impl Fn(Place) -> Vec<Place>) -> Result<Vec<Step>, Cycle> {
        let mut steps = Vec::new();
        for group in &self.0 {
            if group.is_circular {
                group.save_rows(work, &parents, &mut steps)?;
            } else {
                let store = group.stores[0];
                // Updates first: one may free what an insert needs, where there is a unique index.
                push(&mut steps, Action::Update, store, of_store(&work.updates, store));
                push(&mut steps, Action::Insert, store, of_store(&work.inserts, store));
            }
        }
        for group in self.0.iter().rev() {
            if group.is_circular {
                group.delete_rows(work, &parents, &mut steps)?;
            } else {
                let store = group.stores[0];
                push(&mut steps, Action::Delete, store, of_store(&work.deletes, store));
            }
        }
        Ok(steps)
    }
}

impl Group {
    /// What is updated waits for what is inserted only where it names it.
    fn save_rows(
        &self,
        work: &Work,
        parents: &impl Fn(Place) -> Vec<Place>,
        steps: &mut Vec<Step>,
    ) -> Result<(), Cycle> {
        let inserts = self.of(&work.inserts);
        let number: HashMap<Place, usize> = inserts.iter().enumerate().map(|(at, &place)| (place, at)).collect();
        let waits = |place: &Place| parents(*place).iter().any(|parent| number.contains_key(parent));
        let (later, first): (Vec<Place>, Vec<Place>) = self.of(&work.updates).into_iter().partition(waits);
        self.push_each(steps, Action::Update, &first);
        for level in ordered(Action::Insert, &inserts, parents, &number)? {
            self.push_each(steps, Action::Insert, &level);
        }
        self.push_each(steps, Action::Update, &later);
        Ok(())
    }

    fn delete_rows(
        &self,
        work: &Work,
        parents: &impl Fn(Place) -> Vec<Place>,
        steps: &mut Vec<Step>,
    ) -> Result<(), Cycle> {
        let deletes = self.of(&work.deletes);
        let number = deletes.iter().enumerate().map(|(at, &place)| (place, at)).collect();
        for level in ordered(Action::Delete, &deletes, parents, &number)?.iter().rev() {
            self.push_each(steps, Action::Delete, level);
        }
        Ok(())
    }

    fn of(&self, places: &[Place]) -> Vec<Place> {
        places
            .iter()
            .copied()
            .filter(|place| self.stores.contains(&place.store))
            .collect()
    }

    fn push_each(&self, steps: &mut Vec<Step>, action: Action, places: &[Place]) {
        for &store in &self.stores {
            push(steps, action, store, of_store(places, store));
        }
    }
}

/// Parents before children.
fn ordered(
    action: Action,
    places: &[Place],
    parents: &impl Fn(Place) -> Vec<Place>,
    number: &HashMap<Place, usize>,
) -> Result<Vec<Vec<Place>>, Cycle> {
    let needs = |place: &Place| {
        let mut needs: Vec<usize> = parents(*place)
            .iter()
            .filter_map(|parent| number.get(parent).copied())
            .collect();
        needs.sort_unstable();
        needs.dedup();
        // A row that names itself is written with its own key, which any database takes.
        needs.retain(|&need| places[need] != *place);
        needs
    };
    let edges: Vec<Vec<usize>> = places.iter().map(needs).collect();
    let name = |level: Vec<usize>| level.into_iter().map(|at| places[at]).collect::<Vec<_>>();
    match levels(&edges) {
        Ok(levels) => Ok(levels.into_iter().map(name).collect()),
        Err(cycle) => Err(Cycle {
            action,
            rows: name(cycle),
        }),
    }
}

fn of_store(places: &[Place], store: usize) -> Vec<u32> {
    let of_store = places.iter().filter(|place| place.store == store);
    of_store.map(|place| place.index).collect()
}

fn push(steps: &mut Vec<Step>, action: Action, store: usize, rows: Vec<u32>) {
    if !rows.is_empty() {
        steps.push(Step { store, action, rows });
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        })
    }
}

#[cfg(test)]
mod tests;
