//! Checks what stands in `#[retry(..)]`, as far as that can be done without the function.

mod backoff;
mod classes;

use proc_macro2::Literal;
use syn::{Expr, Ident, LitInt};

pub(super) use self::backoff::Backoff;
use crate::entry::Entry;
use crate::errors::{Errors, unknown};
use crate::function::Macro;
use crate::function::attr::{self, Common};
use crate::transactional;

/// The keys that `#[transactional]` has not.
pub(crate) const OWN_KEYS: [&str; 6] = ["attempts", "on", "backoff", "policy", "clone", "rerun_sees"];

/// What a policy says, so that an argument beside it would say it again.
const IN_POLICY: [&str; 8] = [
    "attempts",
    "deadline",
    "on",
    "backoff",
    "isolation",
    "read_only",
    "deferrable",
    "commit",
];

/// The arguments of `#[retry(..)]`. What is not given is left to `RetryPolicy::new()`.
#[derive(Default)]
pub(super) struct Options {
    pub(super) common: Common,
    pub(super) attempts: Option<Literal>,
    /// Variants of `Class`.
    pub(super) on: Vec<Ident>,
    pub(super) backoff: Option<Backoff>,
    pub(super) policy: Option<Expr>,
    pub(super) clone: Vec<Ident>,
    pub(super) rerun_sees: Vec<Ident>,
}

/// Reads the arguments; one with a mistake counts as not given.
pub(super) fn check(entries: Vec<Entry>, errors: &mut Errors) -> Options {
    let mut options = Options::default();
    let entries = attr::distinct(entries, errors);
    for entry in &entries {
        match entry.key.to_string().as_str() {
            "attempts" => options.attempts = attempts(entry, errors),
            "on" => options.on = classes::read(entry, errors),
            "backoff" => options.backoff = backoff::read(entry, errors),
            "policy" => options.policy = policy(entry, errors),
            "clone" => options.clone = names(entry, errors),
            "rerun_sees" => options.rerun_sees = names(entry, errors),
            other => {
                if !options.common.take(entry, Macro::Retry, errors) {
                    errors.at(&entry.key, unknown_key(other));
                }
            }
        }
    }
    options.common.characteristics.check(errors);
    attr::check_once(&entries, errors);
    check_policy(&entries, errors);
    for name in options.rerun_sees.iter().filter(|name| options.clone.contains(name)) {
        let message = format!(
            "`{name}` is in `clone(..)` too: a rerun sees either a fresh clone or what the attempt before left; keep \
             one"
        );
        errors.at(name, message);
    }
    options
}

fn check_policy(entries: &[Entry], errors: &mut Errors) {
    if !entries.iter().any(|entry| entry.key == "policy") {
        return;
    }
    for entry in entries {
        let key = entry.key.to_string();
        if IN_POLICY.contains(&key.as_str()) {
            let message = format!(
                "`policy` says already what `{key}` would; say it there, or leave `policy` out and write the parts"
            );
            errors.at(entry, message);
        }
    }
}

fn unknown_key(key: &str) -> String {
    if key == "propagation" || transactional::attr::PROPAGATIONS.contains(&key) {
        return format!(
            "`{key}` is for `#[transactional]`: a `#[retry]` function joins the transaction that is open, or begins one; \
             remove it"
        );
    }
    let known: Vec<_> = OWN_KEYS.iter().chain(&attr::KEYS).collect();
    unknown("key", key, &known)
}

fn attempts(entry: &Entry, errors: &mut Errors) -> Option<Literal> {
    let number = entry.value::<LitInt>();
    let attempts = number
        .as_ref()
        .and_then(|number| Some((number.base10_parse::<u32>().ok()?, number.span())));
    let Some((attempts @ 1.., span)) = attempts else {
        let message = "`attempts` is a whole number of at least 1, the first attempt included: `attempts = 5`";
        errors.at(entry.place(), message);
        return None;
    };
    let mut literal = Literal::u32_unsuffixed(attempts);
    literal.set_span(span);
    Some(literal)
}

fn policy(entry: &Entry, errors: &mut Errors) -> Option<Expr> {
    let policy = entry.value::<Expr>();
    if policy.is_none() {
        let message = "`policy` is an expression: a constant, a function that answers a `RetryPolicy`, a value that \
                       implements `IntoRetryPolicy`: `policy = PATIENT`";
        errors.at(entry.place(), message);
    }
    policy
}

fn names(entry: &Entry, errors: &mut Errors) -> Vec<Ident> {
    let Some(names) = entry.names() else {
        errors.at(
            entry,
            format!("`{key}` takes the names of parameters: `{key}(name)`", key = entry.key),
        );
        return Vec::new();
    };
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            errors.at(
                name,
                format!("`{name}` is named twice in `{}(..)`; keep one", entry.key),
            );
        }
    }
    names
}
