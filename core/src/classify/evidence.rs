//! What is known of an error.

use diesel::result::DatabaseErrorKind;

/// What is known of an error that a database answered: Diesel's kind and the words always, the number and the SQLSTATE
/// where a driver has them (Diesel 2.3 has not).
///
/// A number alone decides nothing, since MariaDB and MySQL have given some to different errors. Together with the words it
/// tells what a server means from what a `SIGNAL` or `RAISE EXCEPTION` only says; a SQLSTATE that means one thing
/// also speaks for a server whose words are in another language.
///
/// ```
/// use aludel_core::classify::{Class, Evidence, Flavour, Phase, classify_with};
/// use diesel::result::DatabaseErrorKind;
///
/// let words = Evidence::new(DatabaseErrorKind::Unknown, "deadlock detected");
/// assert_eq!(classify_with(Flavour::PostgreSql, Phase::Statement, &words).class, Class::Retry);
/// // RAISE EXCEPTION 'deadlock detected'
/// let raised = words.with_sqlstate("P0001");
/// assert_eq!(classify_with(Flavour::PostgreSql, Phase::Statement, &raised).class, Class::Permanent);
///
/// let translated = Evidence::new(DatabaseErrorKind::Unknown, "Verklemmung entdeckt").with_sqlstate("40P01");
/// assert_eq!(classify_with(Flavour::PostgreSql, Phase::Statement, &translated).class, Class::Retry);
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub struct Evidence<'a> {
    /// Diesel's kind.
    pub kind: DatabaseErrorKind,
    /// MySQL's error number, or `SQLite`'s result code, extended or not.
    pub number: Option<u32>,
    /// Five characters.
    pub sqlstate: Option<&'a str>,
    /// The driver's words.
    pub text: &'a str,
}

impl<'a> Evidence<'a> {
    /// A kind and words, as every error of Diesel's has them.
    pub fn new(kind: DatabaseErrorKind, text: &'a str) -> Self {
        Self {
            kind,
            number: None,
            sqlstate: None,
            text,
        }
    }

    /// The same, with the number that the server or the client library gave.
    #[must_use]
    pub fn with_number(self, number: u32) -> Self {
        Self {
            number: Some(number),
            ..self
        }
    }

    /// The same, with the SQLSTATE.
    #[must_use]
    pub fn with_sqlstate(self, sqlstate: &'a str) -> Self {
        Self {
            sqlstate: Some(sqlstate),
            ..self
        }
    }

    pub(super) fn has_codes(&self) -> bool {
        self.number.is_some() || self.sqlstate.is_some()
    }

    /// Whether a statement has raised it in words of its own: `SIGNAL` and `RAISE EXCEPTION`, as long as they do not give
    /// a number or a SQLSTATE as well.
    pub(super) fn is_raised(&self) -> bool {
        self.number == Some(1644)
            || self
                .sqlstate
                .is_some_and(|known| known.starts_with("45") || known == "P0001")
    }
}
