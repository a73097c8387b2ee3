//! What a proxy waits for, what it does then, and how often.

use crate::wire::Verb;
use std::collections::VecDeque;

/// What must go by for a fault to strike. Control statements are told by their first words, however they were sent: as
/// text, or as the execution of a prepared statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A client connects. Of the faults it makes no difference here whether they strike before or after.
    Connect,
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`, `END`.
    Commit,
    /// `ROLLBACK`, `ABORT`, of the whole transaction.
    Rollback,
    /// `SAVEPOINT`.
    Savepoint,
    /// `RELEASE`.
    Release,
    /// `ROLLBACK TO`.
    RollbackTo,
    /// Any statement that steers no transaction.
    Statement,
    /// A statement with this text in it, upper and lower case as they are.
    Containing(&'static str),
    /// A statement of that kind is not executed but prepared.
    Preparing(&'static Trigger),
    /// The server sends the row with this number, counted from 1, of one result. Those before it reach the client. Where
    /// the client never gets this one it makes no difference whether a fault strikes before or after.
    Row(u64),
}

/// What a proxy does to the statement, the connection or the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Both sides are closed, and the server never sees the statement.
    CutBefore,
    /// The server executes the statement; when it has answered, both sides are closed and the client never sees the
    /// answer.
    CutAfter,
    /// [`CutBefore`](Self::CutBefore), and the client gets a reset (RST) instead of an end.
    ResetBefore,
    /// [`CutAfter`](Self::CutAfter), and the client gets a reset (RST) instead of an end.
    ResetAfter,
    /// The server never sees the statement, and nobody closes anything: the client waits until
    /// [`Proxy::release`](super::Proxy::release), and is cut off then.
    SwallowBefore,
    /// The server executes the statement and its answer is kept back, with both sides open: the client waits until
    /// [`Proxy::release`](super::Proxy::release), and is cut off then.
    Swallow,
    /// The statement is delayed: it goes on to the server with [`Proxy::release`](super::Proxy::release).
    Hold,
    /// The answer is delayed: it goes on to the client with [`Proxy::release`](super::Proxy::release).
    HoldAnswer,
    /// The proxy answers with an error of its own, and the server never sees the statement. A server that had failed the
    /// statement may have rolled back, too; this one knows of nothing.
    Answer(Refusal),
    /// The server executes the statement, and the client gets this error in the place of the answer.
    AnswerAfter(Refusal),
}

/// An error as a server would answer it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub(super) number: u16,
    pub(super) sqlstate: &'static str,
    pub(super) message: String,
}

impl Refusal {
    /// An error of MariaDB's or MySQL's. The SQLSTATE has five characters.
    pub fn mysql(number: u16, sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self {
            number,
            sqlstate,
            message: message.into(),
        }
    }

    /// An error of PostgreSQL's. The SQLSTATE has five characters.
    pub fn postgres(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self::mysql(0, sqlstate, message)
    }
}

/// What a client has done, as far as triggers are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Did {
    /// Has connected.
    Connect,
    /// Prepares a statement.
    Prepare(String),
    /// Executes a statement, or a batch of them, prepared or not.
    Execute(String),
    /// Whatever else its protocol has, by a name for the log.
    Other(&'static str),
}

/// A trigger, what it sets off, and how often that is still to happen.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) trigger: Trigger,
    /// Only statements with this text in them count.
    pub(super) within: Option<&'static str>,
    /// Only in transactions that have executed a statement with this text in it.
    pub(super) writing: Option<&'static str>,
    /// So many go by before it begins.
    pub(super) skip: u64,
    /// So many are struck; `None` is all.
    pub(super) times: Option<u64>,
    /// In turn, the one that is due first; `None` lets what was meant go by.
    pub(super) faults: VecDeque<Option<Fault>>,
}

impl Trigger {
    fn meets(&self, did: &Did) -> bool {
        match (self, did) {
            (Self::Connect, Did::Connect) => true,
            (Self::Preparing(what), Did::Prepare(sql)) => what.meets_statement(sql),
            (_, Did::Execute(sql)) => self.meets_statement(sql),
            _ => false,
        }
    }

    fn meets_statement(&self, sql: &str) -> bool {
        let verb = Verb::of(sql);
        match self {
            Self::Begin => verb == Verb::Begin,
            Self::Commit => verb == Verb::Commit,
            Self::Rollback => verb == Verb::Rollback,
            Self::Savepoint => verb == Verb::Savepoint,
            Self::Release => verb == Verb::Release,
            Self::RollbackTo => verb == Verb::RollbackTo,
            Self::Statement => verb == Verb::Other,
            Self::Containing(text) => sql.contains(text),
            Self::Connect | Self::Preparing(_) | Self::Row(_) => false,
        }
    }
}

impl Fault {
    /// Whether it lets the statement through and strikes its answer.
    pub(super) fn needs_the_answer(&self) -> bool {
        matches!(
            self,
            Self::CutAfter | Self::ResetAfter | Self::Swallow | Self::HoldAnswer | Self::AnswerAfter(_)
        )
    }
}

impl Did {
    /// The statement, where it is about one.
    pub(super) fn sql(&self) -> Option<&str> {
        match self {
            Self::Prepare(sql) | Self::Execute(sql) => Some(sql),
            Self::Connect | Self::Other(_) => None,
        }
    }
}

impl Rule {
    /// What strikes that which a client has done, if this is what was waited for. `executed` is what its transaction has
    /// executed so far.
    pub(super) fn strikes(&mut self, did: &[Did], executed: &[String]) -> Option<Fault> {
        let meets = did.iter().any(|did| {
            let within = match did {
                Did::Prepare(sql) | Did::Execute(sql) => self.within.is_none_or(|text| sql.contains(text)),
                Did::Connect | Did::Other(_) => self.within.is_none(),
            };
            within && self.trigger.meets(did)
        });
        let writing = |text: &str| executed.iter().any(|sql| sql.contains(text));
        if meets && self.writing.is_none_or(writing) {
            self.take_turn()
        } else {
            None
        }
    }

    /// What strikes a row of the answer to `sql`.
    pub(super) fn strikes_row(&mut self, sql: &str, number: u64) -> Option<Fault> {
        if self.trigger == Trigger::Row(number) && self.within.is_none_or(|text| sql.contains(text)) {
            self.take_turn()
        } else {
            None
        }
    }

    fn take_turn(&mut self) -> Option<Fault> {
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        match &mut self.times {
            None => {}
            Some(0) => return None,
            Some(left) => *left -= 1,
        }
        let fault = self.faults.front().cloned().flatten();
        self.faults.rotate_left(1.min(self.faults.len()));
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(trigger: Trigger, within: Option<&'static str>, skip: u64, times: Option<u64>) -> Rule {
        Rule {
            trigger,
            within,
            writing: None,
            skip,
            times,
            faults: VecDeque::from([Some(Fault::CutBefore)]),
        }
    }

    fn execute(sql: &str) -> [Did; 1] {
        [Did::Execute(sql.to_owned())]
    }

    fn strikes(rule: &mut Rule, sql: &str) -> bool {
        rule.strikes(&execute(sql), &[]).is_some()
    }

    #[test]
    fn the_nth_and_those_after_it_are_struck_as_often_as_was_said() {
        let mut second_and_third = rule(Trigger::Commit, None, 1, Some(2));
        let struck: Vec<_> = (0..5).map(|_| strikes(&mut second_and_third, "COMMIT")).collect();
        assert_eq!(struck, [false, true, true, false, false]);
        let mut all = rule(Trigger::Commit, None, 0, None);
        assert!((0..5).all(|_| strikes(&mut all, "COMMIT")));
    }

    #[test]
    fn what_does_not_meet_the_trigger_takes_no_turn() {
        let mut rule = rule(Trigger::Statement, Some("accounts"), 1, Some(1));
        let texts = [
            "SELECT 1",
            "SAVEPOINT accounts",
            "SELECT * FROM accounts",
            "SELECT 2",
            "DELETE FROM accounts",
        ];
        let struck: Vec<_> = texts.iter().map(|sql| strikes(&mut rule, sql)).collect();
        assert_eq!(struck, [false, false, false, false, true]);
        let others = [Did::Connect, Did::Other("ping")];
        assert!(
            others
                .iter()
                .all(|did| rule.strikes(std::slice::from_ref(did), &[]).is_none())
        );
    }

    #[test]
    fn faults_take_turns_and_spare_who_has_written_something_else() {
        let mut rule = rule(Trigger::Commit, None, 0, None);
        rule.writing = Some("charges");
        rule.faults = VecDeque::from([Some(Fault::CutBefore), None, Some(Fault::CutAfter)]);
        let (charges, tokens) = (
            ["INSERT INTO charges".to_owned()],
            ["INSERT INTO aludel_commits".to_owned()],
        );
        let mut commit = |executed: &[String]| rule.strikes(&execute("COMMIT"), executed);
        assert_eq!((commit(&tokens), commit(&[])), (None, None));
        let struck: Vec<_> = (0..4).map(|_| commit(&charges)).collect();
        let (before, after) = (Some(Fault::CutBefore), Some(Fault::CutAfter));
        assert_eq!(struck, [before.clone(), None, after, before]);
    }

    #[test]
    fn preparing_is_not_executing() {
        let mut preparing = rule(Trigger::Preparing(&Trigger::Commit), None, 0, None);
        let mut prepared = |sql: &str| preparing.strikes(&[Did::Prepare(sql.to_owned())], &[]).is_some();
        assert!(!prepared("BEGIN") && prepared("COMMIT"));
        assert!(!strikes(&mut preparing, "COMMIT"));
        let mut executing = rule(Trigger::Commit, None, 0, None);
        assert!(executing.strikes(&[Did::Prepare("COMMIT".to_owned())], &[]).is_none());
    }

    #[test]
    fn a_row_is_counted_in_its_own_result() {
        let mut third = rule(Trigger::Row(3), Some("accounts"), 0, Some(1));
        assert!(third.strikes_row("SELECT * FROM accounts", 2).is_none());
        assert!(third.strikes_row("SELECT 1", 3).is_none());
        assert!(third.strikes_row("SELECT * FROM accounts", 3).is_some());
        assert!(third.strikes_row("SELECT * FROM accounts", 3).is_none());
    }
}
