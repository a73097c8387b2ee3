//! What `#[derive(Model)]` says of a struct, and what the fragments that are made of it send.

mod embedded;
mod relations;
#[cfg(feature = "chrono")]
mod times;
mod writers;

use aludel::plumbing::{AstPass, Columns, QueryFragment, QueryResult};
use aludel::prelude::*;
use aludel::{BelongsTo, ForeignKey};
use diesel::backend::Backend;
use diesel::connection::SimpleConnection as _;
use diesel::deserialize::{FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::prelude::*;
use diesel::serialize::{Output, ToSql};
use diesel::sql_types::{Integer, Text};
use diesel::sqlite::Sqlite;

diesel::table! { authors (id) { id -> Integer, name -> Text, } }
diesel::table! {
    books (id) {
        id -> Integer,
        title -> Text,
        #[sql_name = "type"]
        kind -> Text,
        author_id -> Integer,
        editor_id -> Nullable<Integer>,
        sequel -> Nullable<Integer>,
        version -> BigInt,
    }
}
diesel::table! { shares (stock, owner) { pieces -> Integer, owner -> Text, stock -> Text, } }

/// A key of a type that only this program knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Integer)]
struct AuthorId(i32);

impl<DB: Backend> ToSql<Integer, DB> for AuthorId
where
    i32: ToSql<Integer, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> diesel::serialize::Result {
        self.0.to_sql(out)
    }
}

impl<DB: Backend> FromSql<Integer, DB> for AuthorId
where
    i32: FromSql<Integer, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        i32::from_sql(bytes).map(Self)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
enum Kind {
    Novel,
    Manual,
}

impl<DB: Backend> ToSql<Text, DB> for Kind
where
    str: ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> diesel::serialize::Result {
        match self {
            Self::Novel => "novel".to_sql(out),
            Self::Manual => "manual".to_sql(out),
        }
    }
}

impl<DB: Backend> FromSql<Text, DB> for Kind
where
    String: FromSql<Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        match String::from_sql(bytes)?.as_str() {
            "novel" => Ok(Self::Novel),
            "manual" => Ok(Self::Manual),
            other => Err(format!("no kind: {other}").into()),
        }
    }
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = authors)]
struct Author {
    name: String,
    #[model(generated)]
    id: AuthorId,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = books)]
struct Book {
    title: String,
    r#kind: Kind,
    #[model(belongs_to = Author)]
    author_id: AuthorId,
    #[model(belongs_to = Author)]
    editor_id: Option<AuthorId>,
    #[model(belongs_to = Book)]
    sequel: Option<i32>,
    id: i32,
    #[model(version)]
    version: i64,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = shares)]
struct Share {
    pieces: i32,
    #[model(key)]
    owner: String,
    #[model(key)]
    #[diesel(column_name = stock)]
    name: String,
}

fn book() -> Book {
    Book {
        id: 7,
        title: "Emma".to_owned(),
        kind: Kind::Novel,
        author_id: AuthorId(1),
        editor_id: None,
        sequel: None,
        version: 3,
    }
}

/// Some columns of an object as the values of an INSERT of ours.
struct Insert<'a, M> {
    object: &'a M,
    columns: Columns,
}

impl<M: Persist<Sqlite>> QueryFragment<Sqlite> for Insert<'_, M> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql("INSERT INTO ");
        M::walk_table(pass.reborrow())?;
        for (first, column) in self.columns.iter().enumerate() {
            pass.push_sql(if first == 0 { " (" } else { ", " });
            pass.push_identifier(M::shape().columns[column].name)?;
        }
        for (first, column) in self.columns.iter().enumerate() {
            pass.push_sql(if first == 0 { ") VALUES (" } else { ", " });
            self.object.bind(column, pass.reborrow())?;
        }
        pass.push_sql(") RETURNING ");
        pass.push_identifier(M::shape().columns[0].name)
    }
}

/// The row of a key, as the rest of a SELECT of ours.
struct ByKey<'a, M: Model>(&'a M::Key);

impl<M: Persist<Sqlite>> QueryFragment<Sqlite> for ByKey<'_, M> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql(" FROM ");
        M::walk_table(pass.reborrow())?;
        for column in 0..M::shape().keys {
            pass.push_sql(if column == 0 { " WHERE " } else { " AND " });
            pass.push_identifier(M::shape().columns[column].name)?;
            pass.push_sql(" = ");
            M::bind_key(self.0, column, pass.reborrow())?;
        }
        Ok(())
    }
}

fn names<M: Model>(columns: Columns) -> Vec<&'static str> {
    columns.iter().map(|column| M::shape().columns[column].name).collect()
}

fn library() -> aludel::Result<aludel::Connection<SqliteConnection>> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut connection = engine.connect();
    connection.batch_execute(
        "CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL); \
         CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT NOT NULL, type TEXT NOT NULL, author_id INTEGER NOT NULL, \
         editor_id INTEGER, sequel INTEGER, version BIGINT NOT NULL); \
         CREATE TABLE shares (owner TEXT, stock TEXT, pieces INTEGER NOT NULL, PRIMARY KEY (owner, stock))",
    )?;
    Ok(connection)
}

#[test]
fn the_key_comes_first_and_the_rest_as_the_fields_stand() {
    let shape = Book::shape();
    let columns: Vec<_> = shape.columns.iter().map(|column| (column.name, column.field)).collect();
    assert_eq!(
        columns,
        [
            ("id", "id"),
            ("title", "title"),
            ("type", "kind"),
            ("author_id", "author_id"),
            ("editor_id", "editor_id"),
            ("sequel", "sequel"),
            ("version", "version")
        ]
    );
    assert_eq!((shape.keys, shape.generated, shape.version), (1, true, Some(6)));
    let shape = Share::shape();
    let columns: Vec<_> = shape.columns.iter().map(|column| (column.name, column.field)).collect();
    assert_eq!(columns, [("owner", "owner"), ("stock", "name"), ("pieces", "pieces")]);
    assert_eq!((shape.keys, shape.generated, shape.version), (2, false, None));
}

#[test]
fn a_generated_key_of_any_type_is_none_until_it_is_made() {
    let mut author = Author {
        name: "Jane".to_owned(),
        id: AuthorId(0),
    };
    assert_eq!(Model::key(&author), None);
    author.set_key(AuthorId(3));
    assert_eq!(Model::key(&author), Some(AuthorId(3)));
    assert_eq!((Author::key_from_id(3), Book::key_from_id(3)), (None, Some(3)));
    assert_eq!(Book::key_from_id(i64::MAX), None);
    let mut share = Share {
        pieces: 1,
        owner: String::new(),
        name: "IBM".to_owned(),
    };
    assert_eq!(Model::key(&share), Some((String::new(), "IBM".to_owned())));
    share.set_key(("Ann".to_owned(), "SAP".to_owned()));
    assert_eq!((share.owner.as_str(), share.name.as_str()), ("Ann", "SAP"));
}

#[test]
fn changes_are_the_columns_that_differ_and_one_can_be_taken_over() {
    let (one, mut other) = (book(), book());
    assert!(one.changes(&other).is_empty());
    other.kind = Kind::Manual;
    other.editor_id = Some(AuthorId(2));
    other.id = 8;
    assert_eq!(names::<Book>(one.changes(&other)), ["id", "type", "editor_id"]);
    for column in one.changes(&other).iter() {
        other.copy_column(&one, column);
    }
    assert_eq!(other, one);
}

#[test]
fn a_version_is_counted_unless_the_program_has_set_it() {
    let (mut new, mut given) = (Book { version: 0, ..book() }, book());
    new.advance_version(None);
    given.advance_version(None);
    assert_eq!((new.version, given.version), (1, 3));
    let loaded = book();
    given.advance_version(Some(&loaded));
    assert_eq!(given.version, 4);
    given.version = 9;
    given.advance_version(Some(&loaded));
    assert_eq!((given.version, given.version_text().as_deref()), (9, Some("9")));
    assert!(!given.version_is_unset() && Book { version: 0, ..book() }.version_is_unset());
}

#[test]
fn rows_are_inserted_and_selected_by_fragments() -> aludel::Result<()> {
    let mut connection = library()?;
    let author = Author {
        name: "Jane".to_owned(),
        id: AuthorId(0),
    };
    let all = Columns::first(Author::shape().columns.len());
    let insert = Insert {
        object: &author,
        columns: all.without(Author::shape().key()),
    };
    assert_eq!(
        diesel::debug_query::<Sqlite, _>(&insert).to_string(),
        "INSERT INTO `authors` (`name`) VALUES (?) RETURNING `id` -- binds: [\"Jane\"]"
    );
    assert_eq!(Author::insert_returning(&mut connection, insert)?, [AuthorId(1)]);

    let emma = book();
    let insert = Insert {
        object: &emma,
        columns: Columns::first(7),
    };
    assert_eq!(Book::insert_returning(&mut connection, insert)?, [7]);
    assert_eq!(
        Book::select(&mut connection, ByKey::<Book>(&7))?,
        std::slice::from_ref(&emma)
    );
    assert_eq!(Book::find(&mut connection, &7)?, Some(emma));

    diesel::insert_into(shares::table)
        .values((shares::owner.eq("Ann"), shares::stock.eq("SAP"), shares::pieces.eq(4)))
        .execute(&mut connection)?;
    let key = ("Ann".to_owned(), "SAP".to_owned());
    let share = Share {
        pieces: 4,
        owner: "Ann".to_owned(),
        name: "SAP".to_owned(),
    };
    assert_eq!(
        Share::select(&mut connection, ByKey::<Share>(&key))?,
        std::slice::from_ref(&share)
    );
    assert_eq!(Share::find(&mut connection, &key)?, Some(share));
    connection.rollback()?;
    Ok(())
}

#[test]
fn a_foreign_key_is_a_constant_of_the_child() {
    fn only_one<M: BelongsTo<P>, P: Model>() -> ForeignKey<M, P> {
        M::FOREIGN_KEY
    }
    let mut book = book();
    assert_eq!(Book::AUTHOR_ID.get(&book), Some(AuthorId(1)));
    assert_eq!((Book::EDITOR_ID.get(&book), Book::SEQUEL.get(&book)), (None, None));
    book.sequel = Some(8);
    assert_eq!(only_one::<Book, Book>().get(&book), Some(8));
    assert_eq!(
        (Book::AUTHOR_ID.is_nullable(), Book::SEQUEL.is_nullable()),
        (false, true)
    );
    assert_eq!(Book::REFERENCES.len(), 3);
    let columns: Vec<_> = Book::REFERENCES.iter().map(|reference| reference.columns()).collect();
    assert_eq!(columns, [[3], [4], [5]]);
    Book::REFERENCES[1].fill(&mut book, &AuthorId(5));
    Book::REFERENCES[0].fill(&mut book, &AuthorId(6));
    assert_eq!((book.author_id, book.editor_id), (AuthorId(6), Some(AuthorId(5))));
}
