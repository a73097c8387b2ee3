//! What finds an object: `SessionUtilTest`, and ours.

use aludel::prelude::*;

use super::{Share, User, elsewhere, expect_sent, session_on};
use crate::account::Account;
use crate::cases::Stage;

/// A hit sends nothing, absence is not remembered, and what is pending may be what is asked for.
pub fn get<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
    Share: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    session.add(User::new("ann"));
    session.commit()?;
    session.expunge_all();
    stage.sent.clear();
    let ann = session.get::<User>(1)?;
    assert!(ann.is_some());
    assert_eq!(session.get::<User>(1)?, ann);
    expect_sent(stage, &["SELECT users"]);
    assert_eq!((session.get::<User>(9)?, session.get::<User>(9)?), (None, None));
    expect_sent(stage, &["SELECT users", "SELECT users"]);
    let share = session.add(Share::new("ann", "TEA", 3));
    assert_eq!(session.get::<Share>(Share::key_of("ann", "TEA"))?, Some(share));
    expect_sent(stage, &["INSERT shares"]);
    session.assert_invariants();
    session.rollback()
}

pub fn get_one<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let error = session.get_one::<User>(9).expect_err("there is none");
    assert!(
        error.is_not_found() && error.to_string().contains("User with key 9"),
        "{error}"
    );
    let ann = session.add(User::new("ann"));
    session.commit()?;
    elsewhere(stage, "DELETE FROM users")?;
    let error = session.get_one::<User>(1).expect_err("somebody has deleted it");
    assert!(
        error.is_not_found() && error.to_string().contains("User with key 1"),
        "{error}"
    );
    assert!(session.read(ann).expect_err("it has left").is_stale_entity());
    session.assert_invariants();
    session.rollback()
}

/// In the order of the keys, twice the same one among them; one SELECT, and not for what is there.
pub fn get_many<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
    Share: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    session.add_all(["ann", "bob", "carol"].map(User::new));
    session.add_all([
        Share::new("ann", "TEA", 1),
        Share::new("bob", "TEA", 2),
        Share::new("ann", "RUM", 3),
    ]);
    session.commit()?;
    session.expunge_all();
    let bob = session.get_one::<User>(2)?;
    stage.sent.clear();
    let found = session.get_many::<User>([3, 2, 9, 1, 3])?;
    expect_sent(stage, &["SELECT users"]);
    assert_eq!((found[1], found[2], found[0]), (Some(bob), None, found[4]));
    let names = found.iter().flatten().map(|&user| session[user].name.clone());
    assert_eq!(names.collect::<Vec<_>>(), ["carol", "bob", "ann", "carol"]);
    assert_eq!(session.get_many::<User>([1, 2, 3])?.iter().flatten().count(), 3);
    expect_sent(stage, &[]);
    let found = session.get_many::<Share>([Share::key_of("ann", "RUM"), Share::key_of("bob", "RUM")])?;
    assert_eq!(found[0].map(|share| session[share].amount), Some(3));
    assert_eq!(found[1], None);
    expect_sent(stage, &["SELECT shares"]);
    let many: Vec<i32> = (1..=1_200).collect();
    let found = session.get_many::<User>(many.clone())?;
    assert_eq!((found.len(), found.iter().flatten().count()), (many.len(), 3));
    expect_sent(stage, &["SELECT users", "SELECT users", "SELECT users"]);
    assert!(session.get_many::<User>(Vec::<i32>::new())?.is_empty());
    session.assert_invariants();
    session.rollback()
}

/// It always asks, after writing what is pending; a version that has changed since it was read is a conflict.
pub fn get_for_update<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
    Account: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(User::new("ann"));
    let account = session.add(Account::new("ann", 5));
    session.commit()?;
    session.edit(ann)?.name = "anna".into();
    stage.sent.clear();
    assert_eq!(session.get_for_update::<User>(1)?, Some(ann));
    let lines = stage.sent.take();
    let locks = lines.last().is_some_and(|line| line.ends_with(" FOR UPDATE"));
    assert_eq!(locks, C::FLAVOUR != aludel::Flavour::Sqlite, "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("UPDATE")), "{lines:?}");
    assert_eq!(session[ann].name, "anna");
    assert_eq!(session.get_for_update::<User>(9)?, None);

    // What could not be written yet is on top of the row.
    session.no_autoflush(|session| {
        session.edit(ann)?.name = "annabel".into();
        session.get_for_update::<User>(1)
    })?;
    assert_eq!(
        (session[ann].name.as_str(), session.changes(ann)?),
        ("annabel", vec!["name"])
    );
    session.assert_invariants();

    session.read(account)?;
    session.with_raw(|raw| {
        let sql = "UPDATE accounts SET balance = 6, version = 7 WHERE id = 1";
        Ok(diesel::connection::SimpleConnection::batch_execute(raw, sql)?)
    })?;
    // Behind the session's back: nothing is known of it any more, and nothing is lost.
    assert_eq!(session.get_for_update::<Account>(1)?, Some(account));
    assert_eq!((session[account].balance, session[account].version), (6, 7));
    session.rollback()
}

/// All or none; twice the same is once.
pub fn delete_all<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let users = session.add_all(["ann", "bob", "carol"].map(User::new));
    session.commit()?;
    let mut other = stage.engine.session();
    let foreign = other.add(User::new("dora"));
    let refused = session.delete_all([users[0], foreign]).expect_err("it is not ours");
    assert!(
        refused.to_string().contains("User belongs to another session"),
        "{refused}"
    );
    assert_eq!(session.deleted::<User>(), []);
    other.rollback()?;
    stage.sent.clear();
    session.delete_all([users[2], users[0], users[2]])?;
    assert_eq!(session.deleted::<User>(), [users[2], users[0]]);
    session.flush()?;
    expect_sent(stage, &["DELETE users"]);
    session.commit()?;
    assert_eq!(session.get_many::<User>([1, 2, 3])?, [None, Some(users[1]), None]);
    session.assert_invariants();
    session.rollback()
}

/// Those that are expired come with one SELECT.
pub fn edit_many<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let mut users = session.add_all(["ann", "bob", "carol"].map(User::new));
    session.commit()?;
    stage.sent.clear();
    users.reverse();
    for (user, name) in session.edit_many(&users)?.into_iter().zip(["c", "b", "a"]) {
        user.name = format!("{name} {}", user.name);
    }
    expect_sent(stage, &["SELECT users"]);
    assert_eq!(session[users[0]].name, "c carol");
    let twice = session
        .edit_many(&[users[0], users[1], users[0]])
        .map(drop)
        .expect_err("it is one object");
    assert!(twice.to_string().contains("the same User"), "{twice}");
    session.flush()?;
    session.expunge(users[1])?;
    let stale = session.edit_many(&users).map(drop).expect_err("one has left");
    assert!(stale.is_stale_entity(), "{stale}");
    assert_eq!(session.dirty::<User>(), [], "none is marked");
    assert!(session.edit_many::<User>(&[])?.is_empty());
    session.assert_invariants();
    session.commit()
}

pub fn refresh<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(User::new("ann"));
    session.refresh(ann)?; // what is pending is written first
    session.edit(ann)?.name = "anna".into();
    stage.sent.clear();
    session.refresh(ann)?;
    expect_sent(stage, &["UPDATE users", "SELECT users"]);
    assert_eq!(session[ann].name, "anna");
    session.no_autoflush(|session| {
        session.edit(ann)?.name = "given up".into();
        session.refresh(ann)
    })?;
    assert_eq!((session[ann].name.as_str(), session.is_modified(ann)), ("anna", false));
    let bob = session.add(User::new("bob"));
    let refused = session
        .no_autoflush(|session| session.refresh(bob))
        .expect_err("it has no row");
    assert!(refused.to_string().contains("User (no key yet)"), "{refused}");
    assert!(session.expire(bob).is_err());
    session.commit()?;
    elsewhere(stage, "DELETE FROM users WHERE id = 1")?;
    let gone = session.refresh(ann).expect_err("its row is gone");
    assert!(
        gone.is_not_found() && gone.to_string().contains("User with key 1"),
        "{gone}"
    );
    assert!(!session.contains(ann));
    session.assert_invariants();
    session.rollback()
}
