//! What can be at the head of an error.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use diesel::result::Error as DieselError;

use super::{ErrorKind, Exit};
use crate::fault::Fault;
use crate::pool::PoolError;
use crate::url::UrlError;

/// See [`ErrorKind`].
pub(super) enum Cause {
    Configuration(String),
    Url(UrlError),
    Connect(Box<dyn StdError + Send + Sync>),
    Pool(PoolError),
    Statement(DieselError),
    Commit(Fault),
    CommitUnknown(Fault),
    CommitUnresolved(Duration),
    Doomed(Fault),
    TransactionAlreadyOpen { first_write: String },
    Misuse(String),
    Object { kind: ErrorKind, text: String },
    Exit(Exit),
    Other(Box<dyn StdError + Send + Sync>),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(text) | Self::Misuse(text) | Self::Object { text, .. } => f.write_str(text),
            Self::Url(error) => error.fmt(f),
            Self::Connect(error) => write!(f, "no connection could be made: {error}"),
            Self::Pool(error) => {
                error.fmt(f)?;
                // What a driver, a hook or a foreign pool said, for those who read the first line only.
                error.source().map_or(Ok(()), |source| write!(f, ": {source}"))
            }
            Self::Statement(error) => error.fmt(f),
            Self::Commit(fault) => write!(f, "COMMIT failed: {fault}"),
            Self::CommitUnknown(fault) => write!(
                f,
                "COMMIT was sent and its answer never came, it may or may not have happened: {fault}"
            ),
            Self::CommitUnresolved(waited) => write!(
                f,
                "what has become of the COMMIT could not be found out within {waited:.1?}: its transaction is still in \
                 flight, or the database could not be asked"
            ),
            Self::Doomed(fault) => write!(
                f,
                "this transaction has failed and takes nothing but its rollback; first cause: {fault}"
            ),
            Self::TransactionAlreadyOpen { first_write } => write!(
                f,
                "a transaction is already open on this session and has unfinished work, first write: {first_write}; \
                 end it with commit() or rollback(), nest with begin_nested, or use a session of its own \
                 (engine.begin)"
            ),
            Self::Exit(exit) => write!(f, "exit: {exit}"),
            Self::Other(error) => error.fmt(f),
        }
    }
}
