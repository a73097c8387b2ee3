//! The table that every side writes, and its rows.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! {
    entries (id) {
        id -> BigInt,
        name -> Text,
        amount -> BigInt,
        score -> Nullable<Integer>,
    }
}

/// The table on each database. Keys are made by the database.
pub(crate) const ON_SQLITE: &str =
    "CREATE TABLE entries (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL, amount BIGINT NOT NULL, score INTEGER)";
pub(crate) const ON_MARIADB: &str = "CREATE TABLE entries (id BIGINT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(40) NOT NULL, amount BIGINT NOT NULL, score INTEGER)";

/// A row, as an object of a session and as one of Diesel's own.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq, Eq)]
#[diesel(table_name = entries)]
pub(crate) struct Entry {
    /// 0 until the database has made it.
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) amount: i64,
    pub(crate) score: Option<i32>,
}

/// How Diesel inserts one.
#[derive(Insertable)]
#[diesel(table_name = entries, treat_none_as_default_value = false)]
pub(crate) struct NewEntry<'a> {
    name: &'a str,
    amount: i64,
    score: Option<i32>,
}

impl Entry {
    /// The one with this number, as it is written in this round. Every third one has no score.
    fn new(number: usize, round: u32) -> Self {
        let score = i32::try_from(number % 100).expect("it is below 100");
        Self {
            id: 0,
            name: format!("entry {number}"),
            amount: amount(number, round),
            score: (!number.is_multiple_of(3)).then_some(score),
        }
    }

    /// So many new ones.
    pub(crate) fn some(many: usize, round: u32) -> Vec<Self> {
        (0..many).map(|number| Self::new(number, round)).collect()
    }

    pub(crate) fn to_insert(&self) -> NewEntry<'_> {
        NewEntry {
            name: &self.name,
            amount: self.amount,
            score: self.score,
        }
    }
}

/// What the column that is changed holds after this round: another value in each row, and in each round.
pub(crate) fn amount(number: usize, round: u32) -> i64 {
    i64::try_from(number).expect("there are far fewer rows") * 10 + i64::from(round)
}
