use super::*;

const AUTHORS: usize = 0;
const BOOKS: usize = 1;
const NODES: usize = 2;

fn library() -> Order {
    let model = |name, parents: &[usize]| Models {
        name,
        parents: parents.to_vec(),
    };
    Order::of(&[model("Author", &[]), model("Book", &[AUTHORS]), model("Node", &[NODES])])
}

fn at(store: usize, index: u32) -> Place {
    Place { store, index }
}

fn nobody(_: Place) -> Vec<Place> {
    Vec::new()
}

fn lines(steps: Vec<Step>) -> Vec<String> {
    let line = |step: Step| {
        format!(
            "{} {} {:?}",
            step.action,
            ["author", "book", "node"][step.store],
            step.rows
        )
    };
    steps.into_iter().map(line).collect()
}

#[test]
fn parents_are_inserted_first_and_deleted_last() {
    let work = Work {
        inserts: vec![at(BOOKS, 0), at(AUTHORS, 0), at(BOOKS, 1)],
        updates: vec![at(AUTHORS, 7)],
        deletes: vec![at(AUTHORS, 3), at(BOOKS, 4)],
    };
    assert_eq!(
        lines(library().plan(&work, nobody).unwrap()),
        [
            "UPDATE author [7]",
            "INSERT author [0]",
            "INSERT book [0, 1]",
            "DELETE book [4]",
            "DELETE author [3]",
        ]
    );
}

#[test]
fn a_tree_goes_level_by_level_and_comes_back_the_other_way() {
    // 2 is the root, 0 and 1 are its children, 3 is a child of 0.
    let parents = |place: Place| match place.index {
        0 | 1 => vec![at(NODES, 2)],
        3 => vec![at(NODES, 0)],
        _ => Vec::new(),
    };
    let rows: Vec<Place> = (0..4).map(|index| at(NODES, index)).collect();
    let inserts = Work {
        inserts: rows.clone(),
        ..Work::default()
    };
    assert_eq!(
        lines(library().plan(&inserts, parents).unwrap()),
        ["INSERT node [2]", "INSERT node [0, 1]", "INSERT node [3]"]
    );
    let deletes = Work {
        deletes: rows,
        ..Work::default()
    };
    assert_eq!(
        lines(library().plan(&deletes, parents).unwrap()),
        ["DELETE node [3]", "DELETE node [0, 1]", "DELETE node [2]"]
    );
}

#[test]
fn an_update_waits_for_the_new_row_that_it_names() {
    let parents = |place: Place| {
        if place.index == 8 {
            vec![at(NODES, 0)]
        } else {
            Vec::new()
        }
    };
    let work = Work {
        inserts: vec![at(NODES, 0)],
        updates: vec![at(NODES, 8), at(NODES, 9)],
        deletes: Vec::new(),
    };
    assert_eq!(
        lines(library().plan(&work, parents).unwrap()),
        ["UPDATE node [9]", "INSERT node [0]", "UPDATE node [8]"]
    );
}

#[test]
fn a_cycle_of_rows_is_named() {
    let parents = |place: Place| vec![at(NODES, 1 - place.index)];
    let work = Work {
        inserts: vec![at(NODES, 0), at(NODES, 1)],
        ..Work::default()
    };
    assert_eq!(
        library().plan(&work, parents),
        Err(Cycle {
            action: Action::Insert,
            rows: vec![at(NODES, 0), at(NODES, 1)]
        })
    );
}

#[test]
fn a_row_may_name_itself() {
    let work = Work {
        inserts: vec![at(NODES, 0)],
        ..Work::default()
    };
    assert_eq!(
        lines(library().plan(&work, |place| vec![place]).unwrap()),
        ["INSERT node [0]"]
    );
}

#[test]
fn models_that_do_not_depend_on_each_other_go_by_name() {
    let model = |name| Models {
        name,
        parents: Vec::new(),
    };
    let order = Order::of(&[model("b"), model("c"), model("a")]);
    let work = Work {
        inserts: vec![at(0, 0), at(1, 0), at(2, 0)],
        ..Work::default()
    };
    let stores: Vec<_> = order
        .plan(&work, nobody)
        .unwrap()
        .iter()
        .map(|step| step.store)
        .collect();
    assert_eq!(stores, [2, 0, 1]);
}
