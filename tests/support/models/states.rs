//! Transient, pending, persistent, deleted, detached: `SessionStateTest`, `NoCyclesOnTransientDetachedTest`.

use aludel::ObjectState;
use aludel::prelude::*;

use super::{Address, User, elsewhere, expect_sent, session_on};
use crate::account::Account;
use crate::cases::Stage;

/// What was taken out is a plain value; a rollback does not bring it back.
pub fn make_transient<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(User::new("ann"));
    session.commit()?;
    session.edit(ann)?.name = "anna".into();
    let plain = session.detach(ann)?;
    assert_eq!((plain.id, plain.name.as_str()), (1, "anna"));
    session.rollback()?;
    let stale = session.read(ann).expect_err("it has left");
    assert!(
        stale.is_stale_entity() && stale.to_string().contains("User (key 1)"),
        "{stale}"
    );
    let again = session.get_one::<User>(1)?;
    assert_ne!(again, ann);
    assert_eq!(session[again].name, "ann", "it was never written");
    session.delete(again)?;
    session.flush()?;
    session.add(plain);
    session.commit()?;
    let again = session.get_one::<User>(1)?;
    assert_eq!(session.read(again)?.name, "anna");
    session.assert_invariants();
    session.rollback()
}

pub fn make_transient_to_detached<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(Account::new("ann", 5));
    session.commit()?;
    let plain = session.detach(ann)?;
    session.rollback()?;
    stage.sent.clear();
    let ann = session.attach(plain)?;
    assert_eq!(
        (session.state(ann), session.is_modified(ann)),
        (ObjectState::Persistent, false)
    );
    session.edit(ann)?.balance = 6;
    expect_sent(stage, &[]);
    session.commit()?;
    expect_sent(stage, &["UPDATE accounts"]);
    assert_eq!(session.read(ann)?.version, 2);
    session.assert_invariants();
    session.rollback()
}

pub fn make_transient_to_detached_no_session_allowed<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(User::new("ann"));
    session.flush()?;
    let other = User {
        id: 1,
        name: "other".into(),
    };
    let refused = session.attach(other.clone()).expect_err("there is one");
    assert!(refused.to_string().contains("User (key 1)"), "{refused}");
    assert_eq!(session[ann].name, "ann");
    session.delete(ann)?;
    assert!(session.attach(other.clone()).is_err());
    session.expunge(ann)?;
    session.attach(other.clone())?;
    assert!(session.attach(other).is_err(), "`duplicate_update`");
    session.assert_invariants();
    session.rollback()
}

pub fn make_transient_to_detached_no_key_allowed<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let refused = session.attach(User::new("ann")).expect_err("it has no row");
    assert!(refused.to_string().contains("add()"), "{refused}");
    Ok(())
}

pub fn deleted_flag<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(User::new("ann"));
    session.commit()?;
    session.delete(ann)?;
    for flushed in [false, true] {
        assert_eq!(
            (session.state(ann), session.contains(ann)),
            (ObjectState::Deleted, false)
        );
        for refused in [
            session.read(ann).map(drop),
            session.edit(ann).map(drop),
            session.delete(ann),
            session.refresh(ann),
            session.expire(ann),
            session.detach(ann).map(drop),
        ] {
            let refused = refused.expect_err("it is deleted");
            assert!(
                refused.is_stale_entity() && refused.to_string().contains("User (key 1) is deleted in this session"),
                "{flushed}: {refused}"
            );
        }
        session.flush()?;
        session.assert_invariants();
    }
    session.rollback()?;
    assert_eq!(session.state(ann), ObjectState::Persistent);
    assert_eq!(session.read(ann)?.name, "ann");
    session.delete(ann)?;
    session.commit()?;
    assert_eq!(session.state(ann), ObjectState::Detached);
    assert!(
        session
            .read(ann)
            .expect_err("it is gone")
            .to_string()
            .contains("User (key 1)")
    );
    session.assert_invariants();
    Ok(())
}

pub fn add_delete<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(User::new("ann"));
    session.delete(ann)?;
    session.commit()?;
    expect_sent(stage, &[]);
    assert_eq!(session.state(ann), ObjectState::Detached);
    let bob = session.add(User::new("bob"));
    session.flush()?;
    session.delete(bob)?;
    session.commit()?;
    expect_sent(stage, &["INSERT users", "DELETE users"]);
    session.assert_invariants();
    Ok(())
}

pub fn deleted_auto_expunged<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(User::new("ann"));
    session.commit()?;
    session.delete(ann)?;
    session.commit()?;
    assert!(session.objects().is_empty());
    elsewhere(stage, "INSERT INTO users (id, name) VALUES (1, 'other')")?;
    let other = session.get_one::<User>(1)?;
    assert_eq!(session[other].name, "other");
    session.rollback()
}

pub fn explicit_expunge_pending<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(User::new("ann"));
    session.expunge(ann)?;
    session.rollback()?;
    session.commit()?;
    assert_eq!(session.state(ann), ObjectState::Detached);
    let users = session.add_all(["ann", "bob"].map(User::new));
    session.commit()?;
    session.edit(users[0])?.name = "anna".into();
    session.expunge(users[0])?;
    session.delete(users[1])?;
    session.expunge(users[1])?;
    stage.sent.clear();
    session.commit()?;
    expect_sent(stage, &[]);
    assert_eq!(session.get_many::<User>([1, 2])?.iter().flatten().count(), 2);
    session.assert_invariants();
    session.rollback()
}

/// A handle of another session, in every verb.
pub fn already_attached<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
    Address: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let mut other = stage.engine.session();
    let (user, address) = (other.add(User::new("bob")), other.add(Address::new("bob@b")));
    let (ours, own) = (session.add(User::new("ann")), session.add(Address::new("ann@a")));
    let refusals = [
        session.read(user).map(drop),
        session.edit(user).map(drop),
        session.edit_two(ours, user).map(drop),
        session.edit_many(&[ours, user]).map(drop),
        session.delete(user),
        session.refresh(user),
        session.expire(user),
        session.expunge(user),
        session.detach(user).map(drop),
        session.changes(user).map(drop),
        session.set_parent(own, Address::USER_ID, user),
        session.set_parent(address, Address::USER_ID, ours),
        session.clear_parent(address, Address::USER_ID),
        session.parent(address, Address::USER_ID).map(drop),
        session.children(user, Address::USER_ID).map(drop),
        session.add_to(user, Address::new("carol@c")).map(drop),
    ];
    for refused in refusals {
        let refused = refused.expect_err("it is the other's");
        assert!(
            refused.is_stale_entity() && refused.to_string().contains("belongs to another session"),
            "{refused}"
        );
    }
    assert_eq!(session.state(user), ObjectState::Detached);
    assert_eq!(session.pending::<Address>(), [own]);
    session.assert_invariants();
    session.rollback()?;
    other.rollback()
}

/// The lists are one's own, so that the session can be changed while one goes through them.
pub fn identity_map_mutate<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    session.add_all(["ann", "bob", "carol"].map(User::new));
    for user in session.pending::<User>() {
        match session[user].name.as_str() {
            "ann" => session.expunge(user)?,
            "bob" => session.delete(user)?,
            _ => session.edit(user)?.name.push('!'),
        }
    }
    session.flush()?;
    for user in session.dirty::<User>() {
        session.delete(user)?;
    }
    session.commit()?;
    let all = session.get_many::<User>([1, 2, 3])?;
    let names: Vec<&str> = all.iter().flatten().map(|&user| session[user].name.as_str()).collect();
    assert_eq!(names, ["carol!"]);
    session.rollback()
}

/// What is edited before the first flush goes into the INSERT.
pub fn transient_to_pending<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(User::new("ann"));
    assert!(session.is_modified(ann));
    assert_eq!(session.changes(ann)?, ["id", "name"]);
    session.edit(ann)?.name = "anna".into();
    session.commit()?;
    expect_sent(stage, &["INSERT users"]);
    assert!(!session.is_modified(ann));
    assert_eq!(session.read(ann)?.name, "anna");
    session.rollback()
}

/// Nothing of what has left is written: after `expunge`, and after `close`.
pub fn dirty_persistent_to_detached_via_expunge<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    session.add(User::new("ann"));
    session.commit()?;
    for closes in [false, true] {
        let ann = session.get_one::<User>(1)?;
        session.edit(ann)?.name = "anna".into();
        stage.sent.clear();
        if closes {
            session.close()?;
        } else {
            session.expunge(ann)?;
        }
        session.commit()?;
        expect_sent(stage, &[]);
        assert!(session.read(ann).expect_err("it has left").is_stale_entity());
        session.assert_invariants();
    }
    Ok(())
}

/// Attached, edited, deleted: one DELETE, by the version that it was attached with.
pub fn detached_to_dirty_deleted<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(Account::new("ann", 5));
    session.commit()?;
    let plain = session.detach(ann)?;
    session.rollback()?;
    let ann = session.attach(plain.clone())?;
    session.edit(ann)?.balance = 6;
    session.delete(ann)?;
    stage.sent.clear();
    session.commit()?;
    expect_sent(stage, &["DELETE accounts"]);

    session.add(Account {
        version: 0,
        ..plain.clone()
    });
    session.commit()?;
    session.expunge_all();
    let stale = session.attach(Account { version: 3, ..plain })?;
    session.delete(stale)?;
    let conflict = session.commit().expect_err("it has another version");
    assert!(
        conflict.is_version_conflict() && conflict.to_string().contains("expected version 3"),
        "{conflict}"
    );
    session.assert_invariants();
    Ok(())
}

pub fn detached_to_dirty_persistent<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(User::new("ann"));
    session.commit()?;
    let plain = session.detach(ann)?;
    session.rollback()?;
    stage.sent.clear();
    let ann = session.attach(plain.clone())?;
    session.commit()?;
    expect_sent(stage, &[]);
    session.expunge(ann)?;
    let ann = session.attach(plain)?;
    session.edit(ann)?.name = "anna".into();
    session.commit()?;
    expect_sent(stage, &["UPDATE users"]);
    assert_eq!(session.read(ann)?.name, "anna");
    session.rollback()
}

/// From one session to another, on another thread.
pub fn move_persistent_clean<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(User::new("ann"));
    session.commit()?;
    let plain = session.detach(ann)?;
    session.rollback()?;
    let mut other = stage.engine.session();
    std::thread::scope(|scope| {
        let there = scope.spawn(move || {
            let ann = other.attach(plain)?;
            other.edit(ann)?.name = "anna".into();
            other.commit()
        });
        there.join().expect("it does not panic")
    })?;
    assert!(session.read(ann).is_err());
    let ann = session.get_one::<User>(1)?;
    assert_eq!(session[ann].name, "anna");
    session.rollback()
}

/// Also when another object was loaded since.
pub fn a_stale_handle_names_model_and_key<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let users = session.add_all(["ann", "bob", "carol"].map(User::new));
    session.commit()?;
    session.expunge(users[1])?;
    session.get::<User>(2)?;
    session.add(User::new("dora"));
    let stale = session.edit(users[1]).map(drop).expect_err("it has left");
    assert!(
        stale.to_string().contains("User (key 2) names nothing any more"),
        "{stale}"
    );
    session.rollback()
}

/// In a form that one wants to read, and never a value.
pub fn objects_in_words<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
    Address: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    assert!(session.objects().is_empty());
    let users = session.add_all(["ann", "bob", "carol"].map(User::new));
    session.flush()?;
    session.edit(users[0])?.name = "secret".into();
    session.delete(users[1])?;
    session.expire(users[2])?;
    session.add(Address::new("secret"));
    assert_eq!(
        session.objects().to_string(),
        "User 1: persistent, changed: name\n\
         User 2: to be deleted\n\
         User 3: persistent, to be read again\n\
         Address (no key yet): pending\n"
    );
    assert_eq!(session.objects().len(), 4);
    assert!(!format!("{session:?} {:?}", session.objects()).contains("secret"));
    session.rollback()
}
