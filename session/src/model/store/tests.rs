//! What each verb does to an object in each state.

use std::sync::OnceLock;

use super::{Arrival, State, Store};
use crate::model::{Column, Columns, Entity, Model, Role, Shape, VersionKind};
use crate::transaction::scope::Change;

/// Written by hand, since the derive names this package from outside.
#[derive(Clone, Debug, PartialEq)]
struct Thing {
    id: i32,
    label: String,
}

impl Model for Thing {
    type Key = i32;
    const NAME: &'static str = "Thing";

    fn table() -> &'static str {
        "things::table"
    }

    fn key(&self) -> Option<i32> {
        (self.id != 0).then_some(self.id)
    }

    fn shape() -> &'static Shape {
        static SHAPE: OnceLock<Shape> = OnceLock::new();
        let column = |name| Column {
            name,
            field: name,
            role: Role::Plain,
        };
        SHAPE.get_or_init(|| Shape {
            columns: vec![column("id"), column("label")],
            keys: 1,
            generated: true,
            version: None,
            version_kind: VersionKind::Client,
            soft_delete: None,
        })
    }

    fn changes(&self, other: &Self) -> Columns {
        Columns::one_if(0, self.id != other.id).and(Columns::one_if(1, self.label != other.label))
    }

    fn set_key(&mut self, key: i32) {
        self.id = key;
    }

    fn copy_column(&mut self, from: &Self, column: usize) {
        match column {
            0 => self.id = from.id,
            _ => self.label.clone_from(&from.label),
        }
    }
}

fn thing() -> Thing {
    Thing {
        id: 1,
        label: "one".to_owned(),
    }
}

/// How an object comes to be what it is.
#[derive(Clone, Copy, Debug)]
enum Was {
    Added,
    Read,
    Edited,
    Marked,
    Deleted,
    /// Its handle is stale.
    Expunged,
    /// Its handle is another session's.
    Foreign,
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Read,
    Edit,
    Delete,
    Expire,
    Expunge,
    /// A value with the same key.
    Attach,
    /// A query brings its row.
    Arrives,
    Commit,
    Rollback,
}

const VERBS: [Verb; 9] = [
    Verb::Read,
    Verb::Edit,
    Verb::Delete,
    Verb::Expire,
    Verb::Expunge,
    Verb::Attach,
    Verb::Arrives,
    Verb::Commit,
    Verb::Rollback,
];

/// Refused, and everything is as it was.
const NO: Outcome = Err(());

/// The state afterwards; none where the object has left.
type Outcome = Result<Option<State>, ()>;

fn prepare(was: Was) -> (Store<Thing>, Entity<Thing>) {
    let mut store = Store::new(1, 0);
    store.follow(Change::Beginning, false);
    if let Was::Added = was {
        let entity = store.add(thing(), 1);
        return (store, entity);
    }
    let entity = store.put_loaded(1, thing(), Arrival::Keeps);
    match was {
        Was::Added | Was::Read => {}
        Was::Edited => store.edit(entity).expect("it was read").label.push('!'),
        Was::Marked => store.delete(entity, 1).expect("it is there"),
        Was::Deleted => {
            store.delete(entity, 1).expect("it is there");
            store.deleted(entity.index());
        }
        Was::Expunged => drop(store.expunge(entity).expect("it is there")),
        Was::Foreign => return (store, Entity::new(2, entity.index(), entity.generation())),
    }
    (store, entity)
}

fn outcome(was: Was, verb: Verb) -> Outcome {
    let (mut store, entity) = prepare(was);
    store.assert_invariants();
    let before = store.state(entity);
    let done = match verb {
        Verb::Read => store.value(entity).is_ok(),
        Verb::Edit => store.edit(entity).is_ok(),
        Verb::Delete => store.delete(entity, 2).is_ok(),
        Verb::Expire => store.expire(entity).is_ok(),
        Verb::Expunge => store.expunge(entity).is_ok(),
        Verb::Attach => store.attach(1, thing()).is_ok(),
        Verb::Arrives => {
            store.put_loaded(1, thing(), Arrival::Refreshes);
            true
        }
        Verb::Commit => {
            store.follow(Change::Committed, false);
            true
        }
        Verb::Rollback => {
            store.follow(Change::RolledBack, false);
            true
        }
    };
    store.assert_invariants();
    if done {
        Ok(store.state(entity))
    } else {
        assert_eq!(store.state(entity), before, "{was:?} {verb:?}");
        NO
    }
}

#[test]
fn each_verb_in_each_state() {
    use State::{Deleted, Doomed, Pending, Persistent};

    const GONE: Outcome = Ok(None);
    let is = |state: State| -> Outcome { Ok(Some(state)) };

    // read, edit, delete, expire, expunge, attach, arrives, commit, rollback
    let there = |left| {
        let there = is(Persistent);
        [there, there, is(Doomed), there, GONE, NO, there, there, left]
    };
    let table: [(Was, [Outcome; 9]); 7] = [
        (
            Was::Added,
            // Another object may have its key until it is written; then the database decides.
            [
                is(Pending),
                is(Pending),
                GONE,
                NO,
                GONE,
                is(Pending),
                is(Pending),
                is(Pending),
                GONE,
            ],
        ),
        (Was::Read, there(is(Persistent))),
        (Was::Edited, there(is(Persistent))),
        (
            Was::Marked,
            [NO, NO, NO, NO, GONE, NO, is(Doomed), is(Doomed), is(Persistent)],
        ),
        (
            Was::Deleted,
            // A row that arrives is another one, which somebody has inserted since.
            [NO, NO, NO, NO, GONE, NO, is(Deleted), GONE, is(Persistent)],
        ),
        (Was::Expunged, [NO, NO, NO, NO, NO, GONE, GONE, GONE, GONE]),
        (Was::Foreign, [NO, NO, NO, NO, NO, NO, GONE, GONE, GONE]),
    ];
    for (was, expected) in table {
        for (verb, expected) in VERBS.into_iter().zip(expected) {
            assert_eq!(outcome(was, verb), expected, "{was:?} {verb:?}");
        }
    }
}
