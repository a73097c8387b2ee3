//! Numbers and SQLSTATEs, as far as they are known beside the words.

use crate::classify::Evidence;

/// What an error goes by at its server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::classify) struct Code {
    /// MySQL's error number, SQLite's primary result code.
    number: Option<u32>,
    /// The whole SQLSTATE, or its class (the first two characters).
    sqlstate: &'static str,
    /// Whether it says what it says without the words as well.
    alone: bool,
}

/// A number of MariaDB or MySQL with its SQLSTATE: never enough by itself, since the two servers have given the same
/// numbers to different errors (4031), and most numbers have the SQLSTATE that says nothing (HY000).
pub(in crate::classify) const fn mysql(number: u32, sqlstate: &'static str) -> Code {
    Code {
        number: Some(number),
        sqlstate,
        alone: false,
    }
}

/// A SQLSTATE, or a class of them, that means one thing.
pub(in crate::classify) const fn sqlstate(sqlstate: &'static str) -> Code {
    Code {
        number: None,
        sqlstate,
        alone: true,
    }
}

/// A primary result code of SQLite.
pub(in crate::classify) const fn sqlite(number: u32) -> Code {
    Code {
        number: Some(number),
        sqlstate: "",
        alone: true,
    }
}

impl Code {
    /// For a code that words of several meanings share, or for a SQLSTATE that only one number has.
    pub(in crate::classify) const fn alone(mut self, alone: bool) -> Self {
        self.alone = alone;
        self
    }

    /// Whether what is known is this code.
    pub(super) fn agrees(&self, evidence: &Evidence<'_>) -> bool {
        let same_number = match (self.number, evidence.number) {
            (Some(number), Some(known)) => number == known,
            _ => true,
        };
        same_number && evidence.sqlstate.is_none_or(|known| known.starts_with(self.sqlstate))
    }

    /// Whether it is enough without the words. A number is never enough where there are SQLSTATEs.
    pub(super) fn decides(&self, evidence: &Evidence<'_>) -> bool {
        let heard = if self.sqlstate.is_empty() {
            evidence.number.is_some()
        } else {
            evidence.sqlstate.is_some()
        };
        self.alone && heard && self.agrees(evidence)
    }
}
