// Two values are not edited at once through two calls; `edit_two` is one, and makes sure that they are two.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { accounts (id) { id -> Integer, balance -> BigInt, } }

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = accounts)]
struct Account {
    id: i32,
    balance: i64,
}

fn swap(session: &mut Session<SqliteConnection>, left: Entity<Account>, right: Entity<Account>) -> aludel::Result<()> {
    let (left, right) = session.edit_two(left, right)?;
    std::mem::swap(&mut left.balance, &mut right.balance);
    Ok(())
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    let left = session.add(Account { id: 0, balance: 1 });
    let right = session.add(Account { id: 0, balance: 2 });
    swap(&mut session, left, right)?;
    assert_eq!((session[left].balance, session[right].balance), (2, 1));
    session.rollback()
}
