//! Our errors on their way through Diesel's.

use std::error::Error as StdError;
use std::fmt;

use diesel::result::Error as DieselError;

use super::{Cause, Error, Repr};

/// Why a statement was refused without being sent.
///
/// It travels inside [`diesel::result::Error::QueryBuilderError`], since Diesel has no other variant that can carry an
/// error without losing it; converted to [`Error`] it becomes what it was.
///
/// ```
/// use aludel_core::{Error, Refused};
///
/// let travelling: diesel::result::Error = Refused::wrap(Error::misuse("not now"));
/// let error = Error::from(travelling);
/// assert_eq!(error.to_string(), "not now");
/// ```
#[derive(Debug)]
pub struct Refused(pub(super) Error);

impl Refused {
    /// Diesel's error with ours inside.
    pub fn wrap(error: Error) -> DieselError {
        // An error that is nothing but Diesel's own needs no coat.
        match *error.0 {
            Repr {
                cause: Cause::Statement(inner),
                outcome: None,
                later,
                ..
            } if later.is_empty() => inner,
            repr => DieselError::QueryBuilderError(Box::new(Self(Error(Box::new(repr))))),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Refused {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}
