//! The tables and models of the programs, and what is done with them beside the verbs on objects.

use std::collections::BTreeMap;

use aludel::prelude::*;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

use super::program::Way;
use crate::reruns::Grounds;

diesel::table! {
    /// Versioned, with a key that the database makes, and a name of which there is one.
    writers (id) {
        /// Made by the database.
        id -> Integer,
        /// Unique.
        name -> Text,
        /// Whatever.
        grade -> Nullable<Integer>,
        /// Counted up by each UPDATE of an object.
        version -> Integer,
    }
}

diesel::table! {
    /// With a key that the program makes, and may change.
    topics (name) {
        /// The key.
        name -> Text,
        /// Not NULL in the database, which the model does not know.
        note -> Nullable<Text>,
        /// Whatever.
        weight -> Integer,
    }
}

diesel::table! {
    /// Children of writers, and of each other.
    letters (id) {
        /// Made by the database.
        id -> Integer,
        /// Whatever.
        text -> Text,
        /// Who has written it.
        writer_id -> Nullable<Integer>,
        /// What it answers.
        reply_to -> Nullable<Integer>,
    }
}

/// A row of `writers`. With it go its letters.
#[derive(Model, Queryable, QueryableByName, Selectable, Clone, Debug, PartialEq, Eq)]
#[diesel(table_name = writers)]
#[model(has_many(Letter, on_delete = "cascade"))]
pub struct Writer {
    /// 0 until the database has made it.
    pub id: i32,
    /// Unique.
    pub name: String,
    /// Whatever.
    pub grade: Option<i32>,
    /// Counted up by each UPDATE of an object.
    #[model(version)]
    pub version: i32,
}

/// A row of `topics`.
#[derive(Model, Queryable, QueryableByName, Selectable, Clone, Debug, PartialEq, Eq)]
#[diesel(table_name = topics)]
pub struct Topic {
    /// The key.
    #[model(key)]
    pub name: String,
    /// None is a mistake.
    pub note: Option<String>,
    /// Whatever.
    pub weight: i32,
}

/// A row of `letters`. Without it its answers answer nothing.
#[derive(Model, Queryable, QueryableByName, Selectable, Clone, Debug, PartialEq, Eq)]
#[diesel(table_name = letters)]
#[model(has_many(Letter, on_delete = "set_null"))]
pub struct Letter {
    /// 0 until the database has made it.
    pub id: i32,
    /// Whatever.
    pub text: String,
    /// Who has written it.
    #[model(belongs_to = Writer)]
    pub writer_id: Option<i32>,
    /// What it answers.
    #[model(belongs_to = Letter)]
    pub reply_to: Option<i32>,
}

/// All rows, as somebody sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    pub(super) writers: BTreeMap<i32, Writer>,
    pub(super) topics: BTreeMap<String, Topic>,
    pub(super) letters: BTreeMap<i32, Letter>,
}

impl Tables {
    fn of((writers, topics, letters): (Vec<Writer>, Vec<Topic>, Vec<Letter>)) -> Self {
        Self {
            writers: writers.into_iter().map(|row| (row.id, row)).collect(),
            topics: topics.into_iter().map(|row| (row.name.clone(), row)).collect(),
            letters: letters.into_iter().map(|row| (row.id, row)).collect(),
        }
    }
}

/// A statement beside the objects.
#[derive(Clone, Debug)]
pub enum Plain {
    /// UPDATE of a writer that the version does not notice.
    Grade(i32, Option<i32>),
    /// UPDATE of a writer's version.
    Bump(i32),
    /// UPDATE of a name, which another writer may have.
    Rename(i32, String),
    /// INSERT of a writer with a key of the program's.
    AddWriter(i32, String),
    /// DELETE of a writer, who may have letters.
    RemoveWriter(i32),
    /// UPDATE of a topic.
    Weight(String, i32),
    /// UPDATE of all topics.
    WeightAll(i32),
    /// UPDATE of a key.
    Retitle(String, String),
    /// INSERT of a topic.
    AddTopic(String, i32),
    /// DELETE of a topic.
    RemoveTopic(String),
    /// UPDATE of a letter.
    Text(i32, String),
    /// UPDATE of a letter's foreign key.
    Give(i32, Option<i32>),
    /// DELETE of a letter that may have been answered.
    RemoveLetter(i32),
}

/// A database for programs.
pub trait Library: Grounds {
    /// The tables.
    const TABLES: &'static [&'static str];

    /// What everybody sees.
    ///
    /// # Errors
    ///
    /// Those of the queries.
    fn seen(raw: &mut Self) -> QueryResult<Tables>;

    /// What plain Diesel queries on a session see.
    ///
    /// # Errors
    ///
    /// Those of the queries.
    fn typed(session: &mut Session<Self>) -> QueryResult<Tables>;

    /// What raw SQL on a session sees.
    ///
    /// # Errors
    ///
    /// Those of the queries.
    fn raw(session: &mut Session<Self>) -> QueryResult<Tables>;

    /// A statement on a session.
    ///
    /// # Errors
    ///
    /// Those of the statement.
    fn run(session: &mut Session<Self>, statement: &Plain, way: Way) -> QueryResult<()>;

    /// Writers without a grade, or all, as objects.
    ///
    /// # Errors
    ///
    /// Those of the query.
    fn writers(session: &mut Session<Self>, ungraded: bool) -> aludel::Result<Vec<Entity<Writer>>>;

    /// Topics as heavy as that, or heavier.
    ///
    /// # Errors
    ///
    /// Those of the query.
    fn topics(session: &mut Session<Self>, at_least: i32) -> aludel::Result<Vec<Entity<Topic>>>;

    /// Letters that answer none, or all.
    ///
    /// # Errors
    ///
    /// Those of the query.
    fn letters(session: &mut Session<Self>, first: bool) -> aludel::Result<Vec<Entity<Letter>>>;
}

/// Empties the tables, whoever answers whom.
pub(super) const EMPTY: &str = "UPDATE letters SET reply_to = NULL WHERE reply_to IS NOT NULL; DELETE FROM letters; \
                                DELETE FROM topics; DELETE FROM writers";

impl Plain {
    /// As a text.
    pub(super) fn sql(&self) -> String {
        let number = |value: &Option<i32>| value.map_or_else(|| "NULL".to_owned(), |value| value.to_string());
        match self {
            Self::Grade(id, grade) => format!("UPDATE writers SET grade = {} WHERE id = {id}", number(grade)),
            Self::Bump(id) => format!("UPDATE writers SET version = version + 1 WHERE id = {id}"),
            Self::Rename(id, name) => format!("UPDATE writers SET name = '{name}' WHERE id = {id}"),
            Self::AddWriter(id, name) => {
                format!("INSERT INTO writers (id, name, grade, version) VALUES ({id}, '{name}', NULL, 1)")
            }
            Self::RemoveWriter(id) => format!("DELETE FROM writers WHERE id = {id}"),
            Self::Weight(name, weight) => format!("UPDATE topics SET weight = {weight} WHERE name = '{name}'"),
            Self::WeightAll(weight) => format!("UPDATE topics SET weight = {weight}"),
            Self::Retitle(from, to) => format!("UPDATE topics SET name = '{to}' WHERE name = '{from}'"),
            Self::AddTopic(name, weight) => {
                format!("INSERT INTO topics (name, note, weight) VALUES ('{name}', 'plain', {weight})")
            }
            Self::RemoveTopic(name) => format!("DELETE FROM topics WHERE name = '{name}'"),
            Self::Text(id, text) => format!("UPDATE letters SET text = '{text}' WHERE id = {id}"),
            Self::Give(id, writer) => format!("UPDATE letters SET writer_id = {} WHERE id = {id}", number(writer)),
            Self::RemoveLetter(id) => format!("DELETE FROM letters WHERE id = {id}"),
        }
    }
}

macro_rules! library {
    ($connection:ty) => {
        fn seen(raw: &mut Self) -> QueryResult<Tables> {
            Ok(Tables::of((
                writers::table.load(raw)?,
                topics::table.load(raw)?,
                letters::table.load(raw)?,
            )))
        }

        fn typed(session: &mut Session<Self>) -> QueryResult<Tables> {
            Ok(Tables::of((
                writers::table.load(session)?,
                topics::table.load(session)?,
                letters::table.load(session)?,
            )))
        }

        fn raw(session: &mut Session<Self>) -> QueryResult<Tables> {
            Ok(Tables::of((
                diesel::sql_query("SELECT * FROM writers").load(session)?,
                diesel::sql_query("SELECT * FROM topics").load(session)?,
                diesel::sql_query("SELECT * FROM letters").load(session)?,
            )))
        }

        fn run(session: &mut Session<Self>, statement: &Plain, way: Way) -> QueryResult<()> {
            match way {
                Way::Typed => Self::run_typed(session, statement).map(drop),
                Way::Text => diesel::sql_query(statement.sql()).execute(session).map(drop),
                Way::Batch => session.batch_execute(&statement.sql()),
            }
        }

        fn writers(session: &mut Session<Self>, ungraded: bool) -> aludel::Result<Vec<Entity<Writer>>> {
            let all = writers::table.order(writers::id);
            if ungraded {
                session.query::<Writer, _>(all.filter(writers::grade.is_null()))
            } else {
                session.query::<Writer, _>(all)
            }
        }

        fn topics(session: &mut Session<Self>, at_least: i32) -> aludel::Result<Vec<Entity<Topic>>> {
            let heavy = topics::table
                .filter(topics::weight.ge(at_least))
                .order(topics::name);
            session.query::<Topic, _>(heavy)
        }

        fn letters(session: &mut Session<Self>, first: bool) -> aludel::Result<Vec<Entity<Letter>>> {
            let all = letters::table.order(letters::id);
            if first {
                session.query::<Letter, _>(all.filter(letters::reply_to.is_null()))
            } else {
                session.query::<Letter, _>(all)
            }
        }
    };
}

macro_rules! typed {
    ($connection:ty) => {
        impl Typed for $connection {
            fn run_typed(session: &mut Session<Self>, statement: &Plain) -> QueryResult<usize> {
                match statement {
                    Plain::Grade(id, grade) => diesel::update(writers::table.find(id))
                        .set(writers::grade.eq(grade))
                        .execute(session),
                    Plain::Bump(id) => diesel::update(writers::table.find(id))
                        .set(writers::version.eq(writers::version + 1))
                        .execute(session),
                    Plain::Rename(id, name) => diesel::update(writers::table.find(id))
                        .set(writers::name.eq(name))
                        .execute(session),
                    Plain::AddWriter(id, name) => diesel::insert_into(writers::table)
                        .values((writers::id.eq(id), writers::name.eq(name), writers::version.eq(1)))
                        .execute(session),
                    Plain::RemoveWriter(id) => diesel::delete(writers::table.find(id)).execute(session),
                    Plain::Weight(name, weight) => diesel::update(topics::table.find(name))
                        .set(topics::weight.eq(weight))
                        .execute(session),
                    Plain::WeightAll(weight) => diesel::update(topics::table)
                        .set(topics::weight.eq(weight))
                        .execute(session),
                    Plain::Retitle(from, to) => diesel::update(topics::table.find(from))
                        .set(topics::name.eq(to))
                        .execute(session),
                    Plain::AddTopic(name, weight) => diesel::insert_into(topics::table)
                        .values((
                            topics::name.eq(name),
                            topics::note.eq("plain"),
                            topics::weight.eq(weight),
                        ))
                        .execute(session),
                    Plain::RemoveTopic(name) => diesel::delete(topics::table.find(name)).execute(session),
                    Plain::Text(id, text) => diesel::update(letters::table.find(id))
                        .set(letters::text.eq(text))
                        .execute(session),
                    Plain::Give(id, writer) => diesel::update(letters::table.find(id))
                        .set(letters::writer_id.eq(writer))
                        .execute(session),
                    Plain::RemoveLetter(id) => diesel::delete(letters::table.find(id)).execute(session),
                }
            }
        }
    };
}

/// Statements as Diesel writes them.
trait Typed: Dialect {
    fn run_typed(session: &mut Session<Self>, statement: &Plain) -> QueryResult<usize>;
}

#[cfg(feature = "sqlite")]
impl Library for SqliteConnection {
    const TABLES: &'static [&'static str] = &[
        "CREATE TABLE writers (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, grade INTEGER, version INTEGER NOT NULL)",
        "CREATE TABLE topics (name TEXT PRIMARY KEY NOT NULL, note TEXT NOT NULL, weight INTEGER NOT NULL)",
        "CREATE TABLE letters (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL, writer_id INTEGER REFERENCES writers (id), \
         reply_to INTEGER REFERENCES letters (id))",
    ];

    library!(SqliteConnection);
}

#[cfg(feature = "sqlite")]
typed!(SqliteConnection);

#[cfg(feature = "mysql")]
impl Library for MysqlConnection {
    const TABLES: &'static [&'static str] = &[
        "CREATE TABLE writers (id INTEGER AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) NOT NULL UNIQUE, grade INTEGER, \
         version INTEGER NOT NULL) ENGINE=InnoDB",
        "CREATE TABLE topics (name VARCHAR(40) PRIMARY KEY NOT NULL, note TEXT NOT NULL, weight INTEGER NOT NULL) \
         ENGINE=InnoDB",
        "CREATE TABLE letters (id INTEGER AUTO_INCREMENT PRIMARY KEY, text TEXT NOT NULL, writer_id INTEGER, \
         reply_to INTEGER, FOREIGN KEY (writer_id) REFERENCES writers (id), \
         FOREIGN KEY (reply_to) REFERENCES letters (id)) ENGINE=InnoDB",
    ];

    library!(MysqlConnection);
}

#[cfg(feature = "mysql")]
typed!(MysqlConnection);

#[cfg(feature = "postgres")]
impl Library for PgConnection {
    const TABLES: &'static [&'static str] = &[
        "CREATE TABLE writers (id SERIAL PRIMARY KEY, name TEXT NOT NULL UNIQUE, grade INTEGER, version INTEGER NOT NULL)",
        "CREATE TABLE topics (name TEXT PRIMARY KEY NOT NULL, note TEXT NOT NULL, weight INTEGER NOT NULL)",
        "CREATE TABLE letters (id SERIAL PRIMARY KEY, text TEXT NOT NULL, writer_id INTEGER REFERENCES writers (id), \
         reply_to INTEGER REFERENCES letters (id))",
    ];

    library!(PgConnection);
}

#[cfg(feature = "postgres")]
typed!(PgConnection);
