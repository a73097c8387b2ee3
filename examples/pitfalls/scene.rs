//! What a scene is, and what a side has to tell of it.

use std::fmt::{Debug, Display};

use aludel::{Error, Outcome};

/// One pitfall, and two who walk up to it.
pub(crate) struct Scene {
    pub(crate) title: &'static str,
    /// What happens, for somebody who has not read the code.
    pub(crate) story: &'static str,
    pub(crate) diesel: fn() -> Told,
    pub(crate) aludel: fn() -> Told,
}

/// What one side was told, and what was there afterwards.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Every answer in full.
    pub(crate) answers: Vec<String>,
    /// The answer that counts, in short, for the table at the end. No times and no ports: it stands in the README, too.
    pub(crate) said: String,
    /// What was in the table when all was over, or what the server says.
    pub(crate) found: String,
    /// Whether whoever believes what was said knows what is there, and can go on.
    pub(crate) sound: bool,
}

impl Told {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Notes what a step was answered.
    pub(crate) fn answered<T: Debug, E: Display>(&mut self, step: &str, answer: &Result<T, E>) {
        self.answers.push(match answer {
            Ok(value) => format!("{step}: Ok({value:?})"),
            Err(error) => format!("{step}: Err: {}", error.to_string().trim_end()),
        });
    }

    /// Notes anything else.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.answers.push(note.into());
    }

    /// What it all came to.
    pub(crate) fn ends(mut self, said: impl Into<String>, found: impl Into<String>, sound: bool) -> Self {
        (self.said, self.found, self.sound) = (said.into(), found.into(), sound);
        self
    }
}

/// An answer of Diesel's in short.
pub(crate) fn short<T: Debug, E: Display>(answer: &Result<T, E>) -> String {
    match answer {
        Ok(value) => format!("Ok({value:?})"),
        Err(error) => format!("Err: {}", error.to_string().lines().next().unwrap_or_default()),
    }
}

/// An answer of ours in short: the first cause, what became of the data, and what can be done.
pub(crate) fn in_short<T: Debug>(answer: &Result<T, Error>) -> String {
    let error = match answer {
        Ok(value) => return format!("Ok({value:?})"),
        Err(error) => error,
    };
    let outcome = match error.outcome() {
        Some(Outcome::RolledBack) => ", rolled back",
        Some(Outcome::Unknown) => ", outcome unknown",
        _ => "",
    };
    let advice = if error.is_retryable() { ", may run again" } else { "" };
    let cause = error.first_cause();
    format!("Err{outcome}{advice}: {}", cause.lines().next().unwrap_or_default())
}
