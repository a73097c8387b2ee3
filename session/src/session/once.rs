//! Doing something once for a key.

use aludel_core::{Dialect, Error, Result};

use super::Session;
use crate::once::{self, OnceKey, Replay};

impl<C: Dialect> Session<C> {
    /// Runs the closure in a transaction, unless one with the same key was committed before: then it answers that one's
    /// result, and runs nothing. What Stripe does with an `Idempotency-Key`; see [`once`](crate::once).
    ///
    /// Key and result are written in the very transaction that does the work, so they are there exactly if the work is.
    /// Inside a transaction that was begun explicitly it joins that one, and key and result vanish with its rollback, or with
    /// that of a savepoint around them; with none open it begins one as [`begin`](Self::begin) does. Who calls it at the same
    /// time with the same key waits. Nothing is run again here: put it into a `#[retry]`, or use `#[retry(once = ..)]`.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut session = engine.session();
    /// let first = session.once("order-42", |_session| Ok("paid".to_owned()))?;
    /// let again = session.once("order-42", |_session| -> aludel::Result<String> { unreachable!("it was done") })?;
    /// assert_eq!((first, again), ("paid".to_owned(), "paid".to_owned()));
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The closure's, after which the key is free again; those of [`begin`](Self::begin); those of writing key and result.
    /// [`Error::is_once_key`] when the key was used before for something else, or what is kept cannot be read as `T`. A key
    /// that is empty, has a NUL in it, or more than 255 bytes is refused before anything is sent.
    ///
    /// # Panics
    ///
    /// Only with the closure's own panic.
    #[track_caller]
    pub fn once<T: Replay>(&mut self, key: impl Into<OnceKey>, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        once::begin(self, key.into(), f)
    }

    /// [`once`](Self::once) for closures with an error type of their own.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut session = engine.session();
    /// let refused: Result<(), Box<dyn std::error::Error>> = session.once_with("order-42", |_session| Err("no".into()));
    /// assert_eq!(refused.unwrap_err().to_string(), "no");
    /// session.once("order-42", |_session| Ok(()))?; // it was not done before
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same.
    #[track_caller]
    pub fn once_with<T, E>(
        &mut self,
        key: impl Into<OnceKey>,
        f: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E>
    where
        T: Replay,
        E: From<Error> + 'static,
    {
        once::begin(self, key.into(), f)
    }
}
