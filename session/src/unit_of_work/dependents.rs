//! Objects whose rows the database changes or deletes by itself, when the row that they refer to is deleted or gets another
//! key: `ON DELETE` and `ON UPDATE`.

use std::collections::HashSet;

use aludel_core::Dialect;

use crate::model::IdentityMap;

/// Objects of one model, by their places.
#[derive(Debug)]
pub(super) struct Dependents {
    store: usize,
    rows: Vec<u32>,
}

/// The objects that name those which lose their keys in a step, those that name them, and so on. It is asked before the step, since
/// the keys lead nowhere after it.
pub(super) fn dependents<C: Dialect>(objects: &IdentityMap<C>, store: usize, losing: HashSet<u32>) -> Vec<Dependents> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let mut open = vec![(store, losing)];
    while let Some((parents, rows)) = open.pop() {
        if rows.is_empty() {
            continue;
        }
        let model = objects.unit(parents).model();
        for store in 0..objects.count() {
            let children = objects.unit(store);
            if !children.parents().contains(&model) {
                continue;
            }
            let mut new = children.naming(model, objects.store_as_any(parents), &rows);
            new.retain(|&row| seen.insert((store, row)));
            open.push((store, new.iter().copied().collect()));
            found.push(Dependents { store, rows: new });
        }
    }
    found
}

/// They are read again when they are next used.
pub(super) fn expire<C: Dialect>(objects: &mut IdentityMap<C>, dependents: &[Dependents]) {
    for Dependents { store, rows } in dependents {
        objects.unit_mut(*store).expire_rows(rows);
    }
}
