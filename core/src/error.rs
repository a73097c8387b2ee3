//! The one error of the engine and of everything above it.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;

use diesel::result::Error as DieselError;

use crate::classify::{Class, Verdict, classify_unknown_flavour};
use crate::fault::Fault;
use crate::log::show_text;
use crate::pool::PoolError;
use crate::retry::RetryReport;
use crate::url::UrlError;
use crate::verify::CommitToken;

mod cause;
mod commit;
mod exit;
mod refused;
mod retry;

use cause::Cause;
pub use exit::{Exit, OnExit};
pub use refused::Refused;

/// A result whose error is [`Error`].
///
/// ```
/// fn nothing_wrong() -> aludel_core::Result<u32> {
///     Ok(7)
/// }
/// assert_eq!(nothing_wrong()?, 7);
/// # Ok::<(), aludel_core::Error>(())
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whatever went wrong: what happened first, to what, and what has become of the data.
///
/// The type is opaque; ask it with its predicates ([`is_disconnect`](Error::is_disconnect),
/// [`is_retryable`](Error::is_retryable), [`is_commit_unknown`](Error::is_commit_unknown), …), with
/// [`kind`](Error::kind) and [`outcome`](Error::outcome), or walk its `source()` chain, which ends in what the driver
/// said. Its text is written for the reader of a log: the first cause, then the outcome, then what to do.
///
/// ```
/// use aludel_core::Error;
///
/// let error = Error::from(diesel::result::Error::NotFound);
/// assert!(error.is_not_found());
/// assert!(!error.is_retryable());
/// ```
pub struct Error(Box<Repr>);

struct Repr {
    cause: Cause,
    outcome: Option<Outcome>,
    /// Reruns are decided by what the session saw; this remembers it for those who read the error later.
    verdict: Option<Verdict>,
    /// The statement that failed, where the cause itself does not know it.
    statement: Option<String>,
    /// Something went on after the first cause and was refused.
    refused: bool,
    /// It came while something was written that nobody had asked to be written just then.
    autoflush: bool,
    /// What a retry has tried.
    tried: Option<Box<RetryReport>>,
    /// What failed after the first cause: a ROLLBACK, a RELEASE, the error that a closure made of it.
    later: Vec<Error>,
    /// By which it can be found out what has become of the transaction.
    token: Option<CommitToken>,
}

/// What kind of trouble an [`Error`] is; small on purpose, and open for more.
///
/// ```
/// use aludel_core::{Error, ErrorKind};
///
/// assert_eq!(Error::from(diesel::result::Error::NotFound).kind(), ErrorKind::NotFound);
/// assert_eq!(Error::configuration("no such option").kind(), ErrorKind::Configuration);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A URL or an option cannot be used as it is.
    Configuration,
    /// No connection could be made.
    Connect,
    /// No connection was free within `pool_timeout`.
    PoolTimeout,
    /// A statement failed.
    Statement,
    /// COMMIT was refused; nothing was committed.
    Commit,
    /// COMMIT was sent and its answer never came.
    CommitUnknown,
    /// The transaction had already failed and refuses to go on.
    Doomed,
    /// A transaction is open that the call would have to end first.
    TransactionAlreadyOpen,
    /// The call does not fit the state of the session.
    Misuse,
    /// A row that must exist does not.
    NotFound,
    /// A handle names nothing that this session holds any more.
    StaleEntity,
    /// A row was changed by somebody else since it was read.
    VersionConflict,
    /// An idempotency key was used before, and there is no result of it that could be given back.
    OnceKey,
    /// The caller asked to stop.
    Exit,
    /// A transaction that could have run again was not, since the engine's budget of reruns is used up
    /// ([`RetryBudget`](crate::RetryBudget)). Everything else about the error is that of its first cause.
    BudgetExhausted,
    /// An error of the caller's own.
    Other,
}

/// What has become of the transaction that the error ended.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::{Engine, Outcome};
/// use diesel::SqliteConnection;
///
/// let engine = Engine::<SqliteConnection>::new("sqlite:///no/such/folder/bank.db")?;
/// let error = engine.raw_connection().unwrap_err();
/// assert_eq!(error.outcome(), Some(Outcome::NotBegun)); // nothing was tried, so nothing can have happened
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// No transaction had begun.
    NotBegun,
    /// All of it was rolled back; nothing was written.
    RolledBack,
    /// The work since the savepoint was rolled back; the transaction around it goes on.
    RolledBackToSavepoint,
    /// The transaction is still open, and the caller decides.
    StillOpen,
    /// Nobody knows: COMMIT was sent, its answer never came. Where the transaction has run again since, as
    /// [`CommitPolicy::Idempotent`](crate::CommitPolicy::Idempotent) lets it, that was the COMMIT of an attempt before the
    /// one that the error is of.
    Unknown,
    /// It was committed; what failed came after.
    Committed,
}

impl Error {
    fn new(cause: Cause) -> Self {
        Self(Box::new(Repr {
            cause,
            outcome: None,
            verdict: None,
            statement: None,
            refused: false,
            autoflush: false,
            tried: None,
            later: Vec::new(),
            token: None,
        }))
    }

    /// An error of the caller's own, to be returned from a closure.
    ///
    /// ```
    /// use aludel_core::Error;
    ///
    /// let error = Error::other(std::io::Error::other("the disk is full"));
    /// assert!(error.downcast_ref::<std::io::Error>().is_some());
    /// assert_eq!(Error::other("just a text").to_string(), "just a text");
    /// ```
    pub fn other(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let error = error.into();
        match error.downcast::<Self>() {
            Ok(ours) => *ours,
            Err(error) => Self::new(Cause::Other(error)),
        }
    }

    /// An option or a URL part that cannot be used; the text names the fix.
    ///
    /// ```
    /// use aludel_core::{Error, ErrorKind};
    ///
    /// let error = Error::configuration("pool_size must be a number");
    /// assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Configuration, false));
    /// ```
    pub fn configuration(text: impl Into<String>) -> Self {
        Self::new(Cause::Configuration(text.into()))
    }

    /// A call that does not fit the state it was made in; the text names the fix.
    pub fn misuse(text: impl Into<String>) -> Self {
        Self::new(Cause::Misuse(text.into()))
    }

    /// An error about one object of a layer above: its kind, and a text with model and key in it.
    ///
    /// ```
    /// use aludel_core::{Error, ErrorKind};
    ///
    /// let error = Error::object(ErrorKind::VersionConflict, "Account 7: expected version 1, found 2");
    /// assert!(error.is_version_conflict());
    /// ```
    pub fn object(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self::new(Cause::Object {
            kind,
            text: text.into(),
        })
    }

    /// No connection could be made.
    pub fn connect(source: impl Into<Box<dyn StdError + Send + Sync>>, verdict: Verdict) -> Self {
        let mut error = Self::new(Cause::Connect(source.into()));
        error.0.verdict = Some(verdict);
        error.0.outcome = Some(Outcome::NotBegun);
        error
    }

    /// COMMIT failed with `fault`; nothing was committed.
    pub fn commit(fault: Fault) -> Self {
        let verdict = fault.verdict();
        Self::new(Cause::Commit(fault))
            .with_verdict(verdict)
            .with_outcome(Outcome::RolledBack)
    }

    /// COMMIT was sent and its answer never came.
    ///
    /// ```
    /// use aludel_core::{Error, Fault, Flavour, Phase};
    /// use diesel::result::{DatabaseErrorKind, Error as DieselError};
    ///
    /// let lost = DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new("gone".to_owned()));
    /// let (fault, _) = Fault::record(Flavour::PostgreSql, Phase::Commit, None, lost);
    /// let error = Error::commit_unknown(fault);
    /// assert!(error.is_commit_unknown() && error.is_disconnect());
    /// assert!(!error.is_retryable()); // it may have happened
    /// ```
    pub fn commit_unknown(fault: Fault) -> Self {
        let verdict = fault.verdict();
        Self::new(Cause::CommitUnknown(fault))
            .with_verdict(verdict)
            .with_outcome(Outcome::Unknown)
    }

    /// The transaction had already failed with `fault`.
    ///
    /// ```
    /// use aludel_core::{Error, Fault, Flavour, Phase};
    /// use diesel::result::{DatabaseErrorKind, Error as DieselError};
    ///
    /// let lost = DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new("gone".to_owned()));
    /// let (fault, _) = Fault::record(Flavour::PostgreSql, Phase::Statement, None, lost);
    /// let error = Error::doomed(fault);
    /// assert!(error.is_doomed() && error.is_disconnect()); // what had happened is what counts
    /// assert!(error.to_string().contains("first cause: gone"));
    /// ```
    pub fn doomed(fault: Fault) -> Self {
        let verdict = fault.verdict();
        Self::new(Cause::Doomed(fault)).with_verdict(verdict)
    }

    /// A transaction is open that nobody began explicitly and that has written.
    #[track_caller]
    pub fn transaction_already_open(first_write: &str) -> Self {
        Self::transaction_already_open_at(first_write, Location::caller())
    }

    /// The same, where the caller's place is known by other means. For the layers above.
    #[doc(hidden)]
    pub fn transaction_already_open_at(first_write: &str, place: &'static Location<'static>) -> Self {
        Self::new(Cause::TransactionAlreadyOpen {
            first_write: format!("{first_write} (refused at {place})"),
        })
    }

    /// Says what has become of the transaction.
    ///
    /// ```
    /// use aludel_core::{Error, Outcome};
    ///
    /// let error = Error::other("no").with_outcome(Outcome::RolledBack);
    /// assert_eq!(error.to_string(), "no [rolled back, nothing was written]");
    /// ```
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = Some(outcome);
        self
    }

    /// Says what the classifier decided.
    #[must_use]
    pub fn with_verdict(mut self, verdict: Verdict) -> Self {
        self.0.verdict = Some(verdict);
        self
    }

    /// Adds what failed after the first cause.
    ///
    /// ```
    /// use aludel_core::Error;
    ///
    /// let error = Error::other("first").with_later(Error::other("second"));
    /// assert_eq!(error.to_string(), "first; then: second");
    /// assert_eq!(error.later().len(), 1);
    /// ```
    #[must_use]
    pub fn with_later(mut self, later: Self) -> Self {
        self.0.later.push(later);
        self
    }

    /// Says that it came from a flush in front of a query. For the layers above.
    #[doc(hidden)]
    #[must_use]
    pub fn from_autoflush(mut self) -> Self {
        if let Cause::Statement(error) = &self.0.cause {
            Fault::note_autoflush(error);
        }
        self.0.autoflush = true;
        self
    }

    /// The error that came first, in the place of this one, which only refused to go on because of it. What failed
    /// after the first cause stays attached.
    ///
    /// ```
    /// use aludel_core::{Error, Fault, Flavour, Phase};
    /// use diesel::result::Error as DieselError;
    /// use diesel::result::DatabaseErrorKind::UniqueViolation;
    ///
    /// let driver = DieselError::DatabaseError(UniqueViolation, Box::new("UNIQUE constraint failed".to_owned()));
    /// let (fault, _) = Fault::record(Flavour::Sqlite, Phase::Statement, None, driver);
    /// let error = Error::doomed(fault.clone());
    /// assert!(error.is_doomed());
    /// let error = error.replaced_by(&fault);
    /// assert!(matches!(error.as_diesel(), Some(DieselError::DatabaseError(UniqueViolation, _))));
    /// ```
    #[must_use]
    pub fn replaced_by(self, first: &Fault) -> Self {
        let mut error = Self::from(first.to_diesel()).with_verdict(first.verdict());
        error.0.refused = true;
        error.0.statement = first.statement().map(str::to_owned);
        error.0.outcome = self.0.outcome;
        error.0.later = self.0.later;
        error
    }

    /// What kind of trouble this is.
    pub fn kind(&self) -> ErrorKind {
        if self.is_budget_exhausted() {
            return ErrorKind::BudgetExhausted;
        }
        self.kind_of_cause()
    }

    fn kind_of_cause(&self) -> ErrorKind {
        match &self.0.cause {
            Cause::Configuration(_) | Cause::Url(_) => ErrorKind::Configuration,
            Cause::Pool(PoolError::Timeout { .. }) => ErrorKind::PoolTimeout,
            Cause::Statement(DieselError::NotFound) => ErrorKind::NotFound,
            Cause::Statement(_) => ErrorKind::Statement,
            Cause::Commit(_) => ErrorKind::Commit,
            Cause::CommitUnknown(_) | Cause::CommitUnresolved(_) => ErrorKind::CommitUnknown,
            Cause::Doomed(_) => ErrorKind::Doomed,
            Cause::TransactionAlreadyOpen { .. } => ErrorKind::TransactionAlreadyOpen,
            Cause::Misuse(_) | Cause::Pool(PoolError::AlreadyCheckedOut { .. }) => ErrorKind::Misuse,
            Cause::Connect(_) | Cause::Pool(_) => ErrorKind::Connect,
            Cause::Object { kind, .. } => *kind,
            Cause::Exit(_) => ErrorKind::Exit,
            Cause::Other(_) => ErrorKind::Other,
        }
    }

    /// What the classifier decided about the error that came first.
    pub fn class(&self) -> Class {
        self.0.verdict.map_or(Class::Permanent, |verdict| verdict.class)
    }

    /// The classifier's whole answer, where a driver was involved.
    pub fn verdict(&self) -> Option<Verdict> {
        self.0.verdict
    }

    /// What has become of the transaction, where the error ended one.
    pub fn outcome(&self) -> Option<Outcome> {
        self.0.outcome
    }

    /// What came first, in the words of whoever said it: the driver where there was one.
    pub fn first_cause(&self) -> String {
        match &self.0.cause {
            Cause::Commit(fault) | Cause::CommitUnknown(fault) | Cause::Doomed(fault) => fault.message().to_owned(),
            Cause::Connect(error) => error.to_string(),
            cause => cause.to_string(),
        }
    }

    /// The statement that failed first, as it was sent: with its placeholders and without its values, which are no part of
    /// an error (`parameters_in_errors` puts them into the driver's words). `None` where no statement was at fault, and
    /// for an error that came out of a later row on SQLite and MariaDB, whose drivers have forgotten it by then.
    ///
    /// SQLAlchemy has it as `StatementError.statement`.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::{Error, Fault, Flavour, Phase};
    /// use diesel::result::{DatabaseErrorKind, Error as DieselError};
    ///
    /// let driver = DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, Box::new("taken".to_owned()));
    /// let sent = Some("INSERT INTO t (a) VALUES (?)".to_owned());
    /// let (fault, _) = Fault::record(Flavour::Sqlite, Phase::Statement, sent, driver);
    /// let error = Error::doomed(fault);
    /// assert_eq!(error.statement(), Some("INSERT INTO t (a) VALUES (?)"));
    /// assert!(error.to_string().contains("[SQL: INSERT INTO t (a) VALUES (?)]"));
    /// # }
    /// ```
    pub fn statement(&self) -> Option<&str> {
        match &self.0.cause {
            Cause::Commit(fault) | Cause::CommitUnknown(fault) | Cause::Doomed(fault) => fault.statement(),
            _ => self.0.statement.as_deref(),
        }
    }

    /// The statement where the text does not say it by itself.
    fn shown_statement(&self) -> Option<&str> {
        match &self.0.cause {
            Cause::Commit(_) | Cause::CommitUnknown(_) => None,
            // With its values it stands in the driver's words already.
            Cause::Statement(error) if error.to_string().contains("\n[SQL: ") => None,
            _ => self.statement(),
        }
    }

    /// What failed after the first cause, oldest first.
    pub fn later(&self) -> &[Self] {
        &self.0.later
    }

    /// The connection was lost.
    ///
    /// ```
    /// use aludel_core::Error;
    /// use diesel::result::{DatabaseErrorKind, Error as DieselError};
    ///
    /// let lost = DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new("gone".to_owned()));
    /// assert!(Error::from(lost).is_disconnect());
    /// ```
    pub fn is_disconnect(&self) -> bool {
        self.class() == Class::Disconnect
    }

    /// Running the whole transaction again may succeed and cannot apply it twice.
    ///
    /// ```
    /// use aludel_core::Error;
    /// use diesel::result::{DatabaseErrorKind, Error as DieselError};
    ///
    /// let error = DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, Box::new("conflict".to_owned()));
    /// assert!(Error::from(error).is_retryable());
    /// assert!(!Error::from(DieselError::NotFound).is_retryable());
    /// ```
    pub fn is_retryable(&self) -> bool {
        !self.is_commit_unknown() && !self.is_exit() && self.class() != Class::Permanent
    }

    /// COMMIT was sent and nobody knows whether it happened: the last one, or that of an attempt before it, which was run again
    /// because its author had promised that this does no harm.
    ///
    /// ```
    /// use aludel_core::{Error, Outcome};
    ///
    /// let second = Error::other("the second attempt has failed").with_outcome(Outcome::Unknown);
    /// assert!(second.is_commit_unknown());
    /// ```
    pub fn is_commit_unknown(&self) -> bool {
        matches!(self.0.cause, Cause::CommitUnknown(_) | Cause::CommitUnresolved(_))
            || self.0.outcome == Some(Outcome::Unknown)
    }

    /// The transaction had failed before and refused to go on.
    pub fn is_doomed(&self) -> bool {
        matches!(self.0.cause, Cause::Doomed(_))
    }

    /// No connection was free within `pool_timeout`: other borrowers had them all. (A server that did not answer in that
    /// time is an error of kind [`Connect`](ErrorKind::Connect): a larger pool would be no help.)
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use std::time::Duration;
    ///
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// use aludel_core::pool;
    ///
    /// let builder = Engine::<SqliteConnection>::builder("sqlite://:memory:").pool(pool::Static);
    /// let engine = builder.pool_timeout(Duration::ZERO).build()?;
    /// let held = engine.raw_connection()?; // the only connection
    /// assert!(engine.raw_connection().unwrap_err().is_pool_timeout());
    /// # drop(held);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn is_pool_timeout(&self) -> bool {
        self.kind_of_cause() == ErrorKind::PoolTimeout
    }

    /// A row that must exist does not.
    pub fn is_not_found(&self) -> bool {
        self.kind_of_cause() == ErrorKind::NotFound
    }

    /// A handle that names nothing any more.
    pub fn is_stale_entity(&self) -> bool {
        self.kind_of_cause() == ErrorKind::StaleEntity
    }

    /// A row was changed by somebody else since it was read.
    pub fn is_version_conflict(&self) -> bool {
        self.kind_of_cause() == ErrorKind::VersionConflict
    }

    /// An idempotency key was used before for something else, or what is kept under it cannot be given back; nothing was run.
    pub fn is_once_key(&self) -> bool {
        self.kind_of_cause() == ErrorKind::OnceKey
    }

    /// The caller asked to stop.
    pub fn is_exit(&self) -> bool {
        matches!(self.0.cause, Cause::Exit(_))
    }

    /// A transaction is open that the call would have to end first.
    pub fn is_transaction_already_open(&self) -> bool {
        matches!(self.0.cause, Cause::TransactionAlreadyOpen { .. })
    }

    /// Diesel's error, where one is the cause.
    ///
    /// ```
    /// use aludel_core::Error;
    ///
    /// let error = Error::from(diesel::result::Error::NotFound);
    /// assert!(matches!(error.as_diesel(), Some(diesel::result::Error::NotFound)));
    /// ```
    pub fn as_diesel(&self) -> Option<&DieselError> {
        match &self.0.cause {
            Cause::Statement(error) => Some(error),
            _ => None,
        }
    }

    /// Diesel's error by value, where one is the cause.
    pub(crate) fn into_diesel(self) -> Result<DieselError, Self> {
        match *self.0 {
            Repr {
                cause: Cause::Statement(error),
                ..
            } => Ok(error),
            repr => Err(Self(Box::new(repr))),
        }
    }

    /// The caller's own error, given to [`Error::other`].
    ///
    /// ```
    /// use aludel_core::Error;
    ///
    /// let error = Error::other(std::fmt::Error);
    /// assert!(error.downcast_ref::<std::fmt::Error>().is_some());
    /// assert!(error.downcast_ref::<std::io::Error>().is_none());
    /// ```
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        match &self.0.cause {
            Cause::Other(error) => error.downcast_ref(),
            _ => None,
        }
    }

    fn advice(&self) -> Option<&'static str> {
        if self.is_commit_unknown() && self.0.token.is_some() {
            return Some(
                "find out with engine.resolve and the token, and run it again only if the answer is NotCommitted",
            );
        }
        if self.is_commit_unknown() {
            return Some("look for the effect of the transaction before running it again, or make it idempotent");
        }
        if self.is_budget_exhausted() {
            return Some(
                "too many transactions of this engine fail: find out what they have in common, or let more of them run again \
                 (retry_budget)",
            );
        }
        match (&self.0.cause, self.class()) {
            (Cause::Exit(_), _) => None,
            (_, Class::Retry) => Some("run the whole transaction again: `#[retry]` does so by itself"),
            (_, Class::Disconnect) => Some("run the whole transaction again on another connection: `#[retry]` does so"),
            (_, Class::Failover) => Some("this server cannot serve now; run the transaction again when it can"),
            (_, Class::Busy) => Some("the server is short of something; try again in a moment"),
            _ => None,
        }
    }
}

impl Error {
    /// Everything but the advice: that of what came first is the one to follow.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.cause)?;
        if let Some(statement) = self.shown_statement() {
            write!(f, " [SQL: {}]", show_text(statement))?;
        }
        if self.0.refused {
            f.write_str(" (what came after it was refused)")?;
        }
        if self.0.autoflush {
            f.write_str(
                " (raised by an autoflush: what was pending was written before the query, which was not sent; \
                 session.no_autoflush(..) keeps it pending)",
            )?;
        }
        match self.0.outcome {
            Some(Outcome::RolledBack) => f.write_str(" [rolled back, nothing was written]")?,
            Some(Outcome::RolledBackToSavepoint) => f.write_str(" [rolled back to the savepoint]")?,
            Some(Outcome::NotBegun) => f.write_str(" [no transaction had begun]")?,
            Some(Outcome::StillOpen) => f.write_str(" [the transaction is still open]")?,
            Some(Outcome::Committed) => f.write_str(" [what came before was committed]")?,
            // Of its own COMMIT the cause says so.
            Some(Outcome::Unknown) if self.kind_of_cause() != ErrorKind::CommitUnknown => {
                f.write_str(" [nobody knows whether an attempt before it was committed]")?;
            }
            Some(Outcome::Unknown) | None => {}
        }
        for later in &self.0.later {
            f.write_str("; then: ")?;
            later.describe(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f)?;
        if let Some(token) = self.0.token {
            write!(f, " [commit token {token}]")?;
        }
        if let Some(report) = self.retry_report()
            && report.is_news()
            && !self.is_exit()
        {
            write!(f, "; {report}")?;
            if !self.is_commit_unknown() && !self.is_budget_exhausted() {
                return Ok(());
            }
        }
        match self.advice() {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{:?}: {self}", self.kind(), self.class())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.cause {
            Cause::Url(error) => Some(error),
            Cause::Pool(error) => Some(error),
            Cause::Statement(error) => Some(error),
            Cause::Commit(fault) | Cause::CommitUnknown(fault) | Cause::Doomed(fault) => Some(fault),
            Cause::Exit(exit) => Some(exit),
            Cause::Connect(error) | Cause::Other(error) => Some(error.as_ref()),
            Cause::Configuration(_)
            | Cause::CommitUnresolved(_)
            | Cause::TransactionAlreadyOpen { .. }
            | Cause::Misuse(_)
            | Cause::Object { .. } => None,
        }
    }
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        let error = match error {
            DieselError::QueryBuilderError(inner) => match inner.downcast::<Refused>() {
                Ok(refused) => return refused.0,
                Err(inner) => DieselError::QueryBuilderError(inner),
            },
            other => other,
        };
        // What a connection of ours has just observed is known; of any other only the words are.
        let Some(fault) = Fault::recall(&error) else {
            let verdict = classify_unknown_flavour(&error);
            return Self::new(Cause::Statement(error)).with_verdict(verdict);
        };
        let mut known = Self::new(Cause::Statement(error)).with_verdict(fault.verdict());
        known.0.statement = fault.statement().map(str::to_owned);
        known.0.autoflush = fault.is_of_an_autoflush();
        known
    }
}

impl From<Error> for DieselError {
    fn from(error: Error) -> Self {
        Refused::wrap(error)
    }
}

impl From<UrlError> for Error {
    fn from(error: UrlError) -> Self {
        Self::new(Cause::Url(error))
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        let error = match error {
            PoolError::Cancelled(exit) => return Self::from(exit),
            other => other,
        };
        let verdict = error.verdict();
        let mut error = Self::new(Cause::Pool(error)).with_outcome(Outcome::NotBegun);
        error.0.verdict = verdict;
        error
    }
}

impl From<Exit> for Error {
    fn from(exit: Exit) -> Self {
        Self::new(Cause::Exit(exit))
    }
}
