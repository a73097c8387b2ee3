//! The rules that no rerun may break, looked for in what went by: they are about statements and not about what anybody says
//! of them.
//!
//! 1. *Never inside a transaction.* A step goes by once in a transaction, and all steps of a transaction are of one run of
//!    one call: whoever joins is never run again by itself. None goes by outside of one.
//! 2. *Never after the outcome became unknown.* What went by in a transaction whose COMMIT was never answered does not go by
//!    again, unless its author has promised that this does no harm, or the tokens were looked at in between and the database
//!    had not executed that COMMIT. What was committed never goes by again.
//! 3. *Never without a rollback before it.* Before a step goes by again the transaction that it was in is over: rolled back,
//!    or its connection is at its end, or the client has left that connection and never says another word on it. Between
//!    two BEGINs on one connection there is a COMMIT or ROLLBACK that was answered, after a COMMIT that was refused there is
//!    a ROLLBACK, and after one that nobody has answered there is nothing.

#[cfg(test)]
mod tests;
mod transaction;

use std::collections::{BTreeSet, HashMap};

use super::{Line, Verb, Went};
use transaction::{Fate, Transaction};

/// A statement that belongs to the body of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// Which call, of those that nobody is around.
    pub call: u32,
    /// Which run of its body, counted from 1.
    pub run: u32,
    /// Which statement. One that goes by twice in a run has a number for each.
    pub number: u32,
}

/// When a call may be run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Never: it is not one that runs again.
    Never,
    /// While everybody knows that it has not happened.
    Known,
    /// Also after a COMMIT that was never answered, once it was found out that it has not happened.
    Verified,
    /// Also after any COMMIT that was never answered.
    Promised,
}

/// What is there when all is over, as far as the wire tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Steps that are committed.
    pub sure: BTreeSet<Step>,
    /// Steps of a transaction whose connection was lost with its COMMIT on the way: all of it is there, or nothing.
    pub perhaps: BTreeSet<Step>,
}

/// Holds the rules against what went by.
///
/// # Errors
///
/// The first rule that was broken, and how.
pub fn check(
    lines: &[Line],
    step: impl Fn(&str) -> Option<Step>,
    again: impl Fn(u32) -> Again,
) -> Result<Books, String> {
    let mut checker = Checker {
        step: &step,
        again: &again,
        connections: HashMap::new(),
        transactions: Vec::new(),
        sent: HashMap::new(),
    };
    for (number, line) in lines.iter().enumerate() {
        checker
            .line(line)
            .map_err(|broken| format!("line {}, `{line}`: {broken}", number + 1))?;
    }
    checker.end()
}

/// The row of a token, and not that of the table's identity.
fn reads_a_token(sql: &str) -> bool {
    sql.contains("FROM aludel_commits WHERE token = ") && !sql.contains("'identity'")
}

struct Checker<'a> {
    step: &'a dyn Fn(&str) -> Option<Step>,
    again: &'a dyn Fn(u32) -> Again,
    connections: HashMap<u64, Connection>,
    /// All of them, in the order of their BEGINs.
    transactions: Vec<Transaction>,
    /// In which one a step of a call went by last, whatever its run.
    sent: HashMap<(u32, u32), usize>,
}

#[derive(Default)]
struct Connection {
    /// The one that is not over, by its index.
    open: Option<usize>,
    /// What was asked and not answered.
    pending: Option<Pending>,
    ended: bool,
}

enum Pending {
    Control(Verb, String),
    Step(Step),
    Other,
}

impl Checker<'_> {
    fn line(&mut self, line: &Line) -> Result<(), String> {
        let connection = self.connections.entry(line.connection).or_default();
        if connection.ended && line.went != Went::Ended {
            return Err("this connection was at its end".to_owned());
        }
        match &line.went {
            Went::Connected => Ok(()),
            Went::FoundOut => {
                self.looked_at_tokens();
                Ok(())
            }
            Went::Asked(sql) => self.asked(line.connection, sql),
            Went::Answered { refused } => {
                let pending = connection.pending.take();
                let open = connection.open;
                self.answered(line.connection, open, pending, *refused);
                Ok(())
            }
            Went::AnswerLost { refused } => {
                self.commit_unanswered(line.connection, Some(!refused));
                Ok(())
            }
            Went::NeverArrived => {
                self.commit_unanswered(line.connection, Some(false));
                Ok(())
            }
            Went::Ended => {
                let lost_in_commit = matches!(connection.pending, Some(Pending::Control(Verb::Commit, _)));
                connection.ended = true;
                connection.pending = None;
                if let Some(open) = connection.open.take() {
                    self.transactions[open].lose(lost_in_commit);
                }
                Ok(())
            }
        }
    }

    fn asked(&mut self, number: u64, sql: &str) -> Result<(), String> {
        let verb = Verb::of(sql);
        let open = self.connections[&number].open;
        if let Some(open) = open {
            self.transactions[open].may_go_on(verb)?;
        }
        let pending = match (verb, (self.step)(sql)) {
            (Verb::Begin, _) if open.is_some() => {
                return Err("BEGIN, and the transaction before it was neither committed nor rolled back".to_owned());
            }
            (Verb::Other, Some(step)) => {
                let Some(open) = open else {
                    return Err("a step outside of a transaction".to_owned());
                };
                self.stepped(open, step)?;
                Pending::Step(step)
            }
            (Verb::Other, None) => {
                if reads_a_token(sql) {
                    self.looked_at_tokens();
                }
                Pending::Other
            }
            (verb, _) => Pending::Control(verb, sql.to_owned()),
        };
        self.connections.entry(number).or_default().pending = Some(pending);
        Ok(())
    }

    /// A step goes by: is it its turn?
    fn stepped(&mut self, open: usize, step: Step) -> Result<(), String> {
        self.transactions[open].enters(step)?;
        if let Some(before) = self.sent.insert((step.call, step.number), open) {
            if before == open {
                return Err("it went by in this transaction before: something inside of it was run again".to_owned());
            }
            let again = (self.again)(step.call);
            self.transactions[before]
                .may_come_again(again)
                .map_err(|broken| format!("a step of {:?} again: {broken}", self.transactions[before].of))?;
        }
        Ok(())
    }

    fn answered(&mut self, number: u64, open: Option<usize>, pending: Option<Pending>, refused: bool) {
        let connection = self.connections.entry(number).or_default();
        match (pending, open) {
            (Some(Pending::Control(Verb::Begin, _)), _) if !refused => {
                connection.open = Some(self.transactions.len());
                self.transactions.push(Transaction::default());
            }
            (Some(Pending::Control(Verb::Commit, _)), Some(open)) => {
                if refused {
                    self.transactions[open].fate = Fate::CommitRefused;
                } else {
                    self.transactions[open].fate = Fate::Committed;
                    connection.open = None;
                }
            }
            (Some(Pending::Control(Verb::Rollback, _)), Some(open)) if !refused => {
                self.transactions[open].fate = Fate::Over;
                connection.open = None;
            }
            (Some(Pending::Control(verb, sql)), Some(open)) if !refused => {
                self.transactions[open].savepoint(verb, &sql);
            }
            (Some(Pending::Step(step)), Some(open)) if !refused => self.transactions[open].done(step),
            _ => {}
        }
    }

    /// What was asked last was lost; of a COMMIT the proxy knows more than the client.
    fn commit_unanswered(&mut self, number: u64, executed: Option<bool>) {
        let connection = self.connections.entry(number).or_default();
        if let (Some(Pending::Control(Verb::Commit, _)), Some(open)) = (&connection.pending, connection.open) {
            self.transactions[open].fate = Fate::Unanswered {
                executed,
                looked_at: false,
            };
        }
    }

    /// Somebody looks at the tokens: perhaps at that of any COMMIT which was not answered by then.
    fn looked_at_tokens(&mut self) {
        for transaction in &mut self.transactions {
            if let Fate::Unanswered { looked_at, .. } = &mut transaction.fate {
                *looked_at = true;
            }
        }
    }

    /// All is over: nothing may be open.
    fn end(self) -> Result<Books, String> {
        let mut books = Books::default();
        for (number, connection) in &self.connections {
            if let Some(open) = connection.open {
                let of = self.transactions[open].of;
                return Err(format!(
                    "on connection {number} the transaction of {of:?} was left open"
                ));
            }
        }
        for transaction in self.transactions {
            match transaction.fate {
                Fate::Committed
                | Fate::Unanswered {
                    executed: Some(true), ..
                } => books.sure.extend(transaction.kept),
                Fate::Unanswered { executed: None, .. } => books.perhaps.extend(transaction.kept),
                _ => {}
            }
        }
        Ok(books)
    }
}
