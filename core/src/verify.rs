//! What is left of a COMMIT whose answer never came, and who may ask about it.
//!
//! A verified transaction writes a row of its own before COMMIT: its [`CommitToken`]. Whoever has the token can find out
//! what became of the transaction, on another connection, in another process, after a crash. The row says `committed`; a
//! resolver that finds no row writes `fenced` in its place, and from then on the transaction can never be committed.
//!
//! This module has what both sides must agree on: token, table, answer. The statements are the dialects', and writing and
//! resolving is done by the layer above.

use std::fmt;

mod table;
mod token;

pub use table::CommitTable;
pub use token::CommitToken;
#[doc(hidden)]
pub use token::{Recorded, ServerTransactionId};

/// What has become of a transaction whose COMMIT was never answered.
///
/// ```
/// use aludel_core::verify::Resolution;
///
/// assert_eq!(Resolution::NotCommitted.to_string(), "not committed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// It is committed: all that it wrote is there.
    Committed,
    /// It is not committed and never will be: it may run again.
    NotCommitted,
    /// The token is older than tokens are kept for, so nobody can tell any more.
    Expired,
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Committed => "committed",
            Self::NotCommitted => "not committed",
            Self::Expired => "expired",
        })
    }
}

/// What the table of tokens says of one of them.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The transaction wrote it, and is committed.
    Committed,
    /// A resolver wrote it, and the transaction never will be.
    Fenced,
}

impl Mark {
    /// From the column `outcome`; nothing else is ever in it.
    #[doc(hidden)]
    pub fn parse(outcome: &str) -> Option<Self> {
        match outcome {
            "committed" => Some(Self::Committed),
            "fenced" => Some(Self::Fenced),
            _ => None,
        }
    }
}

/// What a server knows of the transaction itself, by its number.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerWord {
    /// It was rolled back, or died with its server.
    Aborted,
    /// Anything else, which the table can tell better.
    Unsure,
}

/// A table of tokens that was found.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownTable {
    /// The random number that was written into it when it was made.
    pub identity: u64,
    /// The server can be asked for a transaction by its number (PostgreSQL).
    pub asks_by_number: bool,
}
