//! Checks what stands in `#[retry(..)]`, as far as that can be done without the function.

use std::time::Duration;

use proc_macro2::Literal;
use quote::format_ident;
use syn::{Ident, LitInt, LitStr};

use crate::entry::Entry;
use crate::errors::{Errors, unknown};

const KEYS: [&str; 6] = ["attempts", "deadline", "commit", "clone", "rerun_sees", "session"];

/// The arguments of `#[retry(..)]`. What is not given is left to `RetryPolicy::new()`.
#[derive(Default)]
pub(super) struct Options {
    pub(super) attempts: Option<Literal>,
    pub(super) deadline: Option<Duration>,
    /// A variant of `CommitPolicy`.
    pub(super) commit: Option<Ident>,
    pub(super) clone: Vec<Ident>,
    pub(super) rerun_sees: Vec<Ident>,
    pub(super) session: Option<Ident>,
}

/// Reads the arguments; one with a mistake counts as not given.
pub(super) fn check(entries: Vec<Entry>, errors: &mut Errors) -> Options {
    let mut options = Options::default();
    let mut seen: Vec<Ident> = Vec::new();
    for entry in entries {
        if seen.contains(&entry.key) {
            errors.at(&entry, format!("`{}` is given twice; keep one", entry.key));
            continue;
        }
        seen.push(entry.key.clone());
        match entry.key.to_string().as_str() {
            "attempts" => options.attempts = attempts(&entry, errors),
            "deadline" => options.deadline = deadline(&entry, errors),
            "commit" => options.commit = commit(&entry, errors),
            "clone" => options.clone = names(&entry, errors),
            "rerun_sees" => options.rerun_sees = names(&entry, errors),
            "session" => options.session = session(&entry, errors),
            other => errors.at(&entry.key, unknown("key", other, &KEYS)),
        }
    }
    for name in options.rerun_sees.iter().filter(|name| options.clone.contains(name)) {
        let message = format!(
            "`{name}` is in `clone(..)` too: a rerun sees either a fresh clone or what the attempt before left; keep \
             one"
        );
        errors.at(name, message);
    }
    options
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

fn deadline(entry: &Entry, errors: &mut Errors) -> Option<Duration> {
    const FORM: &str = "`deadline` is a duration in quotes, such as \"10s\", \"500ms\" or \"1m 30s\"";
    let Some(text) = entry.value::<LitStr>() else {
        errors.at(entry.place(), FORM);
        return None;
    };
    match humantime::parse_duration(&text.value()) {
        Ok(Duration::ZERO) => errors.at(
            text,
            "a `deadline` of nothing leaves no time for a rerun; leave it out, or write `attempts = 1`",
        ),
        Ok(deadline) => return Some(deadline),
        Err(error) => errors.at(text, format!("{FORM}: {error}")),
    }
    None
}

fn commit(entry: &Entry, errors: &mut Errors) -> Option<Ident> {
    let text = entry.value::<LitStr>();
    match text.as_ref().map(LitStr::value).as_deref() {
        Some("fail") => return Some(format_ident!("Fail")),
        Some("idempotent") => return Some(format_ident!("Idempotent")),
        Some("verify") => return Some(format_ident!("Verify")),
        Some(other) => errors.at(text, unknown("commit policy", other, &["fail", "verify", "idempotent"])),
        None => errors.at(
            entry.place(),
            "`commit` is \"fail\", \"verify\" or \"idempotent\", in quotes",
        ),
    }
    None
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

fn session(entry: &Entry, errors: &mut Errors) -> Option<Ident> {
    let session = entry.value::<Ident>();
    if session.is_none() {
        errors.at(entry.place(), "`session` is the name of a parameter: `session = name`");
    }
    session
}
