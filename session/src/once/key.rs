//! The key of a call, and what it was used for.

use std::fmt;

use aludel_core::once::ResultTable;
use aludel_core::{Error, Result};

/// An idempotency key: what tells one call from every other, and a repeated one from a new one.
///
/// Whatever can be displayed is one: a `&str` or `String` of the client's, the number of an order, a UUID. It is compared byte
/// by byte, as Stripe's `Idempotency-Key` is: `A` and `a` are two keys, and so are those with and without a blank at the end.
/// 1 to 255 bytes.
///
/// A key belongs to what it was used for first: to a function by its name, or to the [`scope`](Self::scope) that was given.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::once::OnceKey;
/// use aludel::prelude::*;
/// use diesel::SqliteConnection;
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let mut session = engine.session();
/// session.once(OnceKey::new("4711").scope("charge"), |_| Ok(1))?;
/// assert_eq!(session.once(OnceKey::new("4711").scope("charge"), |_| Ok(2))?, 1);
///
/// let error = session.once(OnceKey::new("4711").scope("refund"), |_| Ok(2)).unwrap_err();
/// assert!(error.is_once_key());
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "a key does nothing by itself"]
pub struct OnceKey {
    key: String,
    scope: Option<String>,
}

impl OnceKey {
    /// The key with this text. Two values that display alike are one key.
    pub fn new(key: impl fmt::Display) -> Self {
        Self {
            key: key.to_string(),
            scope: None,
        }
    }

    /// What it is used for, instead of the name of the function: for closures, and for a function that was renamed and is to
    /// answer what was kept under its old name.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// With the name of what it is used for, where it has none; refused where no database could have it.
    pub(crate) fn used_for(mut self, function: &str) -> Result<Self> {
        let scope = self.scope.get_or_insert_with(|| function.to_owned());
        check("an idempotency key", &self.key)?;
        check("the scope of an idempotency key", scope)?;
        Ok(self)
    }

    pub(super) fn text(&self) -> &str {
        &self.key
    }

    pub(super) fn scope_or_none(&self) -> &str {
        self.scope.as_deref().unwrap_or_default()
    }
}

impl<T: fmt::Display> From<T> for OnceKey {
    fn from(key: T) -> Self {
        Self::new(key)
    }
}

impl From<&Self> for OnceKey {
    fn from(key: &Self) -> Self {
        key.clone()
    }
}

fn check(what: &str, text: &str) -> Result<()> {
    let wrong = match text.len() {
        0 => "is empty, and every call without a key would be the same one; make a key for each",
        _ if text.contains('\0') => "has a NUL in it, which PostgreSQL does not take; use printable text",
        length if length > ResultTable::KEY_LIMIT => {
            return Err(Error::misuse(format!(
                "{what} has {length} bytes, and {} is the most; use a digest of it",
                ResultTable::KEY_LIMIT
            )));
        }
        _ => return Ok(()),
    };
    Err(Error::misuse(format!("{what} {wrong}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_no_database_could_have_is_refused_before_anything_is_sent() {
        for (key, part) in [
            (String::new(), "is empty"),
            ("a\0".to_owned(), "has a NUL"),
            ("ä".repeat(128), "has 256 bytes"),
        ] {
            let error = OnceKey::new(key).used_for("charge").expect_err("it cannot be kept");
            assert!(error.to_string().contains(part), "{error}");
        }
        assert!(OnceKey::new("a".repeat(255)).used_for("charge").is_ok());
        assert!(OnceKey::new("a").scope("").used_for("charge").is_err());
    }

    #[test]
    fn what_is_displayed_is_a_key_and_a_key_is_one() {
        let key = OnceKey::new(4711).scope("charge");
        assert_eq!(OnceKey::from(&key), key);
        assert_eq!(OnceKey::from(&"4711"), OnceKey::from(4711_u64));
        assert_eq!(key.used_for("refund").expect("it is short").scope_or_none(), "charge");
    }
}
