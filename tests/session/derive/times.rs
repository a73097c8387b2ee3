//! Times that a flush writes, and one struct that has everything.

use std::time::Duration;

use aludel::clock::{Clock, TestClock};
use aludel::prelude::*;
use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

use super::{AuthorId, Kind};

diesel::table! {
    posts (id) {
        id -> Integer,
        text -> Text,
        created_at -> Timestamp,
        published_at -> Nullable<TimestamptzSqlite>,
        updated_at -> TimestamptzSqlite,
        deleted_at -> Nullable<Timestamp>,
    }
}
diesel::table! {
    everything (tenant, id) {
        tenant -> Text,
        id -> Text,
        kind -> Text,
        #[sql_name = "select"]
        selected -> Bool,
        author_id -> Nullable<Integer>,
        score -> Double,
        rank -> Integer,
        doubled -> Integer,
        version -> BigInt,
        left -> Integer,
        right -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        deleted_at -> Nullable<Timestamp>,
    }
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq, Default)]
#[diesel(table_name = posts)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite))]
struct Post {
    id: i32,
    text: String,
    #[model(created_at)]
    created_at: NaiveDateTime,
    #[model(created_at)]
    published_at: Option<DateTime<Utc>>,
    #[model(updated_at)]
    updated_at: DateTime<Utc>,
    #[model(soft_delete)]
    deleted_at: Option<NaiveDateTime>,
}

#[derive(Embedded, Queryable, Selectable, Clone, Debug, PartialEq, Default)]
#[diesel(table_name = everything)]
struct Span {
    left: i32,
    right: i32,
    #[model(updated_at)]
    updated_at: NaiveDateTime,
}

fn new_id() -> String {
    "made".to_owned()
}

/// One struct with everything.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = everything)]
#[model(has_many(Everything, on_delete = "database"))]
#[model(belongs_to(Everything, foreign_key(tenant, id)))]
struct Everything {
    #[diesel(embed)]
    span: Span,
    #[model(key)]
    tenant: String,
    #[model(key, default = new_id)]
    id: String,
    r#kind: Kind,
    #[diesel(column_name = selected)]
    r#select: bool,
    #[model(belongs_to = super::Author)]
    author_id: Option<AuthorId>,
    score: f64,
    #[model(server_default)]
    rank: i32,
    #[model(read_only)]
    doubled: i32,
    #[model(version)]
    version: i64,
    #[model(created_at)]
    created_at: NaiveDateTime,
    #[model(soft_delete)]
    deleted_at: Option<NaiveDateTime>,
}

fn session(tables: &str) -> aludel::Result<(Session<SqliteConnection>, TestClock)> {
    let (clock, test) = Clock::test();
    let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
        .clock(clock)
        .build()?;
    let mut session = engine.session();
    session.batch_execute(tables)?;
    Ok((session, test))
}

/// So many seconds after the time with which a test clock begins.
fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(946_684_800 + seconds, 0).expect("a time that there was")
}

#[test]
fn a_flush_says_when_a_row_was_made_changed_and_deleted() -> aludel::Result<()> {
    let (mut session, clock) = session(
        "CREATE TABLE posts (id INTEGER PRIMARY KEY, text TEXT NOT NULL, created_at TIMESTAMP NOT NULL, \
         published_at TEXT, updated_at TEXT NOT NULL, deleted_at TIMESTAMP)",
    )?;
    let plain = session.add(Post::default());
    let given = session.add(Post {
        published_at: Some(at(-60)),
        created_at: at(-60).naive_utc(),
        ..Post::default()
    });
    session.flush()?;
    let post = session[plain].clone();
    let times = (
        post.created_at.and_utc(),
        post.published_at,
        post.updated_at,
        post.deleted_at,
    );
    assert_eq!(times, (at(0), Some(at(0)), at(0), None));
    // What is there stays; what cannot be missing is never taken for given.
    assert_eq!(session[given].published_at, Some(at(-60)));
    assert_eq!(session[given].created_at.and_utc(), at(0));

    clock.advance(Duration::from_secs(5));
    session[plain].text = "new".to_owned();
    session.commit()?;
    let post = session.read(plain)?.clone();
    assert_eq!((post.created_at.and_utc(), post.updated_at), (at(0), at(5)));

    clock.advance(Duration::from_secs(5));
    session.delete(plain)?;
    session.commit()?;
    assert_eq!(session.get::<Post>(post.id)?, None);
    let (deleted, updated): (Option<NaiveDateTime>, DateTime<Utc>) = posts::table
        .filter(posts::id.eq(post.id))
        .select((posts::deleted_at, posts::updated_at))
        .first(&mut session)?;
    assert_eq!((deleted, updated), (Some(at(10).naive_utc()), at(10)));
    Ok(())
}

#[test]
fn one_struct_has_everything() -> aludel::Result<()> {
    let (mut session, clock) = session(
        "CREATE TABLE everything (tenant TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, \"select\" BOOLEAN NOT NULL, \
         author_id INTEGER, score DOUBLE NOT NULL, rank INTEGER NOT NULL DEFAULT 7, doubled INTEGER AS (2 * rank), \
         version BIGINT NOT NULL, left INTEGER NOT NULL, right INTEGER NOT NULL, created_at TIMESTAMP NOT NULL, \
         updated_at TIMESTAMP NOT NULL, deleted_at TIMESTAMP, PRIMARY KEY (tenant, id))",
    )?;
    let mut expected = Everything {
        span: Span {
            left: 1,
            right: 2,
            updated_at: NaiveDateTime::default(),
        },
        tenant: "t".to_owned(),
        id: String::new(),
        kind: Kind::Novel,
        select: true,
        author_id: None,
        score: 0.5,
        rank: 0,
        doubled: 0,
        version: 0,
        created_at: NaiveDateTime::default(),
        deleted_at: None,
    };
    let entity = session.add(expected.clone());
    session.flush()?;
    expected.id = "made".to_owned();
    (expected.rank, expected.doubled, expected.version) = (7, 14, 1);
    (expected.created_at, expected.span.updated_at) = (at(0).naive_utc(), at(0).naive_utc());
    assert_eq!(session[entity], expected);

    clock.advance(Duration::from_secs(1));
    session[entity].rank = 8;
    session[entity].span.right = 3;
    session[entity].kind = Kind::Manual;
    session.commit()?;
    (expected.rank, expected.doubled, expected.version) = (8, 16, 2);
    (expected.span.right, expected.kind) = (3, Kind::Manual);
    expected.span.updated_at = at(1).naive_utc();
    assert_eq!(*session.read(entity)?, expected);

    session.delete(entity)?;
    session.commit()?;
    assert_eq!(session.get::<Everything>(("t".to_owned(), "made".to_owned()))?, None);
    assert_eq!(
        Everything::EVERYTHING.get(&expected),
        Some(("t".to_owned(), "made".to_owned()))
    );
    assert_eq!(everything::table.count().get_result::<i64>(&mut session)?, 1);
    Ok(())
}
