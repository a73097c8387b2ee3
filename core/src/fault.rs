//! What a driver call answered, remembered.
//!
//! Diesel's errors cannot be cloned, yet two parties need each of them: the caller, who gets the error itself, and the
//! transaction, which must be able to name its first cause long after the caller has swallowed it. [`Fault::record`]
//! shares the driver's information between both, so that nothing is flattened into text.

use std::cell::RefCell;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};

use crate::classify::{Fate, Flavour, Phase, Verdict, classify};
use crate::error::Outcome;

type Information = dyn DatabaseErrorInformation + Send + Sync;

/// One error that passed through a connection, with what the classifier says of it.
///
/// It is an [`Error`](StdError) itself, so that it can stand in the `source()` chain of those that follow from it.
///
/// ```
/// use aludel_core::{Class, Fault, Flavour, Phase};
/// use diesel::result::{DatabaseErrorKind, Error};
///
/// let error = Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new("deadlock detected".to_owned()));
/// let (fault, error) = Fault::record(Flavour::PostgreSql, Phase::Statement, None, error);
/// assert_eq!(fault.verdict().class, Class::Retry);
/// assert_eq!(fault.message(), error.to_string()); // shared between the two, copied for neither
/// ```
#[derive(Clone)]
pub struct Fault(Arc<Inner>);

struct Inner {
    verdict: Verdict,
    phase: Phase,
    message: String,
    information: Option<(DatabaseErrorKind, Arc<Information>)>,
    statement: Option<String>,
    /// It came while something was written that nobody had asked to be written just then.
    autoflush: bool,
}

thread_local! {
    /// The fault that was observed last on this thread, for [`Fault::recall`].
    static LAST: RefCell<Option<Fault>> = const { RefCell::new(None) };
}

impl Fault {
    /// Remembers `error` and gives it back, unchanged to its reader.
    pub fn record(
        flavour: Flavour,
        phase: Phase,
        statement: Option<String>,
        error: DieselError,
    ) -> (Self, DieselError) {
        let verdict = classify(flavour, phase, &error);
        let message = error.to_string();
        let (information, error) = match error {
            DieselError::DatabaseError(kind, information) => {
                let shared: Arc<Information> = Arc::from(information);
                // `DatabaseErrorKind` is `Copy` only by luck of today's Diesel; it is all that users match on.
                (
                    Some((kind, shared.clone())),
                    DieselError::DatabaseError(kind, Box::new(Shared(shared))),
                )
            }
            other => (None, other),
        };
        (
            Self(Arc::new(Inner {
                verdict,
                phase,
                message,
                information,
                statement,
                autoflush: false,
            })),
            error,
        )
    }

    /// A fault that no driver reported: a panic, an exit, a function that joined the transaction and failed.
    ///
    /// ```
    /// use aludel_core::{Class, Error, Fault, Phase};
    ///
    /// let verdict = Error::from(diesel::result::Error::NotFound).verdict().expect("Diesel's errors have one");
    /// let fault = Fault::from_message(Phase::Statement, verdict, "interrupted by a panic");
    /// assert_eq!(fault.verdict().class, Class::Permanent);
    /// assert!(!fault.is_from_driver());
    /// ```
    pub fn from_message(phase: Phase, verdict: Verdict, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            verdict,
            phase,
            message: message.into(),
            information: None,
            statement: None,
            autoflush: false,
        }))
    }

    /// The same fault, seen with another verdict: the server was asked, or the user's `handle_error` decided.
    #[must_use]
    pub fn with_verdict(&self, verdict: Verdict) -> Self {
        Self(Arc::new(Inner {
            verdict,
            phase: self.0.phase,
            message: self.0.message.clone(),
            information: self.0.information.clone(),
            statement: self.0.statement.clone(),
            autoflush: self.0.autoflush,
        }))
    }

    /// The same fault, come from a flush that the session has begun by itself.
    fn of_an_autoflush(&self) -> Self {
        Self(Arc::new(Inner {
            verdict: self.0.verdict,
            phase: self.0.phase,
            message: self.0.message.clone(),
            information: self.0.information.clone(),
            statement: self.0.statement.clone(),
            autoflush: true,
        }))
    }

    /// Remembers where this very error came from, if it is the one that was kept.
    pub(crate) fn note_autoflush(error: &DieselError) {
        if let Some(fault) = Self::recall(error) {
            fault.of_an_autoflush().keep_for_conversion();
        }
    }

    pub(crate) fn is_of_an_autoflush(&self) -> bool {
        self.0.autoflush
    }

    /// Keeps the fault for the conversion of its error: Diesel's error has no room for what is known of it, and `?` has no
    /// session to ask.
    #[doc(hidden)]
    pub fn keep_for_conversion(&self) {
        // A thread that is at its end converts nothing any more.
        let _ = LAST.try_with(|last| last.replace(Some(self.clone())));
    }

    /// What was kept of this very error, told by its identity and not by its words.
    pub(crate) fn recall(error: &DieselError) -> Option<Self> {
        let DieselError::DatabaseError(_, information) = error else {
            return None;
        };
        // Both sides own the information, so neither can have been replaced by another one in the same place.
        LAST.try_with(|last| {
            let last = last.try_borrow().ok()?;
            let fault = last.as_ref()?;
            let (_, kept) = fault.0.information.as_ref()?;
            let message = information.message();
            // Nothing lies anywhere.
            (!message.is_empty() && std::ptr::eq(kept.message(), message)).then(|| fault.clone())
        })
        .ok()?
    }

    /// What the classifier says.
    pub fn verdict(&self) -> Verdict {
        self.0.verdict
    }

    /// Whether a driver reported it, and not this library.
    pub fn is_from_driver(&self) -> bool {
        self.0.information.is_some()
    }

    /// Diesel's kind of the error, where a driver reported it.
    pub fn kind(&self) -> Option<DatabaseErrorKind> {
        self.0.information.as_ref().map(|(kind, _)| *kind)
    }

    /// What has become of the transaction that it ended.
    ///
    /// ```
    /// use aludel_core::{Fault, Flavour, Outcome, Phase};
    /// use diesel::result::{DatabaseErrorKind, Error};
    ///
    /// let error = Error::DatabaseError(DatabaseErrorKind::SerializationFailure, Box::new("conflict".to_owned()));
    /// let (fault, _) = Fault::record(Flavour::PostgreSql, Phase::Statement, None, error);
    /// assert!(fault.is_from_driver());
    /// assert_eq!(fault.outcome(), Outcome::RolledBack);
    /// ```
    pub fn outcome(&self) -> Outcome {
        match self.0.verdict.fate {
            Fate::Committed => Outcome::Committed,
            _ => Outcome::RolledBack,
        }
    }

    /// What was being done.
    pub fn phase(&self) -> Phase {
        self.0.phase
    }

    /// The driver's words.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The statement as it was sent, with its placeholders and without its values.
    pub fn statement(&self) -> Option<&str> {
        self.0.statement.as_deref()
    }

    /// Diesel's error again, for those who must raise the first cause in the place of a later one.
    ///
    /// ```
    /// use aludel_core::{Fault, Flavour, Phase};
    /// use diesel::result::{DatabaseErrorKind, Error};
    ///
    /// let error = Error::DatabaseError(DatabaseErrorKind::UniqueViolation, Box::new("taken".to_owned()));
    /// let (fault, _) = Fault::record(Flavour::Sqlite, Phase::Statement, None, error);
    /// assert!(matches!(fault.to_diesel(), Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)));
    /// ```
    pub fn to_diesel(&self) -> DieselError {
        match &self.0.information {
            Some((kind, shared)) => DieselError::DatabaseError(*kind, Box::new(Shared(shared.clone()))),
            None => DieselError::QueryBuilderError(Box::new(self.clone())),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("message", &self.0.message)
            .field("phase", &self.0.phase)
            .field("verdict", &self.0.verdict)
            .field("statement", &self.0.statement)
            .finish()
    }
}

impl StdError for Fault {}

/// Diesel's error with the statement behind the driver's words, for those who asked to see it there. What the error is
/// does not change: it is told by the first line. For the layers above.
#[doc(hidden)]
pub fn annotate(error: DieselError, statement: &str) -> DieselError {
    match error {
        DieselError::DatabaseError(kind, information) => {
            let message = format!("{}\n[SQL: {statement}]", information.message());
            DieselError::DatabaseError(kind, Box::new(Annotated { message, information }))
        }
        other => other,
    }
}

/// The driver's information with more words.
struct Annotated {
    message: String,
    information: Box<Information>,
}

impl DatabaseErrorInformation for Annotated {
    fn message(&self) -> &str {
        &self.message
    }
    fn details(&self) -> Option<&str> {
        self.information.details()
    }
    fn hint(&self) -> Option<&str> {
        self.information.hint()
    }
    fn table_name(&self) -> Option<&str> {
        self.information.table_name()
    }
    fn column_name(&self) -> Option<&str> {
        self.information.column_name()
    }
    fn constraint_name(&self) -> Option<&str> {
        self.information.constraint_name()
    }
    fn statement_position(&self) -> Option<i32> {
        self.information.statement_position()
    }
}

/// The driver's information, owned by both the caller's error and our memory of it.
struct Shared(Arc<Information>);

impl DatabaseErrorInformation for Shared {
    fn message(&self) -> &str {
        self.0.message()
    }
    fn details(&self) -> Option<&str> {
        self.0.details()
    }
    fn hint(&self) -> Option<&str> {
        self.0.hint()
    }
    fn table_name(&self) -> Option<&str> {
        self.0.table_name()
    }
    fn column_name(&self) -> Option<&str> {
        self.0.column_name()
    }
    fn constraint_name(&self) -> Option<&str> {
        self.0.constraint_name()
    }
    fn statement_position(&self) -> Option<i32> {
        self.0.statement_position()
    }
}
