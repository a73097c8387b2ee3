// A handle reaches the values of its own model, and no others; the key leads from one model to another.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, balance -> BigInt, } }
diesel::table! { owners (id) { id -> Integer, name -> Text, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = accounts)]
struct Account {
    #[model(assigned)]
    id: i32,
    balance: i64,
}

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = owners)]
struct Owner {
    #[model(assigned)]
    id: i32,
    name: String,
}

fn account(session: &mut Session<SqliteConnection>, owner: Entity<Owner>) -> aludel::Result<&Account> {
    let account = session.get_one::<Account>(session[owner].id)?;
    session.read(account)
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance BIGINT)").execute(&mut session)?;
    diesel::sql_query("CREATE TABLE owners (id INTEGER PRIMARY KEY, name TEXT)").execute(&mut session)?;
    session.add(Account { id: 7, balance: 100 });
    let owner = session.add(Owner {
        id: 7,
        name: "Ann".to_owned(),
    });
    assert_eq!(session[owner].name, "Ann");
    assert_eq!(account(&mut session, owner)?.balance, 100);
    session.rollback()
}
