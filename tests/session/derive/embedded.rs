//! Structs whose fields are columns of the model that embeds them.

use aludel::plumbing::{Columns, Role};
use aludel::prelude::*;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

use super::names;

diesel::table! {
    people (id) {
        id -> Integer,
        name -> Text,
        street -> Text,
        #[sql_name = "where"]
        city -> Nullable<Text>,
        zip -> Text,
        area -> Integer,
        email -> Text,
    }
}

#[derive(Embedded, Queryable, Selectable, Clone, Debug, PartialEq, Default)]
#[diesel(table_name = people)]
struct Post {
    zip: String,
    #[model(server_default)]
    area: i32,
}

#[derive(Embedded, Queryable, Selectable, Clone, Debug, PartialEq, Default)]
#[diesel(table_name = people)]
struct Address {
    street: String,
    #[diesel(embed)]
    post: Post,
    #[diesel(column_name = city)]
    town: Option<String>,
}

#[derive(Embedded, Queryable, Selectable, Clone, Debug, PartialEq, Default)]
#[diesel(table_name = people)]
struct Contact {
    email: String,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq, Default)]
#[diesel(table_name = people)]
struct Person {
    #[diesel(embed)]
    address: Address,
    name: String,
    #[diesel(embed)]
    contact: Contact,
    id: i32,
}

fn jane() -> Person {
    Person {
        name: "Jane".to_owned(),
        address: Address {
            street: "Mill Lane".to_owned(),
            town: None,
            post: Post {
                zip: "BA1".to_owned(),
                area: 0,
            },
        },
        contact: Contact {
            email: "jane@example.org".to_owned(),
        },
        ..Person::default()
    }
}

#[test]
fn its_columns_come_after_all_others() {
    let all = Columns::first(Person::shape().columns.len());
    assert_eq!(
        names::<Person>(all),
        ["id", "name", "street", "where", "zip", "area", "email"]
    );
    assert_eq!(Address::COLUMNS, 4);
    assert_eq!(
        names::<Person>(Person::shape().with_role(Role::ServerDefault)),
        ["area"]
    );
    assert_eq!(names::<Person>(jane().unset()), ["area"]);
}

#[test]
fn each_column_is_compared_and_taken_over_by_itself() {
    let (one, mut other) = (jane(), jane());
    other.address.town = Some("Bath".to_owned());
    other.address.post.area = 4;
    other.contact.email.clear();
    assert_eq!(names::<Person>(one.changes(&other)), ["where", "area", "email"]);
    for column in one.changes(&other).iter() {
        other.copy_column(&one, column);
    }
    assert_eq!(one, other);
}

#[test]
fn an_object_is_written_and_read_as_a_whole() -> aludel::Result<()> {
    let mut session = Engine::<SqliteConnection>::new("sqlite://:memory:")?.session();
    session.batch_execute(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, street TEXT NOT NULL, \"where\" TEXT, \
         zip TEXT NOT NULL, area INTEGER NOT NULL DEFAULT 3, email TEXT NOT NULL)",
    )?;
    let entity = session.add(jane());
    session.flush()?;
    assert_eq!(session[entity].address.post.area, 3);
    session[entity].address.town = Some("Bath".to_owned());
    session[entity].contact.email = "j@example.org".to_owned();
    session.commit()?;
    let mut expected = jane();
    expected.id = 1;
    expected.address.post.area = 3;
    expected.address.town = Some("Bath".to_owned());
    expected.contact.email = "j@example.org".to_owned();
    assert_eq!(*session.read(entity)?, expected);
    Ok(())
}
