//! What our errors add to results.

use aludel_core::{Error, Result};

/// [`optional`](Self::optional) for a [`Result`](aludel_core::Result) of ours; in the prelude. Diesel has the same for its
/// own (`OptionalExtension`).
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// diesel::table! { notes (id) { id -> Integer, text -> Text, } }
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// # engine.begin(|session| {
/// #     diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)").execute(session)?;
/// #     Ok(())
/// # })?;
/// let text = engine.reconnecting().first::<String, _>(notes::table.select(notes::text)).optional()?;
/// assert_eq!(text, None);
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
pub trait ResultExt<T> {
    /// `None` in the place of an error that says that there is no such row ([`Error::is_not_found`]).
    ///
    /// # Errors
    ///
    /// Every other error.
    fn optional(self) -> Result<Option<T>>;
}

impl<T> ResultExt<T> for Result<T> {
    fn optional(self) -> Result<Option<T>> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(error) if Error::is_not_found(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
