//! What becomes of the children of a row that is deleted.

use aludel::prelude::*;
use aludel::{ObjectState, SessionFactory};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

use super::C;
use super::ground::{GENERATED, Ground};

diesel::table! { firms (id) { id -> Integer, name -> Text, } }
diesel::table! { banks (id) { id -> Integer, name -> Text, } }
diesel::table! { clubs (id) { id -> Integer, name -> Text, } }
diesel::table! { rooms (id) { id -> Integer, name -> Text, } }
diesel::table! {
    people (id) {
        id -> Integer,
        name -> Text,
        firm_id -> Nullable<Integer>,
        bank_id -> Nullable<Integer>,
        club_id -> Nullable<Integer>,
        room_id -> Nullable<Integer>,
        version -> Integer,
    }
}
diesel::table! { pets (id) { id -> Integer, person_id -> Integer, } }

/// Its people go with it: the database sees to that.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = firms)]
struct Firm {
    id: i32,
    name: String,
}

/// The database does not let go of it while it has people.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = banks)]
struct Bank {
    id: i32,
    name: String,
}

/// Its people go with it: we see to that.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = clubs)]
#[model(has_many(Person, on_delete = "cascade"))]
struct Club {
    id: i32,
    name: String,
}

/// Its people are left without one.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = rooms)]
#[model(has_many(Person, on_delete = "set_null"))]
struct Room {
    id: i32,
    name: String,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, Default, PartialEq)]
#[diesel(table_name = people)]
struct Person {
    id: i32,
    name: String,
    #[model(belongs_to = Firm)]
    firm_id: Option<i32>,
    #[model(belongs_to = Bank)]
    bank_id: Option<i32>,
    #[model(belongs_to = Club)]
    club_id: Option<i32>,
    #[model(belongs_to = Room)]
    room_id: Option<i32>,
    #[model(version)]
    version: i32,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = pets)]
struct Pet {
    id: i32,
    #[model(belongs_to = Person)]
    person_id: i32,
}

fn ground(name: &str) -> Ground {
    let mut schema = String::new();
    for parent in ["firms", "banks", "clubs", "rooms"] {
        schema += &format!("CREATE TABLE {parent} (id {GENERATED}, name VARCHAR(40) NOT NULL);");
    }
    schema += &format!(
        "CREATE TABLE people (id {GENERATED}, name VARCHAR(40) NOT NULL, firm_id INTEGER, bank_id INTEGER, club_id INTEGER, \
         room_id INTEGER, version INTEGER NOT NULL, \
         FOREIGN KEY (firm_id) REFERENCES firms (id) ON DELETE CASCADE, FOREIGN KEY (bank_id) REFERENCES banks (id), \
         FOREIGN KEY (club_id) REFERENCES clubs (id), FOREIGN KEY (room_id) REFERENCES rooms (id)); \
         CREATE TABLE pets (id {GENERATED}, person_id INTEGER NOT NULL, \
         FOREIGN KEY (person_id) REFERENCES people (id) ON DELETE CASCADE);"
    );
    Ground::open(name, &schema)
}

type Session = aludel::Session<C>;

fn name() -> String {
    "Ann".to_owned()
}

/// Three people of one parent, the last one with a pet; committed, and nothing of it counted.
fn family<P>(
    ground: &Ground,
    session: &mut Session,
    parent: P,
) -> aludel::Result<(Entity<P>, Vec<Entity<Person>>, Entity<Pet>)>
where
    P: aludel::Persist<<C as diesel::Connection>::Backend>,
    Person: aludel::BelongsTo<P>,
{
    let parent = session.add(parent);
    let mut children = Vec::new();
    for name in ["Ann", "Bob", "Cid"] {
        let name = name.to_owned();
        children.push(session.add_to(
            parent,
            Person {
                name,
                ..Person::default()
            },
        )?);
    }
    let pet = session.add_to(children[2], Pet { id: 0, person_id: 0 })?;
    session.commit()?;
    ground.done();
    Ok((parent, children, pet))
}

fn count(session: &mut Session) -> aludel::Result<i64> {
    Ok(people::table.count().get_result(session)?)
}

#[test]
fn basic() -> aludel::Result<()> {
    let ground = ground("deletes_basic");
    let mut session = ground.engine.session();
    let (firm, people, pet) = family(&ground, &mut session, Firm { id: 0, name: name() })?;
    let stranger = session.add(Person {
        name: name(),
        ..Person::default()
    });
    session.flush()?;
    // Two of them and the pet are loaded.
    session.read(people[1])?;
    session.read(people[2])?;
    session.read(pet)?;
    ground.done();
    session.delete(firm)?;
    session.flush()?;
    ground.expect_done(&["DELETE firms WHERE id"]);
    for &person in &people {
        assert!(
            session
                .read(person)
                .expect_err("the database has deleted it")
                .is_not_found()
        );
    }
    assert!(session.read(pet).expect_err("and its pet").is_not_found());
    ground.done();
    // Who has another parent is not read again.
    assert_eq!(session.read(stranger)?.name, "Ann");
    ground.expect_done(&[]);
    session.commit()?;
    assert_eq!(count(&mut session)?, 1);
    Ok(())
}

#[test]
fn extra_passive() -> aludel::Result<()> {
    let ground = ground("deletes_extra_passive");
    let mut session = ground.engine.session();
    let (firm, people, _) = family(&ground, &mut session, Firm { id: 0, name: name() })?;
    session.children(firm, Person::FIRM_ID)?;
    session.edit(people[0])?.name.push('e');
    ground.done();
    session.delete(firm)?;
    session.commit()?;
    ground.expect_done(&[
        "UPDATE people SET name, version WHERE id, version",
        "DELETE firms WHERE id",
    ]);
    assert_eq!(count(&mut session)?, 0);
    Ok(())
}

#[test]
fn extra_passive_2() -> aludel::Result<()> {
    let ground = ground("deletes_extra_passive_2");
    let mut session = ground.engine.session();
    let (bank, people, _) = family(&ground, &mut session, Bank { id: 0, name: name() })?;
    session.read(people[0])?;
    session.delete(bank)?;
    let error = session.flush().expect_err("there is no ON DELETE");
    assert!(error.to_string().to_lowercase().contains("foreign key"), "{error}");
    assert!(session.flush().expect_err("the transaction is lost").is_doomed());
    session.rollback()?;
    assert_eq!(session.state(bank), ObjectState::Persistent);
    let id = session.read(bank)?.id;
    assert_eq!(session.read(people[0])?.bank_id, Some(id));
    assert_eq!(session.children(bank, Person::BANK_ID)?, people);
    Ok(())
}

#[test]
fn update_deleted_on_rollback_cascade() -> aludel::Result<()> {
    let ground = ground("deletes_cascade");
    let mut session = ground.engine.session();
    let (club, people, pet) = family(&ground, &mut session, Club { id: 0, name: name() })?;
    session.read(people[1])?;
    ground.done();
    session.delete(club)?;
    session.flush()?;
    ground.expect_done(&[
        "SELECT people WHERE club_id",
        "DELETE people WHERE id AND version x 3",
        "DELETE clubs WHERE id",
    ]);
    assert!(
        people
            .iter()
            .all(|&person| session.state(person) == ObjectState::Deleted)
    );
    assert!(
        session
            .read(pet)
            .expect_err("the database has deleted it")
            .is_not_found()
    );
    session.rollback()?;
    assert_eq!(session.state(club), ObjectState::Persistent);
    assert_eq!(session.children(club, Person::CLUB_ID)?, people);
    session.delete(club)?;
    session.commit()?;
    assert_eq!(count(&mut session)?, 0);
    Ok(())
}

#[test]
fn a_cascade_compares_the_versions_of_the_children() -> aludel::Result<()> {
    let ground = ground("deletes_cascade_version");
    let mut session = ground.engine.session();
    let (club, people, _) = family(&ground, &mut session, Club { id: 0, name: name() })?;
    let [club, person] = [session.read(club)?.id, session.read(people[1])?.id];
    session.close()?;
    let mut session = ground.engine.session();
    let club = session.attach(Club { id: club, name: name() })?;
    let bob = session.attach(Person {
        id: person,
        name: "Bob".to_owned(),
        club_id: Some(1),
        version: 1,
        ..Person::default()
    })?;
    ground
        .outside()
        .batch_execute("UPDATE people SET version = 7 WHERE name = 'Bob'")?;
    session.edit(bob)?;
    session.delete(club)?;
    let error = session.flush().expect_err("somebody else has changed one of them");
    assert!(error.is_version_conflict(), "{error}");
    assert!(
        error.to_string().contains("Person 2") && error.to_string().contains("expected version 1, found 7"),
        "{error}"
    );
    Ok(())
}

/// A value that a commit has left behind does not say whose child it is now.
#[test]
fn a_cascade_goes_by_the_rows_and_not_by_kept_values() -> aludel::Result<()> {
    let ground = ground("deletes_cascade_kept");
    let mut session = SessionFactory::new(&ground.engine).expire_on_commit(false).session();
    let (club, _, _) = family(&ground, &mut session, Club { id: 0, name: name() })?;
    let second = session.add(Club { id: 0, name: name() });
    session.commit()?;
    ground
        .outside()
        .batch_execute("UPDATE people SET club_id = 2, version = version + 1 WHERE name = 'Bob'")?;
    session.delete(club)?;
    session.commit()?;
    let names: Vec<String> = people::table.select(people::name).load(&mut session)?;
    assert_eq!(names, ["Bob"]);
    assert_eq!(session.children(second, Person::CLUB_ID)?.len(), 1);
    Ok(())
}

/// Children of a pending parent's row that never was, and children that are not written yet.
#[test]
fn pending_children_of_a_deleted_parent_are_forgotten() -> aludel::Result<()> {
    let ground = ground("deletes_cascade_pending");
    let mut session = ground.engine.session();
    let (club, _, _) = family(&ground, &mut session, Club { id: 0, name: name() })?;
    let new = session.add_to(
        club,
        Person {
            name: name(),
            ..Person::default()
        },
    )?;
    session.delete(club)?;
    session.commit()?;
    assert!(session.read(new).expect_err("it was never written").is_stale_entity());
    assert_eq!(count(&mut session)?, 0);
    Ok(())
}

#[test]
fn o2m_delete_parent() -> aludel::Result<()> {
    let ground = ground("deletes_set_null");
    let mut session = ground.engine.session();
    let (room, people, _) = family(&ground, &mut session, Room { id: 0, name: name() })?;
    // One that is loaded and edited, one that is loaded, one that is not.
    session.read(people[1])?;
    session.edit(people[0])?.name.push('e');
    ground.done();
    session.delete(room)?;
    session.flush()?;
    ground.expect_done(&[
        "SELECT people WHERE room_id",
        "UPDATE people SET name, room_id, version WHERE id, version",
        "UPDATE people SET room_id, version WHERE id, version",
        "UPDATE people SET room_id, version WHERE id, version",
        "DELETE rooms WHERE id",
    ]);
    for &person in &people {
        let person = session.read(person)?;
        assert_eq!((person.room_id, person.version), (None, 2));
    }
    session.rollback()?;
    assert_eq!(session.children(room, Person::ROOM_ID)?, people);
    assert_eq!(session.read(people[0])?.name, "Ann");
    Ok(())
}

/// Whoever moves to another parent is no child of the one that is deleted, also where the other one has no key yet.
#[test]
fn child_move_2() -> aludel::Result<()> {
    let ground = ground("deletes_child_move_2");
    let mut session = ground.engine.session();
    let (club, members, _) = family(&ground, &mut session, Club { id: 0, name: name() })?;
    let (room, guests, _) = family(&ground, &mut session, Room { id: 0, name: name() })?;
    let (firm, workers, _) = family(&ground, &mut session, Firm { id: 0, name: name() })?;
    let second = (
        session.add(Club { id: 0, name: name() }),
        session.add(Room { id: 0, name: name() }),
        session.add(Firm { id: 0, name: name() }),
    );
    session.set_parent(members[0], Person::CLUB_ID, second.0)?;
    session.set_parent(guests[0], Person::ROOM_ID, second.1)?;
    session.set_parent(workers[0], Person::FIRM_ID, second.2)?;
    session.delete(club)?;
    session.delete(room)?;
    session.delete(firm)?;
    session.commit()?;
    assert_eq!(session.children(second.0, Person::CLUB_ID)?, [members[0]]);
    assert_eq!(session.children(second.1, Person::ROOM_ID)?, [guests[0]]);
    assert_eq!(session.children(second.2, Person::FIRM_ID)?, [workers[0]]);
    assert_eq!(
        count(&mut session)?,
        5,
        "one of the club, all of the room, one of the firm"
    );
    Ok(())
}

#[test]
fn savepoint_rollback_collections() -> aludel::Result<()> {
    let ground = ground("deletes_savepoint_rollback");
    let mut session = ground.engine.session();
    let (club, people, _) = family(&ground, &mut session, Club { id: 0, name: name() })?;
    let undone: aludel::Result<()> = session.begin_nested(|nested| {
        let new = nested.add_to(
            club,
            Person {
                name: name(),
                ..Person::default()
            },
        )?;
        nested.clear_parent(people[0], Person::CLUB_ID)?;
        nested.delete(people[1])?;
        assert_eq!(nested.children(club, Person::CLUB_ID)?, [people[2], new]);
        Err(aludel::Error::other("no"))
    });
    assert!(undone.is_err());
    assert_eq!(session.children(club, Person::CLUB_ID)?, people);
    session.commit()?;
    assert_eq!(count(&mut session)?, 3);
    Ok(())
}

#[test]
fn savepoint_commit_collections() -> aludel::Result<()> {
    let ground = ground("deletes_savepoint_commit");
    let mut session = ground.engine.session();
    let (club, people, _) = family(&ground, &mut session, Club { id: 0, name: name() })?;
    for keeps in [false, true] {
        let new = session.begin_nested(|nested| {
            let new = nested.add_to(
                club,
                Person {
                    name: name(),
                    ..Person::default()
                },
            )?;
            nested.clear_parent(people[0], Person::CLUB_ID)?;
            nested.delete(people[1])?;
            Ok(new)
        })?;
        assert_eq!(session.children(club, Person::CLUB_ID)?, [people[2], new]);
        if keeps {
            session.commit()?;
            assert_eq!(session.children(club, Person::CLUB_ID)?, [people[2], new]);
        } else {
            session.rollback()?;
            assert_eq!(session.children(club, Person::CLUB_ID)?, people);
            assert!(session.read(new).unwrap_err().is_stale_entity());
        }
    }
    assert_eq!(count(&mut session)?, 3);
    Ok(())
}

/// The row stays, and those who were its children go: they were the old object's. What was given to the new one is written.
#[test]
fn a_row_switch_of_a_parent_lets_go_of_the_children_of_the_old_one() -> aludel::Result<()> {
    let ground = ground("deletes_switch");
    let mut session = ground.engine.session();
    let (club, people, _) = family(&ground, &mut session, Club { id: 0, name: name() })?;
    let key = session.read(club)?.id;
    session.delete(club)?;
    let new = session.add(Club {
        id: key,
        name: "new".to_owned(),
    });
    let child = session.add_to(
        new,
        Person {
            name: name(),
            ..Person::default()
        },
    )?;
    ground.done();
    session.commit()?;
    ground.expect_done(&[
        "SELECT people WHERE club_id",
        "UPDATE clubs SET name WHERE id",
        "INSERT people (name, firm_id, bank_id, club_id, room_id, version)",
        "DELETE people WHERE id AND version x 3",
    ]);
    assert_eq!(session.children(new, Person::CLUB_ID)?, [child]);
    assert_eq!(people.len(), 3);
    Ok(())
}
