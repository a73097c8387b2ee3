//! Structs whose fields are columns of the model that embeds them.

use std::time::SystemTime;

use diesel::backend::Backend;
use diesel::query_builder::AstPass;
use diesel::result::QueryResult;

use super::{Column, Columns, Stamp};

/// A struct whose fields are columns of the model that embeds it with `#[diesel(embed)]`; `#[derive(Embedded)]` implements
/// it (SQLAlchemy's composite columns). It names the table of that model, as Diesel's `Selectable` demands of it.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// diesel::table! { people (id) { id -> Integer, street -> Text, city -> Text, } }
///
/// #[derive(Embedded, Queryable, Selectable, Clone, Debug)]
/// #[diesel(table_name = people)]
/// struct Address { street: String, city: String }
///
/// #[derive(Model, Queryable, Selectable, Clone, Debug)]
/// #[diesel(table_name = people)]
/// struct Person { id: i32, #[diesel(embed)] address: Address }
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let mut session = engine.session();
/// # diesel::sql_query("CREATE TABLE people (id INTEGER PRIMARY KEY, street TEXT NOT NULL, city TEXT NOT NULL)")
/// #     .execute(&mut session)?;
/// let address = Address { street: "Mill Lane".to_owned(), city: "Bath".to_owned() };
/// let jane = session.add(Person { id: 0, address });
/// session.flush()?;
/// session[jane].address.city = "Winchester".to_owned(); // UPDATE people SET city = ?
/// session.commit()?;
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be embedded in a model",
    label = "not a struct of columns",
    note = "derive it with `#[derive(Embedded, Queryable, Selectable, Clone)]`"
)]
pub trait Embedded: Clone + Send + 'static {
    /// How many columns it has.
    #[doc(hidden)]
    const COLUMNS: usize;

    /// They, as data.
    #[doc(hidden)]
    fn columns() -> Vec<Column>;

    /// Those in which it differs from another one.
    #[doc(hidden)]
    fn changes(&self, other: &Self) -> Columns;

    /// Takes the value of one from another.
    #[doc(hidden)]
    fn copy_column(&mut self, from: &Self, column: usize);

    /// Those with a server default whose field has the default of its type.
    #[doc(hidden)]
    fn unset(&self) -> Columns {
        Columns::NONE
    }

    /// Sets those that are set to the current time.
    #[doc(hidden)]
    fn stamp(&mut self, _what: Stamp, _now: SystemTime) {}
}

/// How an embedded struct is written to one backend.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be embedded in a model on this database",
    label = "not a struct of columns",
    note = "derive it with `#[derive(Embedded, Queryable, Selectable, Clone)]`"
)]
pub trait BindEmbedded<DB: Backend>: Embedded {
    /// The value of a column, as a bind parameter.
    ///
    /// # Errors
    ///
    /// When it cannot be written as the column's type.
    fn bind<'b>(&'b self, column: usize, pass: AstPass<'_, 'b, DB>) -> QueryResult<()>;
}
