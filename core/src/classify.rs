//! What an error is: the one place that knows.
//!
//! The pool asks whether a connection, or all connections of its generation, must go; a rerun asks whether running the
//! transaction again can help; the session asks what has become of its transaction. All of them ask [`classify`], and
//! nothing else in Aludel decides by a message (the dialects know four texts that answer questions of their own).
//!
//! Diesel 2.3 hides error numbers and SQLSTATEs, so what cannot be told from its error *kind* is told from the text.
//! The tables (one module a flavour) hold templates that are compared from the start of the message's first line:
//! literal parts exactly, save for the case of ASCII letters, and `{}` for what the server fills in. A value, an
//! identifier or a constraint's name inside a message therefore cannot forge a class. `SIGNAL` and `RAISE EXCEPTION`
//! can still say anything; hence [`Verdict::by_text`].
//!
//! ```
//! use aludel_core::classify::{Class, CommitOutcome, Fate, Flavour, Phase, classify};
//! use diesel::result::{DatabaseErrorKind, Error};
//!
//! // MariaDB 1213 through `batch_execute`, which is how Diesel sends COMMIT: a text and nothing more.
//! let text = "Deadlock found when trying to get lock; try restarting transaction".to_owned();
//! let error = Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(text));
//! let verdict = classify(Flavour::MySql, Phase::Commit, &error);
//!
//! assert_eq!(verdict.class, Class::Retry);
//! assert_eq!(verdict.at_commit, CommitOutcome::RolledBack);
//! assert_eq!(verdict.fate, Fate::RolledBack);
//! ```
//!
//! Where a condition has two names in the field, a lost server say, which is a disconnect first and a failover after
//! that, the verdict is the first one: the second follows by itself when the connection that replaces it is refused.

use std::fmt;

use diesel::ConnectionError;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

mod evidence;
mod mysql;
mod postgres;
mod rule;
mod sqlite;
mod template;

pub use evidence::Evidence;
use rule::{Kinds, Rule};

/// A family of servers that speak with one voice.
///
/// ```
/// use aludel_core::{Dialect, Flavour};
///
/// fn has_one_writer_at_a_time<C: Dialect>() -> bool {
///     C::FLAVOUR == Flavour::Sqlite
/// }
/// # #[cfg(feature = "sqlite")]
/// assert!(has_one_writer_at_a_time::<diesel::SqliteConnection>());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Flavour {
    /// MariaDB and MySQL, through either client library; TiDB and Vitess.
    MySql,
    /// PostgreSQL, CockroachDB and YugabyteDB, through libpq.
    PostgreSql,
    /// SQLite, inside the process.
    Sqlite,
}

/// What was being done when the error came.
///
/// ```
/// use aludel_core::classify::{Class, Flavour, Phase, classify};
/// use diesel::result::{DatabaseErrorKind, Error};
///
/// // The same words from a server that is not ready: at connect there is nothing to retire yet.
/// let error = Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new("Server has gone away".to_owned()));
/// assert_eq!(classify(Flavour::MySql, Phase::Statement, &error).class, Class::Disconnect);
/// assert_eq!(classify(Flavour::MySql, Phase::Connect, &error).class, Class::Failover);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Phase {
    /// Making a connection, or setting up a new one.
    Connect,
    /// Asking an idle connection whether it lives.
    Ping,
    /// Beginning a transaction.
    Begin,
    /// Sending a statement.
    Statement,
    /// Reading rows.
    Fetch,
    /// `SAVEPOINT`.
    Savepoint,
    /// `RELEASE SAVEPOINT`.
    Release,
    /// `ROLLBACK TO SAVEPOINT`.
    RollbackTo,
    /// `COMMIT`.
    Commit,
    /// `ROLLBACK`.
    Rollback,
}

/// What can be done about an error.
///
/// ```
/// use aludel_core::{Class, Error};
///
/// fn should_be_tried_again(error: &Error) -> bool {
///     match error.class() {
///         Class::Disconnect | Class::Retry | Class::Failover | Class::Busy => !error.is_commit_unknown(),
///         _ => false,
///     }
/// }
/// assert!(!should_be_tried_again(&Error::from(diesel::result::Error::NotFound)));
/// assert_eq!(Class::Disconnect.to_string(), "disconnect");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Class {
    /// The connection is dead: retire what [`Verdict::scope`] says, and run the transaction again on another one.
    Disconnect,
    /// The transaction is dead and the connection is not: end it with ROLLBACK and run it again.
    Retry,
    /// This host cannot serve, because it is read-only, leaving, or not there: retire its connections, choose another
    /// host or wait for this one, and run the transaction again.
    ///
    /// A transaction that was *asked* to be read-only gets the same errors (MySQL 1792, SQLSTATE 25006); whoever asked
    /// for it takes them as [`Permanent`](Self::Permanent).
    Failover,
    /// The server is short of something, or a lock that was asked for without waiting is taken: wait and try again
    /// within the deadline.
    Busy,
    /// Trying again cannot help.
    Permanent,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Disconnect => "disconnect",
            Self::Retry => "retry",
            Self::Failover => "failover",
            Self::Busy => "busy",
            Self::Permanent => "permanent",
        })
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Connect => "connect",
            Self::Ping => "ping",
            Self::Begin => "BEGIN",
            Self::Statement => "statement",
            Self::Fetch => "fetch",
            Self::Savepoint => "SAVEPOINT",
            Self::Release => "RELEASE",
            Self::RollbackTo => "ROLLBACK TO",
            Self::Commit => "COMMIT",
            Self::Rollback => "ROLLBACK",
        })
    }
}

/// What an error retires.
///
/// ```
/// use aludel_core::classify::{Flavour, Phase, Scope, classify};
/// use diesel::result::{DatabaseErrorKind, Error};
///
/// let scope = |text: &str| {
///     let error = Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(text.to_owned()));
///     classify(Flavour::MySql, Phase::Statement, &error).scope
/// };
/// assert_eq!(scope("Connection was killed"), Some(Scope::Connection)); // by name
/// assert_eq!(scope("Server has gone away"), Some(Scope::Generation)); // and the others do not know yet
/// assert_eq!(scope("Deadlock found when trying to get lock"), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Scope {
    /// The one connection that it came on: an idle timeout, a KILL, a confused protocol, statements that went stale.
    Connection,
    /// Every connection made before now: the server went away, and the others do not know yet.
    Generation,
}

/// What an error means when it is the answer to COMMIT.
///
/// ```
/// use aludel_core::classify::{CommitOutcome, Flavour, Phase, classify};
/// use diesel::result::{DatabaseErrorKind, Error};
///
/// let at_commit = |text: &str| {
///     let error = Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(text.to_owned()));
///     classify(Flavour::Sqlite, Phase::Commit, &error).at_commit
/// };
/// assert_eq!(at_commit("database is locked"), CommitOutcome::StillOpen);
/// assert_eq!(at_commit("disk I/O error"), CommitOutcome::Unknown);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum CommitOutcome {
    /// The server has rolled the transaction back; nothing was written.
    RolledBack,
    /// The server refused the COMMIT, or it was never sent; nothing was written.
    NotCommitted,
    /// Nothing was written and the transaction is still open: COMMIT may be repeated.
    StillOpen,
    /// Nobody knows. Only a verifier can tell.
    Unknown,
}

/// What the server did to the open transaction when it answered with an error.
///
/// ```
/// use aludel_core::classify::{Fate, Flavour, Phase, classify};
/// use diesel::result::{DatabaseErrorKind, Error};
///
/// let fate = |flavour, text: &str| {
///     let error = Error::DatabaseError(DatabaseErrorKind::UniqueViolation, Box::new(text.to_owned()));
///     classify(flavour, Phase::Statement, &error).fate
/// };
/// // The same trouble, and a different transaction afterwards.
/// assert_eq!(fate(Flavour::MySql, "Duplicate entry '1' for key 'PRIMARY'"), Fate::Open);
/// assert_eq!(fate(Flavour::PostgreSql, "duplicate key value violates unique constraint \"t_pkey\""), Fate::FrameAborted);
/// assert_eq!(fate(Flavour::Sqlite, "UNIQUE constraint failed: t.id"), Fate::Ask);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Fate {
    /// It stands as it did before the statement, which was never sent, or was undone alone for a plain reason (a
    /// constraint, a value, its syntax). The transaction may go on.
    Open,
    /// The statement alone was undone because it waited or worked for too long. The transaction may go on; it still
    /// holds its locks, so it must be rolled back before it is run again.
    StatementUndone,
    /// All of it was rolled back, savepoints included, and the connection lives on in autocommit: COMMIT would answer
    /// ok and what follows would survive a ROLLBACK. The root is doomed.
    RolledBack,
    /// It is gone, and what is known about the connection's state with it: the connection died, or a savepoint
    /// vanished because something ended the transaction behind our back. The root is doomed and the connection must
    /// not be used again.
    Lost,
    /// PostgreSQL refuses everything up to a ROLLBACK TO the innermost savepoint, which frees the frames around it.
    FrameAborted,
    /// It was committed, by a statement that commits implicitly (DDL on MariaDB and MySQL). What was written before is
    /// there; the savepoints are gone.
    Committed,
    /// The text cannot tell. Ask the server, as `@@in_transaction` or a second BEGIN do.
    Ask,
}

/// What the classifier says of one error.
///
/// ```
/// use aludel_core::classify::{Flavour, Phase, classify};
/// use diesel::result::{DatabaseErrorKind, Error};
///
/// let error = Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new("deadlock detected".to_owned()));
/// let verdict = classify(Flavour::PostgreSql, Phase::Statement, &error);
/// assert!(verdict.rule.starts_with("postgres 40P01"), "{}", verdict.rule);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// What can be done about it.
    pub class: Class,
    /// What is retired: always set for a [`Disconnect`](Class::Disconnect). On another class it says that the
    /// connection, though it may answer, must not be used again.
    pub scope: Option<Scope>,
    /// What it means where COMMIT was answered with it; read it only then.
    pub at_commit: CommitOutcome,
    /// What has become of the transaction.
    pub fate: Fate,
    /// Whether a [`Disconnect`](Class::Disconnect) rests on what a `SIGNAL` or `RAISE EXCEPTION` could say as well, words
    /// or a SQLSTATE: confirm it by a probe on that very connection before anything is retired.
    pub by_text: bool,
    /// A short and stable name of what was recognised, with the number it goes by: `mysql 1213 deadlock`.
    pub rule: &'static str,
}

impl Verdict {
    /// The same, where the transaction was asked to be read-only: its refusal to write is then no news about the host,
    /// and trying again cannot help.
    ///
    /// ```
    /// use aludel_core::classify::{Class, Flavour, Phase, classify};
    /// use diesel::result::{DatabaseErrorKind, Error};
    ///
    /// let text = "cannot execute INSERT in a read-only transaction".to_owned();
    /// let error = Error::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, Box::new(text));
    /// let verdict = classify(Flavour::PostgreSql, Phase::Statement, &error);
    /// assert_eq!(verdict.class, Class::Failover); // a primary that has become a standby says so, too
    /// assert_eq!(verdict.asked_to_be_read_only().class, Class::Permanent);
    /// ```
    #[must_use]
    pub fn asked_to_be_read_only(self) -> Self {
        let refused = ["mysql 1792", "postgres 25006"];
        if self.class == Class::Failover && refused.iter().any(|number| self.rule.starts_with(number)) {
            return Self {
                class: Class::Permanent,
                scope: None,
                ..self
            };
        }
        self
    }

    /// Whether a time limit for statements has ended it: `statement_timeout`, `max_statement_time`, `max_execution_time`. A
    /// retry looks whether that was its own deadline.
    ///
    /// ```
    /// use aludel_core::classify::{Flavour, Phase, classify};
    /// use diesel::result::{DatabaseErrorKind, Error};
    ///
    /// let says = |text: &str| {
    ///     let error = Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(text.to_owned()));
    ///     classify(Flavour::PostgreSql, Phase::Statement, &error).is_statement_timeout()
    /// };
    /// assert!(says("canceling statement due to statement timeout"));
    /// assert!(!says("canceling statement due to user request"));
    /// ```
    pub fn is_statement_timeout(self) -> bool {
        self.rule.ends_with(" statement time")
    }
}

/// Decides what `error` is, that a connection of `flavour` answered while it was in `phase`.
///
/// An error that no table knows is [`Class::Permanent`], and its outcome at COMMIT is [`CommitOutcome::Unknown`], save
/// for SQLite: a library inside the process always knows that it has not committed, unless the disk failed.
///
/// ```
/// use aludel_core::classify::{Class, Flavour, Phase, Scope, classify};
/// use diesel::result::{DatabaseErrorKind, Error};
///
/// let gone = Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new("Server has gone away".to_owned()));
/// let verdict = classify(Flavour::MySql, Phase::Statement, &gone);
/// assert_eq!((verdict.class, verdict.scope), (Class::Disconnect, Some(Scope::Generation)));
/// assert!(verdict.by_text); // to be confirmed by a probe
/// ```
pub fn classify(flavour: Flavour, phase: Phase, error: &DieselError) -> Verdict {
    let verdict = match error {
        DieselError::DatabaseError(kind, information) => {
            return classify_with(flavour, phase, &Evidence::new(*kind, information.message()));
        }
        DieselError::RollbackErrorOnCommit {
            rollback_error,
            commit_error,
        } => {
            let mut verdict = classify(flavour, Phase::Commit, commit_error);
            let rollback = classify(flavour, Phase::Rollback, rollback_error);
            // A connection whose ROLLBACK failed is in a state that nobody knows, whatever COMMIT had said.
            verdict.scope = verdict.scope.or(rollback.scope).or(Some(Scope::Connection));
            if rollback.fate == Fate::Lost {
                verdict.fate = Fate::Lost;
            }
            return verdict;
        }
        other => not_from_the_database(other),
    };
    settle(flavour, phase, verdict)
}

/// Decides what an error is of which more may be known than Diesel tells.
///
/// Words count as long as the codes do not speak against them; a SQLSTATE that means one thing counts without them.
///
/// ```
/// use aludel_core::classify::{Class, Evidence, Flavour, Phase, classify_with};
/// use diesel::result::DatabaseErrorKind;
///
/// // 4031 is an idle timeout on MySQL, and this on MariaDB: no number decides by itself.
/// let trigger = Evidence::new(DatabaseErrorKind::Unknown, "Referenced trigger 'a' does not exist");
/// let verdict = classify_with(Flavour::MySql, Phase::Statement, &trigger.with_number(4031));
/// assert_eq!(verdict.class, Class::Permanent);
/// ```
pub fn classify_with(flavour: Flavour, phase: Phase, evidence: &Evidence<'_>) -> Verdict {
    settle(flavour, phase, database(flavour, phase, evidence))
}

/// Decides what an error is that came instead of a connection.
///
/// A host that refuses, cannot be found or hangs up during the handshake is a [`Class::Failover`]: it cannot serve, be
/// it for a second or for good, and a prober, not a caller, finds out which. One that is there and has no room, or is
/// still starting, is [`Class::Busy`]. A wrong password, database or URL is [`Class::Permanent`].
///
/// ```
/// use aludel_core::classify::{Class, Flavour, classify_connect};
/// use diesel::ConnectionError;
///
/// let refused = "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  sorry, too many clients already\n";
/// let error = ConnectionError::BadConnection(refused.to_owned());
/// assert_eq!(classify_connect(Flavour::PostgreSql, &error).class, Class::Busy);
/// ```
pub fn classify_connect(flavour: Flavour, error: &ConnectionError) -> Verdict {
    match error {
        ConnectionError::BadConnection(text) => classify_with(
            flavour,
            Phase::Connect,
            &Evidence::new(DatabaseErrorKind::Unknown, text),
        ),
        ConnectionError::CouldntSetupConfiguration(error) => classify(flavour, Phase::Connect, error),
        _ => settle(flavour, Phase::Connect, rule::BAD_URL.verdict()),
    }
}

/// What it means that a server has not answered the pool in time: this host cannot serve now.
pub(crate) fn unresponsive() -> Verdict {
    rule::UNRESPONSIVE.verdict()
}

/// Decides what an error is whose connection is not known: it was converted with `?`, far from any session.
///
/// The tables of all flavours are asked in turn. Good enough for predicates such as "is it worth another try"; nothing
/// is retired on its word.
///
/// ```
/// use aludel_core::classify::{Class, classify_unknown_flavour};
/// use diesel::result::{DatabaseErrorKind, Error};
///
/// let error = Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new("deadlock detected".to_owned()));
/// assert_eq!(classify_unknown_flavour(&error).class, Class::Retry);
/// ```
pub fn classify_unknown_flavour(error: &DieselError) -> Verdict {
    match error {
        DieselError::DatabaseError(kind, information) => {
            let all = [Flavour::MySql, Flavour::PostgreSql, Flavour::Sqlite];
            let known = all
                .into_iter()
                .find(|flavour| find(*flavour, Phase::Statement, information.message()).is_some());
            // Kinds that name a condition mean the same everywhere.
            classify(known.unwrap_or(kind_speaker(*kind)), Phase::Statement, error)
        }
        DieselError::RollbackErrorOnCommit { commit_error, .. } => classify_unknown_flavour(commit_error),
        other => not_from_the_database(other),
    }
}

/// The flavour whose reading of a bare kind is taken where nothing else is known.
fn kind_speaker(kind: DatabaseErrorKind) -> Flavour {
    match kind {
        // Only libpq's side of Diesel ever says these.
        DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => Flavour::PostgreSql,
        _ => Flavour::MySql,
    }
}

fn rules(flavour: Flavour) -> &'static [Rule] {
    match flavour {
        Flavour::MySql => mysql::RULES,
        Flavour::PostgreSql => postgres::RULES,
        Flavour::Sqlite => sqlite::RULES,
    }
}

fn kinds(flavour: Flavour) -> &'static Kinds {
    match flavour {
        Flavour::MySql => &mysql::KINDS,
        Flavour::PostgreSql => &postgres::KINDS,
        Flavour::Sqlite => &sqlite::KINDS,
    }
}

/// The rule whose template `message` begins with, after what proxies and client libraries put before it.
fn find(flavour: Flavour, phase: Phase, message: &str) -> Option<&'static Rule> {
    match flavour {
        Flavour::MySql => mysql::find(phase, message),
        Flavour::PostgreSql => postgres::find(phase, message),
        Flavour::Sqlite => rule::find(rules(flavour), phase, template::first_line(message)),
    }
}

fn database(flavour: Flavour, phase: Phase, evidence: &Evidence<'_>) -> Verdict {
    let evidence = match flavour {
        // The rest of an extended result code says more than anybody asks for.
        Flavour::Sqlite => Evidence {
            number: evidence.number.map(|number| number & 0xff),
            ..*evidence
        },
        Flavour::MySql | Flavour::PostgreSql => *evidence,
    };
    let kind = evidence.kind;
    let kinds = kinds(flavour);
    let by_words = find(flavour, phase, evidence.text);
    let known = rule::checked(rules(flavour), phase, &evidence, by_words);
    // A kind comes from a number and outranks the words, which may only say more precisely what the kind says.
    let agreeing = |class| known.filter(|rule: &&Rule| rule.class == class);
    let rule = match kind {
        DatabaseErrorKind::UniqueViolation
        | DatabaseErrorKind::ForeignKeyViolation
        | DatabaseErrorKind::NotNullViolation
        | DatabaseErrorKind::CheckViolation
        | DatabaseErrorKind::RestrictViolation
        | DatabaseErrorKind::ExclusionViolation => &kinds.constraint,
        DatabaseErrorKind::SerializationFailure => agreeing(Class::Retry).unwrap_or(&kinds.serialization),
        DatabaseErrorKind::ReadOnlyTransaction => agreeing(Class::Failover).unwrap_or(&kinds.read_only),
        DatabaseErrorKind::ClosedConnection => agreeing(Class::Disconnect).unwrap_or(&kinds.closed),
        DatabaseErrorKind::UnableToSendCommand => known.unwrap_or(&kinds.unsendable),
        _ => known.unwrap_or(&kinds.unknown),
    };
    let mut verdict = rule.verdict();
    match kind {
        // Mostly libpq has seen the socket close; but Diesel says it of SQLSTATE 08006 and its like as well, which a RAISE
        // can give. A probe of a connection that is really dead costs nothing.
        DatabaseErrorKind::ClosedConnection => {
            verdict.by_text = verdict.class == Class::Disconnect && flavour == Flavour::PostgreSql;
        }
        // No server's words reach this kind; but without words that we know it may be a mere refusal.
        DatabaseErrorKind::UnableToSendCommand => {
            verdict.by_text = verdict.class == Class::Disconnect && known.is_none();
        }
        _ => {}
    }
    verdict
}

/// Errors that Diesel makes by itself. Each either was raised before anything was sent or after all of it was answered,
/// so the transaction stands; only in the second case may a COMMIT have happened.
fn not_from_the_database(error: &DieselError) -> Verdict {
    match error {
        DieselError::BrokenTransactionManager => &rule::BROKEN_MANAGER,
        DieselError::NotFound | DieselError::DeserializationError(_) | DieselError::IntegerConversion(_) => {
            &rule::ANSWERED
        }
        DieselError::InvalidCString(_)
        | DieselError::QueryBuilderError(_)
        | DieselError::SerializationError(_)
        | DieselError::RollbackTransaction
        | DieselError::AlreadyInTransaction
        | DieselError::NotInTransaction => &rule::NEVER_SENT,
        _ => &rule::UNHEARD_OF,
    }
    .verdict()
}

/// What the phase adds to what the table said.
fn settle(flavour: Flavour, phase: Phase, mut verdict: Verdict) -> Verdict {
    match phase {
        Phase::Connect => {
            if verdict.class == Class::Disconnect {
                // It hung up before there was a connection: nothing to retire, and a host that cannot serve now.
                verdict.class = Class::Failover;
                verdict.scope = None;
            }
            verdict.at_commit = CommitOutcome::NotCommitted;
            verdict.fate = Fate::Lost;
            verdict.by_text = false;
        }
        // SQLite is asked in any case; a connection that is gone has no transaction left to ask about.
        Phase::Commit if flavour != Flavour::Sqlite && verdict.fate != Fate::Lost => {
            verdict.fate = match verdict.at_commit {
                CommitOutcome::RolledBack => Fate::RolledBack,
                CommitOutcome::StillOpen => Fate::Open,
                CommitOutcome::NotCommitted | CommitOutcome::Unknown => Fate::Ask,
            };
        }
        _ => {}
    }
    verdict
}

#[cfg(test)]
mod tests;
