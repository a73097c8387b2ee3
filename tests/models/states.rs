//! What objects are to their session; the rest is in `tests/support/models/states.rs`.

use aludel::prelude::*;
use aludel::{ObjectState, SessionFactory};
use diesel::prelude::*;

use super::ground::{GENERATED, Ground};

diesel::table! { users (id) { id -> Integer, name -> Text, } }
diesel::table! { addresses (id) { id -> Integer, user_id -> Nullable<Integer>, email -> Text, } }

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

/// Ann and Bob.
fn users_of(name: &str) -> Ground {
    let schema = format!(
        "CREATE TABLE users (id {GENERATED}, name VARCHAR(40) NOT NULL); \
         CREATE TABLE addresses (id {GENERATED}, user_id INTEGER, email VARCHAR(40) NOT NULL, \
           FOREIGN KEY (user_id) REFERENCES users (id)); \
         INSERT INTO users (name) VALUES ('ann'), ('bob');"
    );
    Ground::open(name, &schema)
}

/// A row that is there already is not written over: the database refuses, and the object that was there stays as it was.
#[test]
fn internal_identity_conflict_warning_weak() -> aludel::Result<()> {
    let ground = users_of("identity_conflict");
    let mut session = ground.engine.session();
    let ann = session.get_one::<User>(1)?;
    let other = session.add(User { id: 1, ..user("other") });
    assert_ne!(ann, other);
    let refused = session.flush().expect_err("the key is taken");
    assert!(refused.as_diesel().is_some(), "{refused}");
    assert!(session.is_doomed());
    session.rollback()?;
    assert_eq!(
        (session.state(ann), session.state(other)),
        (ObjectState::Persistent, ObjectState::Detached)
    );
    assert_eq!(session.read(ann)?.name, "ann");
    session.assert_invariants();
    Ok(())
}

/// Two new objects with one key are two objects until the database refuses the second one.
#[test]
fn no_double_save() -> aludel::Result<()> {
    let ground = users_of("double_save");
    let mut session = ground.engine.session();
    let new = User { id: 7, ..user("carol") };
    let (one, two) = (session.add(new.clone()), session.add(new));
    assert_ne!(one, two);
    assert!(session.flush().is_err());
    session.rollback()?;
    assert!(session.objects().is_empty());
    assert_eq!(session.get::<User>(7)?, None);
    session.assert_invariants();
    Ok(())
}

#[test]
fn active_flag_autobegin() -> aludel::Result<()> {
    let ground = users_of("active_flag");
    let mut session = ground.engine.session();
    assert_eq!((session.in_transaction(), session.is_doomed()), (false, false));
    session.flush()?; // nothing to write begins nothing
    assert!(!session.in_transaction());
    let ann = session.get_one::<User>(1)?;
    assert!(session.in_transaction());
    session.add(User { id: 1, ..user("other") });
    session.flush().expect_err("the key is taken");
    assert_eq!((session.in_transaction(), session.is_doomed()), (true, true));
    assert!(session.get::<User>(2).is_err());
    session.rollback()?;
    assert_eq!((session.in_transaction(), session.is_doomed()), (false, false));
    assert_eq!(session.read(ann)?.name, "ann");
    Ok(())
}

/// Nothing hangs on a parent; a child of one that has left before it was written is refused.
#[test]
fn expunge_cascade() -> aludel::Result<()> {
    let ground = users_of("expunge_cascade");
    let mut session = ground.engine.session();
    let ann = session.get_one::<User>(1)?;
    let home = session.add_to(ann, address("ann@home"))?;
    session.commit()?;
    let bob = session.get_one::<User>(2)?;
    session.set_parent(home, Address::USER_ID, bob)?;
    session.flush()?;
    assert_eq!(session.read(home)?.user_id, Some(2));
    session.rollback()?;
    assert_eq!(session.read(home)?.user_id, Some(1));
    session.expunge(ann)?;
    assert!(session.contains(home));

    let carol = session.add(user("carol"));
    let child = session.add_to(carol, address("carol@home"))?;
    session.expunge(carol)?;
    let refused = session.flush().expect_err("it has no parent");
    let text = refused.to_string();
    assert!(text.contains("Address") && text.contains("User"), "{text}");
    session.rollback()?;
    assert_eq!(session.state(child), ObjectState::Detached);
    session.assert_invariants();
    Ok(())
}

/// A flush obeys what the factory says of transactions: one that may only read is told by the database that it may not write.
#[test]
fn execution_options_flush_and_execute() -> aludel::Result<()> {
    let ground = users_of("flush_and_execute");
    let mut session = SessionFactory::new(&ground.engine).read_only().session();
    session.add(user("carol"));
    let refused = session.flush().expect_err("it may only read");
    assert!(refused.as_diesel().is_some(), "{refused}");
    session.rollback()?;
    assert_eq!(users::table.count().get_result::<i64>(&mut session)?, 2);
    Ok(())
}

/// A session says what it holds and where it stands, and never a value.
#[test]
fn a_session_in_words() -> aludel::Result<()> {
    let ground = users_of("in_words");
    let mut session = ground.engine.session();
    assert!(
        format!("{session:?}").contains("transaction: none, objects: {}"),
        "{session:?}"
    );
    let ann = session.get_one::<User>(1)?;
    session.edit(ann)?.name = "secret".to_owned();
    session.add(address("ann@secret"));
    let words = format!("{session:?}");
    assert!(
        words.contains("transaction: open, objects: {\"User\": 1, \"Address\": 1}"),
        "{words}"
    );
    assert!(words.contains("waiting: unflushed changes of User, Address"), "{words}");
    session.begin_nested(|nested| {
        assert!(format!("{nested:?}").contains("open, with 1 savepoint"), "{nested:?}");
        Ok(())
    })?;
    assert!(!words.contains("secret"), "{words}");
    let doomed = session.add(User { id: 1, ..user("other") });
    assert!(session.flush().is_err());
    assert!(format!("{session:?}").contains("doomed by: "), "{session:?}");
    session.rollback()?;
    assert_eq!(session.state(doomed), ObjectState::Detached);
    Ok(())
}

/// Rolled back savepoints put states back, and released ones keep them.
#[test]
fn states_follow_savepoints() -> aludel::Result<()> {
    let ground = users_of("savepoints");
    let mut session = ground.engine.session();
    let (ann, bob) = (session.get_one::<User>(1)?, session.get_one::<User>(2)?);
    let mut carol = None;
    session
        .begin_nested(|session| {
            session.delete(ann)?;
            carol = Some(session.add(user("carol")));
            session.edit(bob)?.name = "bobby".to_owned();
            session.flush()?;
            Err::<(), _>(aludel::Error::other("no"))
        })
        .expect_err("it says so");
    let carol = carol.expect("it was added");
    assert_eq!(
        (session.state(ann), session.state(carol)),
        (ObjectState::Persistent, ObjectState::Detached)
    );
    assert_eq!(session.read(ann)?.name, "ann");
    assert_eq!(session.read(bob)?.name, "bob");
    session.begin_nested(|session| {
        session.delete(ann)?;
        Ok(())
    })?;
    assert_eq!(session.state(ann), ObjectState::Deleted);
    session.rollback()?;
    assert_eq!(session.state(ann), ObjectState::Persistent);
    session.assert_invariants();
    Ok(())
}
