//! What the engine tells its listener, counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use aludel::prelude::*;

/// Counts of what has happened. Most of it is rare, so a lock does no harm.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) unknown_commits: AtomicU64,
    pub(crate) retired: AtomicU64,
    pub(crate) reruns: AtomicU64,
    by_class: Mutex<BTreeMap<String, u64>>,
    by_fault: Mutex<BTreeMap<[String; 3], u64>>,
}

impl Tally {
    /// The listener.
    pub(crate) fn note(&self, event: &Event<'_>) {
        match event {
            Event::CommitUnknown { .. } => drop(self.unknown_commits.fetch_add(1, Ordering::Relaxed)),
            Event::Retire { .. } => drop(self.retired.fetch_add(1, Ordering::Relaxed)),
            Event::Rerun { class, .. } => {
                self.reruns.fetch_add(1, Ordering::Relaxed);
                add(&self.by_class, class.to_string());
            }
            Event::Fault {
                class, phase, message, ..
            } => add(
                &self.by_fault,
                [format!("{phase:?}").to_lowercase(), class.to_string(), words(message)],
            ),
            Event::ConnectFailed { error } => add(
                &self.by_fault,
                ["connect".to_owned(), String::new(), words(&error.to_string())],
            ),
            _ => {}
        }
    }

    /// Reruns, by the class of what ended the attempt before.
    pub(crate) fn reruns_by_class(&self) -> BTreeMap<String, u64> {
        self.by_class.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Errors of the driver: what was being done, the class, the words.
    pub(crate) fn faults(&self) -> BTreeMap<[String; 3], u64> {
        self.by_fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn add<K: Ord>(counts: &Mutex<BTreeMap<K, u64>>, key: K) {
    *counts
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(key)
        .or_default() += 1;
}

/// The first line of a message, with each number as `#`, so that what is the same looks the same; long ones end early.
pub(crate) fn words(message: &str) -> String {
    const LONGEST: usize = 90;
    let mut text = String::new();
    for character in message.lines().next().unwrap_or_default().chars() {
        if !character.is_ascii_digit() {
            text.push(character);
        } else if !text.ends_with('#') {
            text.push('#');
        }
    }
    if text.chars().count() > LONGEST {
        text = text.chars().take(LONGEST).chain(['…']).collect();
    }
    text
}
