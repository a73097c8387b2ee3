//! Keys that the database makes, learned for many rows at once.

use std::collections::HashSet;

use aludel::Flavour;
use aludel::prelude::*;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::C;
use super::ground::{GENERATED, Ground};

diesel::table! { parcels (id) { id -> Integer, label -> Text, weight -> Nullable<Integer>, } }

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = parcels)]
pub(super) struct Parcel {
    pub(super) id: i32,
    pub(super) label: String,
    pub(super) weight: Option<i32>,
}

pub(super) fn parcel(number: i32) -> Parcel {
    Parcel {
        id: 0,
        label: format!("parcel {number}"),
        weight: (number % 3 != 0).then_some(number),
    }
}

pub(super) fn parcels(name: &str) -> Ground {
    parcels_with(name, |builder| builder)
}

fn parcels_with(name: &str, options: impl FnOnce(aludel::EngineBuilder<C>) -> aludel::EngineBuilder<C>) -> Ground {
    let schema = format!("CREATE TABLE parcels (id {GENERATED}, label VARCHAR(40) NOT NULL, weight INTEGER);");
    Ground::open_with(name, &schema, options)
}

/// What a trigger does beside each INSERT: rows of its own, in the same table where the database allows it, with keys in between.
fn trigger() -> &'static str {
    match C::FLAVOUR {
        Flavour::Sqlite => {
            "CREATE TRIGGER twins AFTER INSERT ON parcels WHEN NEW.label LIKE 'parcel %7' BEGIN \
             INSERT INTO parcels (label) VALUES ('twin of ' || NEW.label); END;"
        }
        Flavour::MySql => {
            "CREATE TABLE seen (id INTEGER AUTO_INCREMENT PRIMARY KEY, label VARCHAR(40)); \
             CREATE TRIGGER twins AFTER INSERT ON parcels FOR EACH ROW INSERT INTO seen (label) VALUES (NEW.label);"
        }
        _ => {
            "CREATE FUNCTION twin() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO parcels (label) VALUES ('twin of ' || NEW.label); RETURN NULL; END $$; \
             CREATE TRIGGER twins AFTER INSERT ON parcels FOR EACH ROW WHEN (NEW.label LIKE 'parcel %7') \
             EXECUTE FUNCTION twin();"
        }
    }
}

/// Inserts 5,000 in no order, and compares each key with what stands beside it in the table.
fn insert_and_compare(ground: &Ground) -> aludel::Result<()> {
    let mut numbers: Vec<i32> = (0..5_000).collect();
    fastrand::Rng::with_seed(5).shuffle(&mut numbers);
    let mut session = ground.engine.session();
    let handles: Vec<_> = numbers.iter().map(|&number| session.add(parcel(number))).collect();
    session.flush()?;
    let keys: HashSet<i32> = handles.iter().map(|&handle| session[handle].id).collect();
    assert_eq!(keys.len(), 5_000);
    let rows: Vec<Parcel> = parcels::table.select(Parcel::as_select()).load(&mut session)?;
    let rows: std::collections::HashMap<i32, Parcel> = rows.into_iter().map(|row| (row.id, row)).collect();
    for (&number, &handle) in numbers.iter().zip(&handles) {
        let ours = session.read(handle)?;
        assert_eq!(rows[&ours.id], *ours);
        assert_eq!(ours.label, format!("parcel {number}"));
    }
    session.commit()
}

#[test]
fn five_thousand_shuffled_rows_each_learn_their_key() -> aludel::Result<()> {
    let ground = parcels("learn_keys");
    insert_and_compare(&ground)?;
    let inserts = ground.sent().iter().filter(|line| line.starts_with("INSERT")).count();
    assert_eq!(inserts, 5_000 / ground.engine.insertmanyvalues_page_size());
    Ok(())
}

#[test]
fn five_thousand_rows_of_a_table_with_a_trigger_each_learn_their_key() -> aludel::Result<()> {
    let ground = parcels("learn_keys_beside_a_trigger");
    ground.outside().batch_execute(trigger())?;
    insert_and_compare(&ground)
}

#[test]
fn a_trigger_that_gives_keys_of_its_own_is_noticed() -> aludel::Result<()> {
    let trigger = match C::FLAVOUR {
        // Nothing of SQLite's can change a row before it is inserted.
        Flavour::Sqlite => return insert_and_compare(&parcels("keys_of_its_own")),
        Flavour::MySql => {
            "CREATE TABLE given (number INTEGER); INSERT INTO given VALUES (100000); \
             CREATE TRIGGER own_keys BEFORE INSERT ON parcels FOR EACH ROW BEGIN \
             UPDATE given SET number = number - 3; SET NEW.id = (SELECT number FROM given); END"
        }
        _ => {
            "CREATE SEQUENCE given INCREMENT -3 START 100000 MINVALUE 1 MAXVALUE 100000; \
             CREATE FUNCTION give() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.id := nextval('given'); RETURN NEW; END $$; \
             CREATE TRIGGER own_keys BEFORE INSERT ON parcels FOR EACH ROW EXECUTE FUNCTION give();"
        }
    };
    let ground = parcels("keys_of_its_own");
    ground.outside().batch_execute(trigger)?;
    if C::FLAVOUR == Flavour::PostgreSql {
        return insert_and_compare(&ground);
    }
    // MariaDB does not tell which keys those are.
    let mut session = ground.engine.session();
    for number in 0..10 {
        session.add(parcel(number));
    }
    let error = session.commit().expect_err("nobody knows the keys");
    let text = error.to_string();
    assert!(
        text.contains("no key for a row of Parcel") && text.contains("trigger"),
        "{text}"
    );
    assert_eq!(error.outcome(), Some(aludel::Outcome::RolledBack));
    Ok(())
}

#[test]
fn without_returning_each_row_is_asked_for_its_key() -> aludel::Result<()> {
    let ground = parcels_with("without_returning", |builder| builder.implicit_returning(false));
    let mut session = ground.engine.session();
    let handles = [session.add(parcel(1)), session.add(parcel(2)), session.add(parcel(4))];
    session.flush()?;
    assert_eq!(handles.map(|handle| session[handle].id), [1, 2, 3]);
    session.commit()?;
    assert_eq!(ground.sent(), ["INSERT INTO parcels (label, weight) VALUES (?, ?)"; 3]);
    Ok(())
}

#[test]
fn pages_are_as_long_as_the_engine_says() -> aludel::Result<()> {
    let ground = parcels_with("pages", |builder| builder.insertmanyvalues_page_size(4));
    let mut session = ground.engine.session();
    let handles: Vec<_> = (1..=10).map(|number| session.add(parcel(number * 3 + 1))).collect();
    session.flush()?;
    for &handle in &handles {
        session.edit(handle)?.weight = None;
    }
    session.flush()?;
    for &handle in &handles {
        session.delete(handle)?;
    }
    session.commit()?;
    let sent = ground.sent();
    let count = |verb: &str| sent.iter().filter(|line| line.starts_with(verb)).count();
    assert_eq!(
        (count("INSERT"), count("UPDATE"), count("DELETE")),
        (3, 3, 3),
        "{sent:#?}"
    );
    Ok(())
}

// ---- keys that the program makes, and keys that change --------------------------------------------------------
