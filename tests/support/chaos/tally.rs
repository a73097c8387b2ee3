//! What the engines tell their listener, counted; and every error that nobody has a word for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aludel::classify::{Flavour, Phase, classify};
use aludel::prelude::*;
use aludel::{Error, ErrorKind, Outcome};
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::transfer::{Way, is_on_purpose};

/// Counts, for all engines of a run together. Most of what is counted is rare, so one lock does no harm.
#[derive(Debug)]
pub(super) struct Tally {
    flavour: Flavour,
    counts: Mutex<Counts>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) opened: u64,
    pub(super) retired: u64,
    pub(super) unknown_commits: u64,
    /// Reruns of `#[retry]`, by the class of what ended the attempt before.
    pub(super) reruns: BTreeMap<String, u64>,
    /// Errors of the driver, by phase and class.
    pub(super) faults: BTreeMap<String, u64>,
    /// Calls that failed, by kind and class.
    pub(super) refusals: BTreeMap<String, u64>,
    /// Errors that no rule knows, or that do not say what has become of the data.
    pub(super) complaints: BTreeSet<String>,
}

impl Tally {
    pub(super) fn new(flavour: Flavour) -> Self {
        Self {
            flavour,
            counts: Mutex::default(),
        }
    }

    /// The listener.
    pub(super) fn note(&self, event: &Event<'_>) {
        match event {
            Event::Connect { .. } => self.counts().opened += 1,
            Event::Retire { .. } => self.counts().retired += 1,
            Event::CommitUnknown { .. } => self.counts().unknown_commits += 1,
            Event::Rerun { class, .. } => add(&mut self.counts().reruns, class.to_string()),
            Event::Fault {
                class, phase, message, ..
            } => {
                // What no rule knows is permanent; what has a kind of its own may have any words.
                let complaint = (*class == Class::Permanent)
                    .then(|| self.unheard_of(*phase, message))
                    .flatten();
                let mut counts = self.counts();
                add(&mut counts.faults, format!("{class} in {phase}"));
                counts.complaints.extend(complaint);
            }
            Event::ConnectFailed { error } => {
                let verdict = error.downcast_ref::<Error>().and_then(Error::verdict);
                let mut counts = self.counts();
                match verdict.filter(|verdict| !verdict.rule.ends_with("unknown")) {
                    Some(verdict) => add(&mut counts.faults, format!("{} in connect", verdict.class)),
                    None => drop(
                        counts
                            .complaints
                            .insert(format!("no rule knows what this is, in connect: {error}")),
                    ),
                }
            }
            _ => {}
        }
    }

    /// A call that failed: its error must say what it is, and what has become of the data.
    pub(super) fn note_refusal(&self, way: Way, error: &Error) {
        let complaint = complaint(way, error);
        let mut counts = self.counts();
        let text = if is_on_purpose(error) {
            "on purpose".to_owned()
        } else {
            match error.verdict() {
                // Of what cannot be helped one wants to know what it was.
                Some(verdict) if verdict.class == Class::Permanent => format!("{:?} ({})", error.kind(), verdict.rule),
                _ => format!("{:?} ({})", error.kind(), error.class()),
            }
        };
        add(&mut counts.refusals, text);
        counts.complaints.extend(complaint);
    }

    pub(super) fn complaints(&self) -> Vec<String> {
        self.counts().complaints.iter().cloned().collect()
    }

    pub(super) fn take(&self) -> Counts {
        std::mem::take(&mut *self.counts())
    }

    /// Whether no rule knows these words. Constraints have a kind of their own, and are known by their words as well.
    fn unheard_of(&self, phase: Phase, message: &str) -> Option<String> {
        let error = DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()));
        let rule = classify(self.flavour, phase, &error).rule;
        rule.ends_with("unknown")
            .then(|| format!("no rule knows what this is, in {phase}: {message}"))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is wrong with an error, if anything is.
fn complaint(way: Way, error: &Error) -> Option<String> {
    if is_on_purpose(error) {
        return None;
    }
    let says_what_became_of_the_data = match error.outcome() {
        Some(Outcome::Unknown) => error.is_commit_unknown(),
        Some(Outcome::NotBegun | Outcome::RolledBack) => true,
        // A statement's own error, which its caller ended the transaction after; or one that went through foreign code as
        // the error of Diesel's that it was, which has no room for it.
        _ => matches!(way, Way::AsYouGo | Way::Text | Way::Diesel),
    };
    let is_the_tests_mistake = matches!(
        error.kind(),
        ErrorKind::Misuse | ErrorKind::Configuration | ErrorKind::TransactionAlreadyOpen | ErrorKind::Other
    );
    let rule = error.verdict().map(|verdict| verdict.rule);
    // A wait for the pool that ended with its caller's deadline is no driver's error, and says all by its kind.
    let has_a_name = error.is_pool_timeout() || rule.is_some_and(|rule| !rule.ends_with("unknown"));
    (!says_what_became_of_the_data || is_the_tests_mistake || !has_a_name)
        .then(|| format!("{way:?}: {error:?} ({rule:?}, {:?})", error.outcome()))
}

fn add(counts: &mut BTreeMap<String, u64>, key: String) {
    *counts.entry(key).or_default() += 1;
}
