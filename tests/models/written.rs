//! Columns that the program does not write: those of a flush, and those of the database.

use std::time::Duration;

use aludel::Flavour;
use aludel::clock::Clock;
use aludel::prelude::*;
use chrono::{DateTime, NaiveDateTime};
use diesel::prelude::*;

use super::C;
use super::ground::{GENERATED, Ground};

diesel::table! {
    posts (id) {
        id -> Integer,
        text -> VarChar,
        street -> VarChar,
        city -> Nullable<VarChar>,
        points -> Integer,
        doubled -> Integer,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
        deleted_at -> Nullable<Timestamp>,
    }
}

#[derive(Embedded, Queryable, Selectable, Clone, Debug, PartialEq, Default)]
#[diesel(table_name = posts)]
struct Place {
    street: String,
    city: Option<String>,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq, Default)]
#[diesel(table_name = posts)]
struct Post {
    id: i32,
    text: String,
    #[diesel(embed)]
    place: Place,
    #[model(server_default)]
    points: i32,
    #[model(read_only)]
    doubled: i32,
    #[model(version)]
    version: i32,
    #[model(created_at)]
    created_at: NaiveDateTime,
    #[model(updated_at)]
    updated_at: Option<NaiveDateTime>,
    #[model(soft_delete)]
    deleted_at: Option<NaiveDateTime>,
}

/// So many seconds after the time with which a test clock begins.
fn at(seconds: i64) -> NaiveDateTime {
    let time = DateTime::from_timestamp(946_684_800 + seconds, 0);
    time.expect("a time that there was").naive_utc()
}

#[test]
fn what_a_flush_and_the_database_write_by_themselves_is_in_the_object_and_in_the_row() -> aludel::Result<()> {
    let time = match C::FLAVOUR {
        Flavour::MySql => "DATETIME(6)",
        _ => "TIMESTAMP",
    };
    let schema = format!(
        "CREATE TABLE posts (id {GENERATED}, text VARCHAR(40) NOT NULL, street VARCHAR(40) NOT NULL, city VARCHAR(40), \
         points INTEGER NOT NULL DEFAULT 7, doubled INTEGER GENERATED ALWAYS AS (2 * points) STORED, \
         version INTEGER NOT NULL, created_at {time} NOT NULL, updated_at {time}, deleted_at {time});"
    );
    let (clock, test) = Clock::test();
    let ground = Ground::open_with("written", &schema, |builder| builder.clock(clock));
    let mut session = ground.engine.session();
    let entities = session.add_all((0..5).map(|number| Post {
        text: format!("post {number}"),
        points: number % 2,
        ..Post::default()
    }));
    session.flush()?;
    for (number, entity) in (0..).zip(&entities) {
        let post = &session[*entity];
        let points = if number % 2 == 0 { 7 } else { 1 };
        assert_eq!((post.points, post.doubled, post.version), (points, 2 * points, 1));
        assert_eq!(
            (post.created_at, post.updated_at, post.deleted_at),
            (at(0), Some(at(0)), None)
        );
    }

    test.advance(Duration::from_secs(5));
    for entity in &entities {
        session[*entity].points += 1;
        session[*entity].place.city = Some("Bath".to_owned());
    }
    session.flush()?;
    let changed: Vec<Post> = entities.iter().map(|entity| session[*entity].clone()).collect();
    session.commit()?;
    for (entity, changed) in entities.iter().zip(&changed) {
        assert_eq!(session.read(*entity)?, changed);
        assert_eq!((changed.doubled, changed.version), (2 * changed.points, 2));
        assert_eq!((changed.created_at, changed.updated_at), (at(0), Some(at(5))));
    }

    test.advance(Duration::from_secs(5));
    session.delete(entities[0])?;
    session.commit()?;
    assert_eq!(session.get::<Post>(changed[0].id)?, None);
    let found = session.get_many::<Post>(changed.iter().map(|post| post.id))?;
    assert_eq!(found.iter().filter(|found| found.is_some()).count(), 4);
    let rows: Vec<(i32, Option<NaiveDateTime>)> = posts::table
        .filter(posts::deleted_at.is_not_null())
        .select((posts::id, posts::updated_at))
        .load(&mut *ground.outside())?;
    assert_eq!(rows, [(changed[0].id, Some(at(10)))]);
    Ok(())
}
