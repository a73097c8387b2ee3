//! Checks what stands in `#[transactional(..)]`, as far as that can be done without the function.

use syn::Ident;

use crate::entry::Entry;
use crate::errors::{Errors, unknown};
use crate::function::Macro;
use crate::function::attr::{self, Common};
use crate::retry;

/// What is done about a transaction that is open already, or about none.
pub(crate) const PROPAGATIONS: [&str; 7] = [
    "required",
    "requires_new",
    "nested",
    "mandatory",
    "never",
    "supports",
    "not_supported",
];

/// The propagations that begin no transaction.
const WITHOUT_ITS_OWN: [&str; 3] = ["never", "supports", "not_supported"];

/// What can be said of a transaction only. (A statement that stands for itself can be read-only.)
const OF_A_TRANSACTION: [&str; 5] = ["deadline", "isolation", "deferrable", "commit", "once"];

/// The arguments of `#[transactional(..)]`. What is not given is left to `TransactionPolicy::new()`.
#[derive(Default)]
pub(super) struct Options {
    pub(super) common: Common,
    /// The word as it was written.
    pub(super) propagation: Option<Ident>,
}

/// Reads the arguments; one with a mistake counts as not given.
pub(super) fn check(entries: Vec<Entry>, errors: &mut Errors) -> Options {
    let mut options = Options::default();
    let entries = attr::distinct(entries, errors);
    for entry in &entries {
        let key = entry.key.to_string();
        if PROPAGATIONS.contains(&key.as_str()) {
            attr::word(entry, Macro::Transactional, errors);
            options.propagate(&entry.key, errors);
        } else if !options.common.take(entry, Macro::Transactional, errors) {
            errors.at(&entry.key, unknown_key(&key));
        }
    }
    options.common.characteristics.check(errors);
    attr::check_once(&entries, errors);
    if let Some(propagation) = &options.propagation {
        check_without_its_own(propagation, &entries, errors);
    }
    options
}

impl Options {
    fn propagate(&mut self, word: &Ident, errors: &mut Errors) {
        if let Some(first) = &self.propagation {
            errors.at(word, format!("`{word}` contradicts `{first}`; keep one"));
        } else {
            self.propagation = Some(word.clone());
        }
    }
}

fn check_without_its_own(propagation: &Ident, entries: &[Entry], errors: &mut Errors) {
    if !WITHOUT_ITS_OWN.iter().any(|word| propagation == word) {
        return;
    }
    for entry in entries {
        let key = entry.key.to_string();
        if OF_A_TRANSACTION.contains(&key.as_str()) {
            let message = format!(
                "`{propagation}` begins no transaction, so there is none that `{key}` could be said of; remove one of \
                 them"
            );
            errors.at(entry, message);
        }
    }
}

fn unknown_key(key: &str) -> String {
    if key == "propagation" {
        return "the propagation is one word by itself: `#[transactional(requires_new)]`".to_owned();
    }
    if key == "clone" || key == "rerun_sees" {
        return format!(
            "`{key}` is for `#[retry]`: the body of a `#[transactional]` function runs once, and may move and change \
             its arguments; remove it"
        );
    }
    if retry::attr::OWN_KEYS.contains(&key) {
        return format!(
            "`{key}` is for `#[retry]`: the body of a `#[transactional]` function runs once; remove it, or write \
             `#[retry]`"
        );
    }
    let known: Vec<_> = PROPAGATIONS.iter().chain(&attr::KEYS).collect();
    unknown("key", key, &known)
}
