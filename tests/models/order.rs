//! The order of a flush: what is sent, in which statements, for each shape of parents and children.

use aludel::prelude::*;
use diesel::prelude::*;

use super::ground::{GENERATED, Ground};

diesel::table! { users (id) { id -> Integer, name -> Text, } }
diesel::table! { addresses (id) { id -> Integer, user_id -> Nullable<Integer>, email -> Text, } }
diesel::table! { orders (id) { id -> Integer, bill_to -> Integer, ship_to -> Nullable<Integer>, } }
diesel::allow_tables_to_appear_in_same_query!(users, addresses);
diesel::table! { words (name) { name -> Text, synonym -> Nullable<Text>, } }
diesel::table! { hens (id) { id -> Integer, egg_id -> Nullable<Integer>, } }
diesel::table! { eggs (id) { id -> Integer, hen_id -> Nullable<Integer>, } }

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = users)]
struct User {
    id: i32,
    name: String,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = addresses)]
struct Address {
    id: i32,
    #[model(belongs_to = User)]
    user_id: Option<i32>,
    email: String,
}

/// Two foreign keys to one model.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = orders)]
struct Order {
    id: i32,
    #[model(belongs_to = User)]
    bill_to: i32,
    #[model(belongs_to = User)]
    ship_to: Option<i32>,
}

/// Natural keys, of a row to another of the same table.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = words)]
struct Word {
    #[model(key)]
    name: String,
    #[model(belongs_to = Word)]
    synonym: Option<String>,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = hens)]
struct Hen {
    #[model(assigned)]
    id: i32,
    #[model(belongs_to = Egg)]
    egg_id: Option<i32>,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = eggs)]
struct Egg {
    #[model(assigned)]
    id: i32,
    #[model(belongs_to = Hen)]
    hen_id: Option<i32>,
}

fn user(name: &str) -> User {
    User {
        id: 0,
        name: name.to_owned(),
    }
}

fn address(email: &str) -> Address {
    Address {
        id: 0,
        user_id: None,
        email: email.to_owned(),
    }
}

fn ground(name: &str) -> Ground {
    ground_with(name, "")
}

/// `constraint` is of `user_id`.
fn ground_with(name: &str, constraint: &str) -> Ground {
    let schema = format!(
        "CREATE TABLE users (id {GENERATED}, name VARCHAR(40) NOT NULL); \
         CREATE TABLE addresses (id {GENERATED}, user_id INTEGER {constraint}, email VARCHAR(40) NOT NULL, \
         FOREIGN KEY (user_id) REFERENCES users (id)); \
         CREATE TABLE orders (id {GENERATED}, bill_to INTEGER NOT NULL, ship_to INTEGER, \
         FOREIGN KEY (bill_to) REFERENCES users (id), FOREIGN KEY (ship_to) REFERENCES users (id)); \
         CREATE TABLE words (name VARCHAR(40) PRIMARY KEY, synonym VARCHAR(40), \
         FOREIGN KEY (synonym) REFERENCES words (name)); \
         CREATE TABLE hens (id INTEGER PRIMARY KEY, egg_id INTEGER); \
         CREATE TABLE eggs (id INTEGER PRIMARY KEY, hen_id INTEGER, FOREIGN KEY (hen_id) REFERENCES hens (id));"
    );
    Ground::open(name, &schema)
}

type Session = aludel::Session<super::C>;

/// A user with addresses, committed, and nothing of it counted.
fn family(
    ground: &Ground,
    session: &mut Session,
    emails: &[&str],
) -> aludel::Result<(Entity<User>, Vec<Entity<Address>>)> {
    let parent = session.add(user("Ann"));
    let mut children = Vec::new();
    for email in emails {
        children.push(session.add_to(parent, address(email))?);
    }
    session.commit()?;
    ground.done();
    Ok((parent, children))
}

/// Loads what a commit has left behind.
fn load(ground: &Ground, session: &mut Session) -> aludel::Result<()> {
    session.query::<User, _>(users::table)?;
    session.query::<Address, _>(addresses::table)?;
    ground.done();
    Ok(())
}

fn rows(session: &mut Session) -> aludel::Result<Vec<(Option<i32>, String)>> {
    let rows = addresses::table
        .order(addresses::id)
        .select((addresses::user_id, addresses::email));
    Ok(rows.load(session)?)
}

#[test]
fn one_to_many_save() -> aludel::Result<()> {
    let ground = ground("order_one_to_many_save");
    let mut session = ground.engine.session();
    let parent = session.add(user("Ann"));
    let a = session.add_to(parent, address("a"))?;
    let b = session.add_to(parent, address("b"))?;
    session.commit()?;
    ground.expect_done(&[
        "INSERT users (name)",
        "INSERT addresses (user_id, email)",
        "INSERT addresses (user_id, email)",
    ]);
    assert_eq!((session[a].user_id, session[b].user_id), (Some(1), Some(1)));
    Ok(())
}

#[test]
fn many_to_one_save() -> aludel::Result<()> {
    let ground = ground("order_many_to_one_save");
    let mut session = ground.engine.session();
    let children = session.add_all(["a", "b", "c", "d", "e"].map(address));
    let parent = session.add(user("Ann"));
    for &child in &children {
        session.set_parent(child, Address::USER_ID, parent)?;
    }
    session.flush()?;
    ground.expect_done(&["INSERT users (name)", "INSERT addresses (user_id, email) x 5"]);
    let key = session[parent].id;
    assert!(children.iter().all(|&child| session[child].user_id == Some(key)));
    session.commit()
}

#[test]
fn one_to_many_delete_all() -> aludel::Result<()> {
    let ground = ground("order_one_to_many_delete_all");
    let mut session = ground.engine.session();
    let (parent, children) = family(&ground, &mut session, &["a", "b"])?;
    load(&ground, &mut session)?;
    session.delete(parent)?;
    session.delete_all(children)?;
    session.commit()?;
    ground.expect_done(&["DELETE addresses WHERE id x 2", "DELETE users WHERE id"]);
    Ok(())
}

#[test]
fn many_to_one_delete_all() -> aludel::Result<()> {
    let ground = ground("order_many_to_one_delete_all");
    let mut session = ground.engine.session();
    let (parent, children) = family(&ground, &mut session, &["a", "b", "c"])?;
    load(&ground, &mut session)?;
    session.delete(children[2])?;
    session.delete(parent)?;
    session.delete(children[0])?;
    session.delete(children[1])?;
    session.commit()?;
    ground.expect_done(&["DELETE addresses WHERE id x 3", "DELETE users WHERE id"]);
    Ok(())
}

/// SQLAlchemy reads what is expired before it deletes it. A row without a version is deleted by its key alone, so nothing has
/// to be read.
#[test]
fn many_to_one_delete_unloaded() -> aludel::Result<()> {
    let ground = ground("order_many_to_one_delete_unloaded");
    let mut session = ground.engine.session();
    let (parent, children) = family(&ground, &mut session, &["a", "b"])?;
    session.expire_all();
    session.delete(parent)?;
    session.delete_all(children)?;
    session.commit()?;
    ground.expect_done(&["DELETE addresses WHERE id x 2", "DELETE users WHERE id"]);
    Ok(())
}

#[test]
fn many_to_one_delete_childonly_unloaded_expired() -> aludel::Result<()> {
    let ground = ground("order_many_to_one_delete_childonly");
    let mut session = ground.engine.session();
    let (parent, children) = family(&ground, &mut session, &["a"])?;
    load(&ground, &mut session)?;
    session.expire(children[0])?;
    session.delete(parent)?;
    session.delete(children[0])?;
    session.commit()?;
    ground.expect_done(&["DELETE addresses WHERE id", "DELETE users WHERE id"]);
    Ok(())
}

#[test]
fn many_to_one_del_attr() -> aludel::Result<()> {
    let ground = ground("order_many_to_one_del_attr");
    let mut session = ground.engine.session();
    let (parent, children) = family(&ground, &mut session, &["a"])?;
    load(&ground, &mut session)?;
    session.delete(parent)?;
    session.clear_parent(children[0], Address::USER_ID)?;
    session.commit()?;
    ground.expect_done(&["UPDATE addresses SET user_id WHERE id", "DELETE users WHERE id"]);
    assert_eq!(rows(&mut session)?, [(None, "a".to_owned())]);
    Ok(())
}

#[test]
fn many_to_one_del_attr_unloaded() -> aludel::Result<()> {
    let ground = ground("order_many_to_one_del_attr_unloaded");
    let mut session = ground.engine.session();
    let (parent, children) = family(&ground, &mut session, &["a"])?;
    session.expire_all();
    session.clear_parent(children[0], Address::USER_ID)?;
    session.delete(parent)?;
    session.commit()?;
    ground.expect_done(&[
        "SELECT addresses WHERE id",
        "UPDATE addresses SET user_id WHERE id",
        "DELETE users WHERE id",
    ]);
    Ok(())
}

#[test]
fn natural_selfref() -> aludel::Result<()> {
    let ground = ground("order_natural_selfref");
    let mut session = ground.engine.session();
    // Whoever sets a foreign key by hand says the same as with set_parent.
    for (name, synonym) in [("fast", Some("quick")), ("rapid", Some("fast")), ("quick", None)] {
        session.add(Word {
            name: name.to_owned(),
            synonym: synonym.map(str::to_owned),
        });
    }
    session.commit()?;
    ground.expect_done(&["INSERT words (name, synonym)"; 3]);
    let words = words::table.order(words::name).select(words::name);
    assert_eq!(words.load::<String>(&mut session)?, ["fast", "quick", "rapid"]);
    Ok(())
}

#[test]
fn one_to_many_1() -> aludel::Result<()> {
    let ground = ground("order_one_to_many_1");
    let mut session = ground.engine.session();
    let (_, children) = family(&ground, &mut session, &["a", "b"])?;
    load(&ground, &mut session)?;
    session.edit(children[1])?.email.push('!');
    session.commit()?;
    ground.expect_done(&["UPDATE addresses SET email WHERE id"]);
    assert_eq!(
        rows(&mut session)?,
        [(Some(1), "a".to_owned()), (Some(1), "b!".to_owned())]
    );
    Ok(())
}

#[test]
fn one_to_many_2() -> aludel::Result<()> {
    let ground = ground("order_one_to_many_2");
    let mut session = ground.engine.session();
    let (parent, children) = family(&ground, &mut session, &["a", "b", "c", "d"])?;
    let adopted = session.add(address("e"));
    session.commit()?;
    load(&ground, &mut session)?;
    for &child in &children[..3] {
        session.clear_parent(child, Address::USER_ID)?;
    }
    session.set_parent(adopted, Address::USER_ID, parent)?;
    session.edit(parent)?.name.push('e');
    session.commit()?;
    ground.expect_done(&[
        "UPDATE users SET name WHERE id",
        "UPDATE addresses SET user_id WHERE id x 4",
    ]);
    let parents: Vec<_> = rows(&mut session)?.into_iter().map(|row| row.0).collect();
    assert_eq!(parents, [None, None, None, Some(1), Some(1)]);
    Ok(())
}

#[test]
fn child_move() -> aludel::Result<()> {
    let ground = ground("order_child_move");
    let mut session = ground.engine.session();
    let (_, children) = family(&ground, &mut session, &["a", "b"])?;
    let second = session.add(user("Bob"));
    session.commit()?;
    load(&ground, &mut session)?;
    session.set_parent(children[0], Address::USER_ID, second)?;
    session.commit()?;
    ground.expect_done(&["UPDATE addresses SET user_id WHERE id"]);
    assert_eq!(session.children(second, Address::USER_ID)?, [children[0]]);
    Ok(())
}

#[test]
fn child_move_2() -> aludel::Result<()> {
    let ground = ground("order_child_move_2");
    let mut session = ground.engine.session();
    let (first, children) = family(&ground, &mut session, &["a"])?;
    load(&ground, &mut session)?;
    // The new parent has no key yet.
    let second = session.add(user("Bob"));
    session.delete(first)?;
    session.set_parent(children[0], Address::USER_ID, second)?;
    session.commit()?;
    ground.expect_done(&[
        "INSERT users (name)",
        "UPDATE addresses SET user_id WHERE id",
        "DELETE users WHERE id",
    ]);
    assert_eq!(session.read(children[0])?.user_id, Some(2));
    Ok(())
}

/// In the order of the keys, as SQLAlchemy: the row that gives the parent away must have the smaller key where there is a UNIQUE.
#[test]
fn one_to_one() -> aludel::Result<()> {
    let ground = ground_with("order_one_to_one", "UNIQUE");
    let mut session = ground.engine.session();
    let (parent, children) = family(&ground, &mut session, &["a"])?;
    let second = session.add(address("b"));
    session.commit()?;
    load(&ground, &mut session)?;
    session.set_parent(second, Address::USER_ID, parent)?;
    session.clear_parent(children[0], Address::USER_ID)?;
    session.commit()?;
    ground.expect_done(&["UPDATE addresses SET user_id WHERE id"; 2]);
    // Back again: now the one that takes it comes first.
    load(&ground, &mut session)?;
    session.set_parent(children[0], Address::USER_ID, parent)?;
    session.clear_parent(second, Address::USER_ID)?;
    let error = session.flush().expect_err("the database compares row by row");
    assert!(
        error.to_string().to_lowercase().contains("unique") || error.to_string().contains("Duplicate"),
        "{error}"
    );
    session.rollback()?;
    session.clear_parent(second, Address::USER_ID)?;
    session.flush()?;
    session.set_parent(children[0], Address::USER_ID, parent)?;
    session.commit()?;
    assert_eq!(rows(&mut session)?, [(Some(1), "a".to_owned()), (None, "b".to_owned())]);
    Ok(())
}

#[test]
fn bidirectional() -> aludel::Result<()> {
    let ground = ground("order_bidirectional");
    let mut session = ground.engine.session();
    let parent = session.add(user("Ann"));
    let child = session.add_to(parent, address("a"))?;
    assert_eq!(session.parent(child, Address::USER_ID)?, Some(parent));
    session.flush()?;
    let agree = |session: &mut Session| -> aludel::Result<()> {
        assert_eq!(session.children(parent, Address::USER_ID)?, [child]);
        assert_eq!(session.parent(child, Address::USER_ID)?, Some(parent));
        Ok(())
    };
    agree(&mut session)?;
    session.commit()?;
    agree(&mut session)?;
    session.clear_parent(child, Address::USER_ID)?;
    assert_eq!(session.children(parent, Address::USER_ID)?, []);
    assert_eq!(session.parent(child, Address::USER_ID)?, None);
    session.rollback()?;
    agree(&mut session)
}

#[test]
fn double_relationship() -> aludel::Result<()> {
    let ground = ground("order_double_relationship");
    let mut session = ground.engine.session();
    let order = session.add(Order {
        id: 0,
        bill_to: 0,
        ship_to: None,
    });
    let (bill, ship) = (session.add(user("Ann")), session.add(user("Bob")));
    session.set_parent(order, Order::SHIP_TO, ship)?;
    session.set_parent(order, Order::BILL_TO, bill)?;
    session.commit()?;
    ground.expect_done(&[
        "INSERT users (name)",
        "INSERT users (name)",
        "INSERT orders (bill_to, ship_to)",
    ]);
    assert_eq!(
        (session[order].bill_to, session[order].ship_to),
        (session[bill].id, Some(session[ship].id))
    );
    assert_eq!(session.children(bill, Order::BILL_TO)?, [order]);
    assert_eq!(session.children(bill, Order::SHIP_TO)?, []);
    let error = session
        .clear_parent(order, Order::BILL_TO)
        .expect_err("it is not nullable");
    assert!(error.to_string().contains("Order.bill_to cannot be NULL"), "{error}");
    Ok(())
}

#[test]
fn backref() -> aludel::Result<()> {
    let ground = ground("order_backref");
    let mut session = ground.engine.session();
    let (parent, _) = family(&ground, &mut session, &[])?;
    let child = session.add(address("a"));
    session.set_parent(child, Address::USER_ID, parent)?;
    assert_eq!(session.changes(child)?, ["id", "user_id", "email"]);
    session.flush()?;
    assert_eq!(session.changes(child)?, [""; 0]);
    session.clear_parent(child, Address::USER_ID)?;
    assert_eq!(session.changes(child)?, ["user_id"]);
    // The parent has no key yet, and the column changes all the same.
    session.flush()?;
    let second = session.add(user("Bob"));
    session.set_parent(child, Address::USER_ID, second)?;
    assert_eq!(session.changes(child)?, ["user_id"]);
    session.commit()
}

#[test]
fn m2o_one_to_one() -> aludel::Result<()> {
    let ground = ground("order_m2o_one_to_one");
    let mut session = ground.engine.session();
    let mut pairs = Vec::new();
    for number in 0..5 {
        let child = session.add(address(&format!("address {number}")));
        let parent = session.add(user(&format!("user {number}")));
        session.set_parent(child, Address::USER_ID, parent)?;
        pairs.push((parent, child));
    }
    session.flush()?;
    ground.expect_done(&["INSERT users (name) x 5", "INSERT addresses (user_id, email) x 5"]);
    session.commit()?;
    let joined: Vec<(String, String)> = users::table
        .inner_join(addresses::table.on(addresses::user_id.eq(users::id.nullable())))
        .order(users::id)
        .select((users::name, addresses::email))
        .load(&mut session)?;
    let expected: Vec<_> = (0..5)
        .map(|number| (format!("user {number}"), format!("address {number}")))
        .collect();
    assert_eq!(joined, expected);
    Ok(())
}

#[test]
fn many_to_one_1() -> aludel::Result<()> {
    let ground = ground("order_many_to_one_1");
    let mut session = ground.engine.session();
    let (_, children) = family(&ground, &mut session, &["a"])?;
    session.clear_parent(children[0], Address::USER_ID)?;
    session.flush()?;
    ground.expect_done(&["SELECT addresses WHERE id", "UPDATE addresses SET user_id WHERE id"]);
    assert_eq!(rows(&mut session)?, [(None, "a".to_owned())]);
    Ok(())
}

#[test]
fn many_to_one_2() -> aludel::Result<()> {
    let ground = ground("order_many_to_one_2");
    let mut session = ground.engine.session();
    let (parent, children) = family(&ground, &mut session, &["a", "b"])?;
    let free = session.add_all(["c", "d"].map(address));
    session.commit()?;
    load(&ground, &mut session)?;
    for (&held, &free) in children.iter().zip(&free) {
        session.clear_parent(held, Address::USER_ID)?;
        session.set_parent(free, Address::USER_ID, parent)?;
    }
    session.flush()?;
    ground.expect_done(&["UPDATE addresses SET user_id WHERE id x 4"]);
    let parents: Vec<_> = rows(&mut session)?.into_iter().map(|row| row.0).collect();
    assert_eq!(parents, [None, None, Some(1), Some(1)]);
    Ok(())
}

/// What a flush fills in is no change.
#[test]
fn no_attr_events_flush() -> aludel::Result<()> {
    let ground = ground("order_no_attr_events_flush");
    let mut session = ground.engine.session();
    let parent = session.add(user("Ann"));
    let child = session.add_to(parent, address("a"))?;
    session.flush()?;
    ground.done();
    assert!(!session.is_modified(parent) && !session.is_modified(child));
    assert_eq!(session.changes(child)?, [""; 0]);
    assert!(session.dirty::<Address>().is_empty() && session.pending::<Address>().is_empty());
    session.flush()?;
    session.commit()?;
    ground.expect_done(&[]);
    Ok(())
}

#[test]
fn rows_that_refer_to_each_other_are_refused_before_anything_is_sent() -> aludel::Result<()> {
    let ground = ground("order_cycle");
    let mut session = ground.engine.session();
    let hen = session.add(Hen { id: 1, egg_id: None });
    let egg = session.add(Egg { id: 7, hen_id: None });
    session.set_parent(hen, Hen::EGG_ID, egg)?;
    session.set_parent(egg, Egg::HEN_ID, hen)?;
    let error = session.flush().expect_err("which came first?");
    let text = error.to_string();
    assert!(text.contains("Hen 1") && text.contains("Egg 7"), "{text}");
    ground.expect_done(&[]);
    session.rollback()?;

    let hen = session.add(Hen { id: 1, egg_id: None });
    let egg = session.add(Egg { id: 7, hen_id: Some(1) });
    session.flush()?;
    session.set_parent(hen, Hen::EGG_ID, egg)?;
    session.commit()?;
    ground.expect_done(&[
        "INSERT hens (id, egg_id)",
        "INSERT eggs (id, hen_id)",
        "UPDATE hens SET egg_id WHERE id",
    ]);

    // Two that are to be deleted: nobody has to set anything later.
    session.delete(hen)?;
    session.delete(egg)?;
    let text = session.flush().expect_err("which goes first?").to_string();
    assert!(
        text.contains("Hen 1") && text.contains("Egg 7") && text.contains("deleted"),
        "{text}"
    );
    session.rollback()?;
    session.clear_parent(hen, Hen::EGG_ID)?;
    session.flush()?;
    session.delete_all([hen])?;
    session.delete(egg)?;
    session.commit()?;
    assert_eq!(hens::table.count().get_result::<i64>(&mut session)?, 0);
    Ok(())
}

#[test]
fn models_that_refer_to_each_other_without_a_cycle_of_rows_are_written() -> aludel::Result<()> {
    let ground = ground("order_mutual");
    let mut session = ground.engine.session();
    session.add(Hen { id: 3, egg_id: Some(2) });
    session.add(Egg { id: 2, hen_id: Some(1) });
    session.add(Hen { id: 1, egg_id: None });
    session.commit()?;
    ground.expect_done(&[
        "INSERT hens (id, egg_id)",
        "INSERT eggs (id, hen_id)",
        "INSERT hens (id, egg_id)",
    ]);
    Ok(())
}

#[test]
fn rows_of_one_kind_are_one_statement() -> aludel::Result<()> {
    let ground = ground("order_batches");
    let mut session = ground.engine.session();
    let people: Vec<_> = (0..6)
        .map(|number| session.add(user(&format!("user {number}"))))
        .collect();
    session.flush()?;
    for &one in people.iter().rev() {
        session.edit(one)?.name.push('!');
    }
    session.flush()?;
    let names: Vec<String> = users::table.order(users::id).select(users::name).load(&mut session)?;
    assert_eq!(
        names,
        (0..6).map(|number| format!("user {number}!")).collect::<Vec<_>>()
    );
    session.delete_all(people)?;
    session.commit()?;
    ground.expect_done(&[
        "INSERT users (name) x 6",
        "UPDATE users SET name WHERE id x 6",
        "SELECT users",
        "DELETE users WHERE id x 6",
    ]);
    Ok(())
}
