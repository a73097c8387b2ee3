//! Objects: what a model is, handles to the objects of a session, and the map that holds them.
//!
//! | File | What happens there |
//! |---|---|
//! | `entity` | the handle |
//! | `store` | the objects of one model: their states, and what transactions do to them |
//! | `map` | all stores of a session, and the order in which a flush visits them |

use std::fmt::Debug;
use std::hash::Hash;

use aludel_core::Dialect;
use diesel::backend::Backend;
use diesel::result::QueryResult;

use crate::connection::Connection;

mod entity;
mod map;
mod store;

pub use entity::Entity;
pub(crate) use map::IdentityMap;
pub(crate) use store::{Lookup, Trouble};

/// A struct that stands for the rows of a table; `#[derive(Model)]` implements it.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, version -> Integer, } }
///
/// #[derive(Model, Queryable, Selectable, Clone, Debug)]
/// #[diesel(table_name = accounts)]
/// struct Account { id: i32, owner: String, balance: i64, #[model(version)] version: i32 }
///
/// let account = Account { id: 7, owner: "Ann".to_owned(), balance: 100, version: 0 };
/// assert_eq!(Model::key(&account), Some(7));
/// assert_eq!(Account::NAME, "Account");
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a model",
    label = "not a model",
    note = "derive it with `#[derive(Model, Queryable, Selectable, Clone)]`"
)]
pub trait Model: Clone + Send + 'static {
    /// The key: the type of the key field, or a tuple of several.
    type Key: Clone + Eq + Ord + Hash + Debug + Send + 'static;

    /// Name of the struct, for errors.
    const NAME: &'static str;

    /// Full name of the type that Diesel's `table!` has made, by which statements on it are recognised.
    #[doc(hidden)]
    fn table() -> &'static str;

    /// The key; none while the database has still to make it.
    fn key(&self) -> Option<Self::Key>;
}

/// How a model is read from and written to one backend; `#[derive(Model)]` implements it for each one that is compiled
/// in.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// diesel::table! { notes (id) { id -> Integer, text -> Text, } }
///
/// #[derive(Model, Queryable, Selectable, Clone, Debug)]
/// #[diesel(table_name = notes)]
/// struct Note { id: i32, text: String }
///
/// /// Works on every backend that the model can be written to.
/// fn add_twice<M, C>(session: &mut Session<C>, object: M) -> (Entity<M>, Entity<M>)
/// where
///     C: Dialect,
///     M: Persist<C::Backend>,
/// {
///     (session.add(object.clone()), session.add(object))
/// }
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let mut session = engine.session();
/// let (first, second) = add_twice(&mut session, Note { id: 0, text: "again".to_owned() });
/// assert_ne!(first, second);
/// session.rollback()?;
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a model on this database",
    label = "not a model",
    note = "derive it with `#[derive(Model, Queryable, Selectable, Clone)]`, and compile `aludel` with the feature of \
            the database (`sqlite`, `mysql`, `postgres`)"
)]
pub trait Persist<DB: Backend>: Model {
    /// The row with this key.
    ///
    /// # Errors
    ///
    /// Whatever the server answers.
    fn find<C: Dialect<Backend = DB>>(connection: &mut Connection<C>, key: &Self::Key) -> QueryResult<Option<Self>>;

    /// Inserts the row, and fills in the key that the database has made.
    ///
    /// # Errors
    ///
    /// Whatever the server answers.
    fn insert<C: Dialect<Backend = DB>>(&mut self, connection: &mut Connection<C>) -> QueryResult<()>;

    /// Writes the columns that differ from `loaded`, and counts the version up.
    ///
    /// # Errors
    ///
    /// Whatever the server answers.
    fn update<C: Dialect<Backend = DB>>(
        &mut self,
        connection: &mut Connection<C>,
        loaded: &Self,
    ) -> QueryResult<Written>;

    /// Deletes the row, if it is still the one that was read.
    ///
    /// # Errors
    ///
    /// Whatever the server answers.
    fn delete<C: Dialect<Backend = DB>>(&self, connection: &mut Connection<C>) -> QueryResult<Written>;

    /// The version as it was read, for models that have one.
    fn version(&self) -> Option<i64>;
}

/// What a write has found.
///
/// ```
/// use aludel::Written;
///
/// assert_eq!(Written::from_count(1), Written::Row);
/// assert_eq!(Written::from_count(0), Written::Missing);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Nothing differed, nothing was sent.
    Unchanged,
    /// The one row.
    Row,
    /// No row with this key and this version.
    Missing,
}

impl Written {
    /// From the number of rows that the server reports.
    pub fn from_count(count: usize) -> Self {
        if count == 0 { Self::Missing } else { Self::Row }
    }
}
