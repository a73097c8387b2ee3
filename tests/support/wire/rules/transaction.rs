//! One transaction, as it is seen from the wire.

use super::super::Verb;
use super::{Again, Step};

#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// The call and the run that its steps are of, once there was one.
    pub(super) of: Option<(u32, u32)>,
    /// What would be there if it were committed now.
    pub(super) kept: Vec<Step>,
    savepoints: Vec<(String, usize)>,
    pub(super) fate: Fate,
    /// A step of it went by elsewhere before it was over: its client has left.
    left: bool,
}

/// What has become of a transaction, or will.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fate {
    /// Ends with the answer to COMMIT or ROLLBACK, or with its connection.
    #[default]
    Open,
    /// COMMIT was answered with an error; ends with ROLLBACK, or with its connection.
    CommitRefused,
    /// COMMIT was answered. For good.
    Committed,
    /// Rolled back, or gone with its connection. For good.
    Over,
    /// COMMIT was asked for, and its answer never came. For good.
    Unanswered {
        /// Whether the database did it; `None` where nobody knows, since the connection ended meanwhile.
        executed: Option<bool>,
        /// Whether somebody has looked at the tokens since.
        looked_at: bool,
    },
}

impl Transaction {
    /// Whether a statement may follow here.
    pub(super) fn may_go_on(&self, verb: Verb) -> Result<(), String> {
        if self.left {
            return Err("a step of this transaction went by elsewhere before this".to_owned());
        }
        match self.fate {
            Fate::CommitRefused if verb != Verb::Rollback => {
                Err("COMMIT was refused here, and there was no ROLLBACK".to_owned())
            }
            Fate::Unanswered { .. } => Err("COMMIT was never answered here".to_owned()),
            _ => Ok(()),
        }
    }

    /// A step goes by in it.
    pub(super) fn enters(&mut self, step: Step) -> Result<(), String> {
        match self.of {
            Some(of) if of != (step.call, step.run) => {
                Err(format!("{:?} in the transaction of {of:?}", (step.call, step.run)))
            }
            _ => {
                self.of = Some((step.call, step.run));
                Ok(())
            }
        }
    }

    /// A step was answered.
    pub(super) fn done(&mut self, step: Step) {
        self.kept.push(step);
    }

    /// A savepoint was set, released or rolled back to.
    pub(super) fn savepoint(&mut self, verb: Verb, sql: &str) {
        let name = sql.split_whitespace().last().unwrap_or_default();
        let at = self.savepoints.iter().rposition(|(known, _)| known == name);
        match (verb, at) {
            (Verb::Savepoint, _) => self.savepoints.push((name.to_owned(), self.kept.len())),
            (Verb::Release, Some(at)) => self.savepoints.truncate(at),
            (Verb::RollbackTo, Some(at)) => {
                self.kept.truncate(self.savepoints[at].1);
                self.savepoints.truncate(at + 1);
            }
            _ => {}
        }
    }

    /// Its connection is at its end; perhaps while COMMIT was on its way.
    pub(super) fn lose(&mut self, in_commit: bool) {
        match self.fate {
            Fate::Open if in_commit => {
                self.fate = Fate::Unanswered {
                    executed: None,
                    looked_at: false,
                };
            }
            Fate::Open | Fate::CommitRefused => self.fate = Fate::Over,
            Fate::Committed | Fate::Over | Fate::Unanswered { .. } => {}
        }
    }

    /// A step of it is about to go by in another one.
    pub(super) fn may_come_again(&mut self, again: Again) -> Result<(), String> {
        let broken = match (again, self.fate) {
            (Again::Never, _) => "it is not one that runs again",
            (_, Fate::Committed) => "it was committed",
            (Again::Known, Fate::Unanswered { .. }) => "its COMMIT was never answered",
            (
                Again::Verified,
                Fate::Unanswered {
                    executed: Some(true), ..
                },
            ) => "its COMMIT was executed",
            (Again::Verified, Fate::Unanswered { looked_at: false, .. }) => {
                "its COMMIT was never answered, and nobody has looked at the tokens"
            }
            // Where the client has closed the connection, which nobody has to hear at once, this was its last word.
            (_, Fate::Open | Fate::CommitRefused) => {
                self.left = true;
                return Ok(());
            }
            (_, Fate::Over | Fate::Unanswered { .. }) => return Ok(()),
        };
        Err(broken.to_owned())
    }
}
