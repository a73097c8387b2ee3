//! Rows that refer to rows of their own table.

use aludel::Flavour;
use aludel::prelude::*;
use diesel::prelude::*;

use super::C;
use super::ground::{GENERATED, Ground};

diesel::table! { nodes (id) { id -> Integer, parent_id -> Nullable<Integer>, data -> Text, } }

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = nodes)]
struct Node {
    id: i32,
    #[model(belongs_to = Node)]
    parent_id: Option<i32>,
    data: String,
}

fn node(data: &str) -> Node {
    Node {
        id: 0,
        parent_id: None,
        data: data.to_owned(),
    }
}

fn ground(name: &str) -> Ground {
    let schema = format!(
        "CREATE TABLE nodes (id {GENERATED}, parent_id INTEGER, data VARCHAR(40) NOT NULL, \
         FOREIGN KEY (parent_id) REFERENCES nodes (id));"
    );
    Ground::open(name, &schema)
}

/// A root, two children of it, and four leaves; leaves first.
fn tree(session: &mut Session<C>) -> aludel::Result<[Vec<Entity<Node>>; 3]> {
    let leaves = session.add_all(["a1", "a2", "b1", "b2"].map(node));
    let children = session.add_all(["a", "b"].map(node));
    let root = session.add(node("root"));
    for (at, &leaf) in leaves.iter().enumerate() {
        session.set_parent(leaf, Node::PARENT_ID, children[at / 2])?;
    }
    for &child in &children {
        session.set_parent(child, Node::PARENT_ID, root)?;
    }
    Ok([vec![root], children, leaves])
}

#[test]
fn one_to_many_save() -> aludel::Result<()> {
    let ground = ground("self_one_to_many_save");
    let mut session = ground.engine.session();
    let [root, children, leaves] = tree(&mut session)?;
    session.flush()?;
    ground.expect_done(&[
        "INSERT nodes (parent_id, data)",
        "INSERT nodes (parent_id, data)",
        "INSERT nodes (parent_id, data)",
        "INSERT nodes (parent_id, data) x 4",
    ]);
    session.commit()?;
    assert_eq!(session.children(root[0], Node::PARENT_ID)?, children);
    let families = session.children_of(&children, Node::PARENT_ID)?;
    assert_eq!(families.concat(), leaves);
    Ok(())
}

#[test]
fn one_to_many_delete_all() -> aludel::Result<()> {
    let ground = ground("self_one_to_many_delete_all");
    let mut session = ground.engine.session();
    let levels = tree(&mut session)?;
    session.flush()?;
    ground.done();
    session.delete_all(levels.concat())?;
    session.commit()?;
    ground.expect_done(&[
        "DELETE nodes WHERE id x 4",
        "DELETE nodes WHERE id x 2",
        "DELETE nodes WHERE id",
    ]);
    assert_eq!(nodes::table.count().get_result::<i64>(&mut session)?, 0);
    Ok(())
}

/// The foreign keys decide the order, so they are read first.
#[test]
fn many_to_one_delete_all() -> aludel::Result<()> {
    let ground = ground("self_many_to_one_delete_all");
    let mut session = ground.engine.session();
    let levels = tree(&mut session)?;
    session.commit()?;
    ground.done();
    session.expire_all();
    session.delete_all(levels.concat())?;
    session.commit()?;
    ground.expect_done(&[
        "SELECT nodes WHERE id x 7",
        "DELETE nodes WHERE id x 4",
        "DELETE nodes WHERE id x 2",
        "DELETE nodes WHERE id",
    ]);
    Ok(())
}

#[test]
fn delete_unloaded_m2o() -> aludel::Result<()> {
    let ground = ground("self_delete_unloaded_m2o");
    let mut session = ground.engine.session();
    let [_, children, leaves] = tree(&mut session)?;
    session.commit()?;
    // Another session, that knows the leaf alone, and its parent by its key.
    let mut session = ground.engine.session();
    let leaf = session
        .query_one::<Node, _>(nodes::table.filter(nodes::data.eq("a1")))?
        .expect("it is there");
    let other = session
        .query_one::<Node, _>(nodes::table.filter(nodes::data.eq("a2")))?
        .expect("it is there");
    let parent = session.parent(leaf, Node::PARENT_ID)?.expect("it has one");
    session.expire(parent)?;
    session.expire(leaf)?;
    ground.done();
    session.delete(parent)?;
    session.delete_all([leaf, other])?;
    session.commit()?;
    ground.expect_done(&[
        "SELECT nodes WHERE id x 2",
        "DELETE nodes WHERE id x 2",
        "DELETE nodes WHERE id",
    ]);
    assert_eq!((children.len(), leaves.len()), (2, 4));
    assert_eq!(nodes::table.count().get_result::<i64>(&mut session)?, 4);
    Ok(())
}

#[test]
fn a_row_may_be_its_own_parent() -> aludel::Result<()> {
    let ground = ground("self_own_parent");
    let mut session = ground.engine.session();
    let root = session.add(node("root"));
    session.flush()?;
    session.set_parent(root, Node::PARENT_ID, root)?;
    session.commit()?;
    assert_eq!(session.parent(root, Node::PARENT_ID)?, Some(root));
    ground.done();
    if C::FLAVOUR == Flavour::MySql {
        // InnoDB lets nobody delete a row that another one refers to, be it the row itself.
        session.clear_parent(root, Node::PARENT_ID)?;
        session.flush()?;
    }
    session.delete(root)?;
    session.commit()?;
    assert_eq!(ground.done().last().map(String::as_str), Some("DELETE nodes WHERE id"));
    Ok(())
}

/// Its key is not known when it is inserted, so that it cannot name itself yet.
#[test]
fn a_new_row_without_a_key_cannot_be_its_own_parent() -> aludel::Result<()> {
    let ground = ground("self_new_own_parent");
    let mut session = ground.engine.session();
    let root = session.add(node("root"));
    session.set_parent(root, Node::PARENT_ID, root)?;
    let text = session.flush().expect_err("it has no key yet").to_string();
    assert!(text.contains("Node (new, no key yet)"), "{text}");
    ground.expect_done(&[]);
    Ok(())
}

/// What a hook reads is as it is in the session where an object is asked, and as it was committed where rows are.
#[test]
fn before_update_m2o() -> aludel::Result<()> {
    let ground = ground("self_before_update_m2o");
    let mut session = ground.engine.session();
    let [old, new] = [session.add(node("old")), session.add(node("new"))];
    let child = session.add_to(old, node("child"))?;
    session.commit()?;
    session.before_flush(move |session| {
        assert_eq!(session.parent(child, Node::PARENT_ID)?, Some(new));
        let old_key = session.read(old)?.id;
        let rows: Vec<String> = nodes::table
            .filter(nodes::parent_id.eq(old_key))
            .select(nodes::data)
            .load(session)?;
        assert_eq!(rows, ["child"], "it is not written yet");
        Ok(())
    });
    session.set_parent(child, Node::PARENT_ID, new)?;
    session.commit()?;
    assert_eq!(session.children(new, Node::PARENT_ID)?, [child]);
    assert_eq!(session.children(old, Node::PARENT_ID)?, []);
    Ok(())
}

/// The same table, whose children are let go of.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = nodes)]
#[model(has_many(Branch, foreign_key = PARENT_ID, on_delete = "set_null"))]
struct Branch {
    id: i32,
    #[model(belongs_to = Branch)]
    parent_id: Option<i32>,
    data: String,
}

#[test]
fn one_to_many_delete_parent() -> aludel::Result<()> {
    let ground = ground("self_one_to_many_delete_parent");
    let mut session = ground.engine.session();
    let branch = |data: &str| Branch {
        id: 0,
        parent_id: None,
        data: data.to_owned(),
    };
    let root = session.add(branch("root"));
    let children: Vec<_> = (0..4)
        .map(|_| session.add_to(root, branch("child")))
        .collect::<aludel::Result<_>>()?;
    session.flush()?;
    ground.done();
    session.delete(root)?;
    session.flush()?;
    ground.expect_done(&[
        "SELECT nodes WHERE parent_id",
        "UPDATE nodes SET parent_id WHERE id x 4",
        "DELETE nodes WHERE id",
    ]);
    for child in children {
        assert_eq!(session.read(child)?.parent_id, None);
    }
    session.commit()
}
