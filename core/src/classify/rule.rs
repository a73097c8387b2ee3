//! One line of a table, and the lines that all tables share.

use super::template;
use super::{Class, CommitOutcome, Evidence, Fate, Phase, Scope, Verdict};

mod code;

pub(super) use code::{Code, mysql, sqlite, sqlstate};

/// When a rule may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum When {
    /// In every phase.
    Always,
    /// Only while connecting.
    Connecting,
    /// Only on a connection that is there.
    Connected,
}

/// What a message, or one of Diesel's kinds, stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// Flavour, number and meaning.
    pub(super) name: &'static str,
    /// Templates (see [`template`]); none for a rule that goes by Diesel's kind.
    pub(super) texts: &'static [&'static str],
    /// What its errors go by; none where proxies and servers use what they like.
    pub(super) codes: &'static [Code],
    pub(super) class: Class,
    pub(super) scope: Option<Scope>,
    pub(super) at_commit: CommitOutcome,
    pub(super) fate: Fate,
    pub(super) when: When,
}

impl Rule {
    /// A rule that claims as little as it can: the outcome of a COMMIT is unknown, the server must be asked.
    pub(super) const fn new(name: &'static str, class: Class, texts: &'static [&'static str]) -> Self {
        Self {
            name,
            texts,
            codes: &[],
            class,
            scope: None,
            at_commit: CommitOutcome::Unknown,
            fate: Fate::Ask,
            when: When::Always,
        }
    }

    /// The connection died: a COMMIT on its way may have arrived, the transaction is gone.
    pub(super) const fn disconnect(name: &'static str, scope: Scope, texts: &'static [&'static str]) -> Self {
        Self::new(name, Class::Disconnect, texts)
            .retires(scope)
            .fate(Fate::Lost)
    }

    pub(super) const fn retires(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }

    pub(super) const fn at_commit(mut self, outcome: CommitOutcome) -> Self {
        self.at_commit = outcome;
        self
    }

    pub(super) const fn fate(mut self, fate: Fate) -> Self {
        self.fate = fate;
        self
    }

    pub(super) const fn codes(mut self, codes: &'static [Code]) -> Self {
        self.codes = codes;
        self
    }

    pub(super) const fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    pub(super) fn verdict(&self) -> Verdict {
        Verdict {
            class: self.class,
            scope: self.scope,
            at_commit: self.at_commit,
            fate: self.fate,
            // The kinds that prove it say so themselves.
            by_text: matches!(self.class, Class::Disconnect) && !self.texts.is_empty(),
            rule: self.name,
        }
    }

    /// Whether nothing that is known beside the words speaks against this rule.
    fn agrees(&self, evidence: &Evidence<'_>) -> bool {
        self.codes.is_empty() && !evidence.is_raised() || self.codes.iter().any(|code| code.agrees(evidence))
    }

    fn applies(&self, phase: Phase) -> bool {
        match self.when {
            When::Always => true,
            When::Connecting => phase == Phase::Connect,
            When::Connected => phase != Phase::Connect,
        }
    }
}

/// The first rule that applies in `phase` and describes the start of `line`.
pub(super) fn find(rules: &'static [Rule], phase: Phase, line: &str) -> Option<&'static Rule> {
    rules
        .iter()
        .find(|rule| rule.applies(phase) && rule.texts.iter().any(|text| template::matches(text, line)))
}

/// What the codes make of the rule that the words have led to: the same, another one, or none.
pub(super) fn checked(
    rules: &'static [Rule],
    phase: Phase,
    evidence: &Evidence<'_>,
    by_words: Option<&'static Rule>,
) -> Option<&'static Rule> {
    if !evidence.has_codes() {
        return by_words;
    }
    by_words.filter(|rule| rule.agrees(evidence)).or_else(|| {
        rules
            .iter()
            .find(|rule| rule.applies(phase) && rule.codes.iter().any(|code| code.decides(evidence)))
    })
}

/// What Diesel's kinds mean to one flavour.
#[derive(Debug)]
pub(super) struct Kinds {
    /// Unique, foreign key, not null, check, restrict and exclusion violations.
    pub(super) constraint: Rule,
    /// `SerializationFailure`: SQLSTATE 40001, MySQL 1213.
    pub(super) serialization: Rule,
    /// `ReadOnlyTransaction`: SQLSTATE 25006, MySQL 1792.
    pub(super) read_only: Rule,
    /// `ClosedConnection`.
    pub(super) closed: Rule,
    /// `UnableToSendCommand`, which also stands for a statement that the client library refuses.
    pub(super) unsendable: Rule,
    /// Everything else.
    pub(super) unknown: Rule,
}

/// A URL that could not be read.
pub(super) const BAD_URL: Rule = Rule::new("diesel url", Class::Permanent, &[]);

/// A server that was asked by the pool and has not answered in time. Nothing was begun, and its other connections may be
/// as well as they were: they are tested as they come.
pub(super) const UNRESPONSIVE: Rule = Rule::new("no answer within pool_timeout", Class::Failover, &[])
    .at_commit(CommitOutcome::NotCommitted)
    .fate(Fate::Open);

/// Diesel no longer knows where the transaction stands and sends nothing any more on this connection. The others are
/// not concerned, and the transaction's work is lost with the connection.
pub(super) const BROKEN_MANAGER: Rule = Rule::new("diesel broken transaction manager", Class::Disconnect, &[])
    .retires(Scope::Connection)
    .at_commit(CommitOutcome::NotCommitted)
    .fate(Fate::Lost);

/// The database answered, and what it answered could not be read or was not there.
pub(super) const ANSWERED: Rule = Rule::new("diesel result", Class::Permanent, &[]).fate(Fate::Open);

/// Refused before anything was sent.
pub(super) const NEVER_SENT: Rule = Rule::new("diesel not sent", Class::Permanent, &[])
    .at_commit(CommitOutcome::NotCommitted)
    .fate(Fate::Open);

/// A variant that a later Diesel may bring.
pub(super) const UNHEARD_OF: Rule = Rule::new("diesel unheard of", Class::Permanent, &[]);
