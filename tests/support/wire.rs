//! What goes by between a client and its database, one line after the other, and [the rules](rules) that no rerun may break.
//!
//! A [proxy](crate::proxy) writes it down for a server. On `SQLite`, which has no wire, [`Recorder`] writes what its engine
//! tells of each statement.

mod recorder;
pub mod rules;
mod verb;

pub use recorder::Recorder;
pub use verb::Verb;

use std::fmt;

/// One thing that went by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Number of the connection, counted from 1.
    pub connection: u64,
    /// What it was.
    pub went: Went,
}

/// See [`Line`]. A statement is followed by one of the three that say what became of it, or by the end of its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Went {
    /// A client has connected.
    Connected,
    /// It executes a statement, whether or not that gets there.
    Asked(String),
    /// It has its answer.
    Answered {
        /// The answer is an error.
        refused: bool,
    },
    /// The database has executed the statement, and the client never sees the answer.
    AnswerLost {
        /// The answer was an error.
        refused: bool,
    },
    /// The database never sees the statement.
    NeverArrived,
    /// The connection is at its end.
    Ended,
    /// Somebody has found out what became of a COMMIT, by statements that only a real wire shows. The connection is 0.
    FoundOut,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connection = self.connection;
        match &self.went {
            Went::Connected => write!(f, "{connection} connects"),
            Went::Asked(sql) => write!(f, "{connection} {sql}"),
            Went::Answered { refused: false } => write!(f, "{connection} - ok"),
            Went::Answered { refused: true } => write!(f, "{connection} - an error"),
            Went::AnswerLost { refused: false } => write!(f, "{connection} - ok, and nobody hears of it"),
            Went::AnswerLost { refused: true } => write!(f, "{connection} - an error, and nobody hears of it"),
            Went::NeverArrived => write!(f, "{connection} - never arrives"),
            Went::Ended => write!(f, "{connection} ends"),
            Went::FoundOut => f.write_str("what became of a COMMIT is found out"),
        }
    }
}
