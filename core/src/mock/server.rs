//! As much of a server as a session can see from outside.

use diesel::result::{DatabaseErrorKind, Error as DieselError, QueryResult};

use crate::classify::{Class, CommitOutcome, Fate, Flavour, Phase, classify};
use crate::control::Control;
use crate::dialect::ServerTransaction;

/// What the server would know of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// No transaction is open. Exits: BEGIN to `Open`, a disconnect to `Gone`.
    Idle,
    /// A transaction is open. Exits: COMMIT, ROLLBACK, an error that rolls back and, on MariaDB and MySQL, DDL to `Idle`;
    /// on PostgreSQL any error to `Aborted`; a disconnect to `Gone`.
    Open,
    /// PostgreSQL after an error. Exits: ROLLBACK TO to `Open`; COMMIT and ROLLBACK to `Idle`; a disconnect to `Gone`.
    Aborted,
    /// The connection is lost. No exit.
    Gone,
}

impl Server {
    /// Refuses what a lost connection cannot carry.
    pub(super) fn reachable(self) -> QueryResult<()> {
        if self == Self::Gone {
            let text = "the connection was lost, as the mock's executor had said";
            return Err(DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection,
                Box::new(text.to_owned()),
            ));
        }
        Ok(())
    }

    pub(super) fn transaction(self) -> ServerTransaction {
        match self {
            Self::Open => ServerTransaction::Open,
            Self::Aborted => ServerTransaction::Aborted,
            Self::Idle | Self::Gone => ServerTransaction::None,
        }
    }

    /// A control statement has succeeded.
    pub(super) fn controlled(&mut self, control: Control) {
        *self = match control {
            Control::Begin | Control::BeginImmediate | Control::RollbackTo(_) => Self::Open,
            Control::Commit | Control::Rollback => Self::Idle,
            Control::Savepoint(_) | Control::Release(_) => return,
        };
    }

    /// Raw SQL has succeeded. Several statements in one text are judged by the first.
    pub(super) fn executed(&mut self, flavour: Flavour, sql: &str) {
        let mut words = sql
            .split(|c: char| !c.is_ascii_alphabetic())
            .filter(|word| !word.is_empty());
        let mut word = || words.next().unwrap_or_default().to_ascii_uppercase();
        match word().as_str() {
            "BEGIN" => *self = Self::Open,
            "START" if word() == "TRANSACTION" => *self = Self::Open,
            "ROLLBACK" if word() == "TO" => *self = Self::Open,
            "COMMIT" | "ROLLBACK" => *self = Self::Idle,
            "CREATE" | "ALTER" | "DROP" | "TRUNCATE" | "RENAME"
                if flavour == Flavour::MySql && word() != "TEMPORARY" =>
            {
                *self = Self::Idle;
            }
            _ => {}
        }
    }

    /// The executor has answered with an error.
    pub(super) fn failed(&mut self, flavour: Flavour, phase: Phase, error: &DieselError) {
        let verdict = classify(flavour, phase, error);
        *self = match (*self, verdict.fate) {
            _ if verdict.class == Class::Disconnect => Self::Gone,
            (Self::Gone | Self::Idle, _) => return,
            _ if phase == Phase::Commit && verdict.at_commit != CommitOutcome::StillOpen => Self::Idle,
            (_, Fate::RolledBack | Fate::Lost | Fate::Committed) => Self::Idle,
            (_, Fate::FrameAborted) => Self::Aborted,
            (now, _) => now,
        };
    }
}
