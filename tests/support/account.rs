//! The model that the stories are about.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! {
    /// Who has how much.
    accounts (id) {
        /// Made by the database.
        id -> Integer,
        /// Unique.
        owner -> Text,
        /// In the smallest unit there is.
        balance -> BigInt,
        /// Counted up by each UPDATE.
        version -> Integer,
    }
}

/// A row of `accounts`.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq, Eq)]
#[diesel(table_name = accounts)]
pub struct Account {
    /// 0 until the database has made it.
    pub id: i32,
    /// Unique.
    pub owner: String,
    /// In the smallest unit there is.
    pub balance: i64,
    /// 0 until it is inserted, then 1.
    #[model(version)]
    pub version: i32,
}

impl Account {
    /// One that has no key yet.
    pub fn new(owner: &str, balance: i64) -> Self {
        Self {
            id: 0,
            owner: owner.to_owned(),
            balance,
            version: 0,
        }
    }
}
