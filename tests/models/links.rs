//! Many to many, by a model of the table in between.

use aludel::prelude::*;
use diesel::prelude::*;

use super::ground::{GENERATED, Ground};

diesel::table! { items (id) { id -> Integer, name -> Text, } }
diesel::table! { keywords (id) { id -> Integer, word -> Text, } }
diesel::table! { item_keywords (item_id, keyword_id) { item_id -> Integer, keyword_id -> Integer, since -> Integer, } }

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = items)]
struct Item {
    id: i32,
    name: String,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = keywords)]
struct Keyword {
    id: i32,
    word: String,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = item_keywords)]
struct Tagging {
    #[model(key, belongs_to = Item)]
    item_id: i32,
    #[model(key, belongs_to = Keyword)]
    keyword_id: i32,
    since: i32,
}

fn item(name: &str) -> Item {
    Item {
        id: 0,
        name: name.to_owned(),
    }
}

fn keyword(word: &str) -> Keyword {
    Keyword {
        id: 0,
        word: word.to_owned(),
    }
}

fn ground(name: &str) -> Ground {
    ground_with(name, "")
}

fn ground_with(name: &str, more: &str) -> Ground {
    let schema = format!(
        "CREATE TABLE items (id {GENERATED}, name VARCHAR(40) NOT NULL); \
         CREATE TABLE keywords (id {GENERATED}, word VARCHAR(40) NOT NULL); \
         CREATE TABLE item_keywords (item_id INTEGER NOT NULL, keyword_id INTEGER NOT NULL, since INTEGER NOT NULL, \
         PRIMARY KEY (item_id, keyword_id), FOREIGN KEY (item_id) REFERENCES items (id), \
         FOREIGN KEY (keyword_id) REFERENCES keywords (id){more});"
    );
    Ground::open(name, &schema)
}

type Session = aludel::Session<super::C>;

fn link(session: &mut Session, item: Entity<Item>, keyword: Entity<Keyword>) -> aludel::Result<Entity<Tagging>> {
    let link = session.add(Tagging {
        item_id: 0,
        keyword_id: 0,
        since: 2020,
    });
    session.set_parent(link, Tagging::ITEM_ID, item)?;
    session.set_parent(link, Tagging::KEYWORD_ID, keyword)?;
    Ok(link)
}

fn links(session: &mut Session) -> aludel::Result<Vec<(i32, i32)>> {
    let key = (item_keywords::item_id, item_keywords::keyword_id);
    Ok(item_keywords::table.order(key).select(key).load(session)?)
}

/// Items, keywords, and what links them.
type Tagged = (Vec<Entity<Item>>, Vec<Entity<Keyword>>, Vec<Entity<Tagging>>);

/// Two items and two keywords, each with each.
fn all(session: &mut Session) -> aludel::Result<Tagged> {
    let items = session.add_all(["chair", "table"].map(item));
    let keywords = session.add_all(["red", "big"].map(keyword));
    let mut links = Vec::new();
    for &item in &items {
        for &keyword in &keywords {
            links.push(link(session, item, keyword)?);
        }
    }
    Ok((items, keywords, links))
}

#[test]
fn many_to_many() -> aludel::Result<()> {
    let ground = ground("links_many_to_many");
    let mut session = ground.engine.session();
    let (items, keywords, made) = all(&mut session)?;
    session.commit()?;
    ground.expect_done(&[
        "INSERT items (name)",
        "INSERT items (name)",
        "INSERT keywords (word)",
        "INSERT keywords (word)",
        "INSERT item_keywords (item_id, keyword_id, since) x 4",
    ]);
    assert_eq!(links(&mut session)?, [(1, 1), (1, 2), (2, 1), (2, 2)]);
    // It stands under the key that it has got.
    assert_eq!(session.get::<Tagging>((2, 1))?, Some(made[2]));
    ground.done();
    session.delete_all(items)?;
    session.delete_all(keywords)?;
    session.delete_all(made)?;
    session.commit()?;
    ground.expect_done(&[
        "DELETE item_keywords WHERE item_id, keyword_id x 4",
        "DELETE keywords WHERE id x 2",
        "DELETE items WHERE id x 2",
    ]);
    Ok(())
}

#[test]
fn many_to_many_remove() -> aludel::Result<()> {
    let ground = ground("links_many_to_many_remove");
    let mut session = ground.engine.session();
    let (_, _, made) = all(&mut session)?;
    session.commit()?;
    ground.done();
    session.delete_all([made[3], made[0]])?;
    session.commit()?;
    ground.expect_done(&["DELETE item_keywords WHERE item_id, keyword_id x 2"]);
    assert_eq!(links(&mut session)?, [(1, 2), (2, 1)]);
    Ok(())
}

/// What is inserted comes before what is deleted, as in SQLAlchemy: a flush in between lets go of the old one first.
#[test]
fn scalar() -> aludel::Result<()> {
    let ground = ground_with("links_scalar", ", UNIQUE (item_id)");
    let mut session = ground.engine.session();
    let chair = session.add(item("chair"));
    let words = session.add_all(["red", "big"].map(keyword));
    let old = link(&mut session, chair, words[0])?;
    session.commit()?;
    session.delete(old)?;
    link(&mut session, chair, words[1])?;
    let text = session.flush().expect_err("the item has a keyword still").to_string();
    assert!(
        text.contains("Duplicate") || text.to_lowercase().contains("unique"),
        "{text}"
    );
    session.rollback()?;
    session.delete(old)?;
    session.flush()?;
    link(&mut session, chair, words[1])?;
    session.commit()?;
    assert_eq!(links(&mut session)?, [(1, 2)]);
    // The same key: nothing is deleted, so that nothing is in the way.
    let old = session.get_one::<Tagging>((1, 2))?;
    session.delete(old)?;
    let again = session.add(Tagging {
        item_id: 1,
        keyword_id: 2,
        since: 2024,
    });
    ground.done();
    session.commit()?;
    ground.expect_done(&["UPDATE item_keywords SET since WHERE item_id, keyword_id"]);
    assert_eq!(session.get::<Tagging>((1, 2))?, Some(again));
    Ok(())
}

#[test]
fn association() -> aludel::Result<()> {
    let ground = ground("links_association");
    let mut session = ground.engine.session();
    let (_, keywords, made) = all(&mut session)?;
    session.flush()?;
    ground.done();
    session.edit(made[1])?.since = 2021;
    session.flush()?;
    ground.expect_done(&["UPDATE item_keywords SET since WHERE item_id, keyword_id"]);
    // A foreign key that is part of the key: the row is another one then.
    let third = session.add(keyword("old"));
    session.set_parent(made[1], Tagging::KEYWORD_ID, third)?;
    session.commit()?;
    ground.expect_done(&[
        "INSERT keywords (word)",
        "UPDATE item_keywords SET keyword_id WHERE item_id, keyword_id",
    ]);
    assert_eq!(session.get::<Tagging>((1, 3))?, Some(made[1]));
    assert_eq!(session.get::<Tagging>((1, 2))?, None);
    assert_eq!(keywords.len(), 2);
    Ok(())
}

#[test]
fn links_that_are_exchanged_and_one_that_is_added_again() -> aludel::Result<()> {
    let ground = ground("links_exchanged");
    let mut session = ground.engine.session();
    let items = session.add_all(["chair", "table"].map(item));
    let words = session.add_all(["red", "big"].map(keyword));
    let old = [
        link(&mut session, items[0], words[0])?,
        link(&mut session, items[1], words[1])?,
    ];
    session.flush()?;
    ground.done();
    session.delete_all(old)?;
    link(&mut session, items[0], words[1])?;
    link(&mut session, items[1], words[0])?;
    let again = session.add(Tagging {
        item_id: 1,
        keyword_id: 1,
        since: 2020,
    });
    session.commit()?;
    ground.expect_done(&[
        "INSERT item_keywords (item_id, keyword_id, since) x 2",
        "DELETE item_keywords WHERE item_id, keyword_id",
    ]);
    assert_eq!(links(&mut session)?, [(1, 1), (1, 2), (2, 1)]);
    assert_eq!(session.get::<Tagging>((1, 1))?, Some(again));
    assert!(session.read(old[0]).unwrap_err().is_stale_entity());
    Ok(())
}
