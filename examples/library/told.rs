//! How it is told: on the terminal, and kept for whoever checks it.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use aludel_examples::heading;
use diesel::connection::{Instrumentation, InstrumentationEvent};

/// What was said so far.
#[derive(Clone, Default)]
pub(crate) struct Told {
    aloud: bool,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Told {
    pub(crate) fn aloud() -> Self {
        Self {
            aloud: true,
            ..Self::default()
        }
    }

    pub(crate) fn heading(&self, text: &str) {
        if self.aloud {
            heading(text);
        }
        self.keep(text);
    }

    pub(crate) fn say(&self, text: impl Display) {
        for line in text.to_string().lines() {
            if self.aloud {
                println!("  {line}");
            }
            self.keep(line);
        }
    }

    /// Says what the database is asked, as it is asked, and without the values.
    pub(crate) fn statements(&self) -> impl Instrumentation + 'static {
        let told = self.clone();
        move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                let query = query.to_string();
                let statement = query.split(" -- binds").next().unwrap_or(&query);
                told.say(format_args!("│ {}", statement.replace('`', "")));
            }
        }
    }

    fn keep(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line.to_owned());
    }

    /// All of it, a line each.
    #[cfg(test)]
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
