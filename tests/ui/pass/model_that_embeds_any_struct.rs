// What is embedded says what its columns are.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { people (id) { id -> Integer, street -> Text, number -> Integer, } }

#[derive(Embedded, Queryable, Selectable, Clone)]
#[diesel(table_name = people)]
struct Address {
    street: String,
    number: i32,
}

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = people, check_for_backend(diesel::sqlite::Sqlite))]
struct Person {
    id: i32,
    #[diesel(embed)]
    address: Address,
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE people (id INTEGER PRIMARY KEY, street TEXT, number INTEGER)")
        .execute(&mut session)?;
    let person = session.add(Person {
        id: 0,
        address: Address {
            street: "Mill Lane".to_owned(),
            number: 3,
        },
    });
    session.flush()?;
    session[person].address.number = 4;
    session.flush()?;
    let row: (i32, String, i32) = people::table.first(&mut session)?;
    assert_eq!(row, (1, "Mill Lane".to_owned(), 4));
    session.rollback()
}
