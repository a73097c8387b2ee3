//! What a program that has set up `tracing` would see: a subscriber that keeps it.
//!
//! ```
//! use aludel_tests::capture::Capture;
//!
//! let capture = Capture::new(tracing::Level::INFO);
//! capture.during(|| tracing::info!(target: "aludel.pool", "Pool disposed."));
//! assert_eq!(capture.lines("aludel.pool"), ["INFO Pool disposed."]);
//! ```

use std::fmt::{self, Debug, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// Runs the story with a subscriber for this thread alone.
///
/// While a process has no more than one subscriber, `tracing-core` asks the thread that first reaches an event whether
/// anybody wants it (`callsite.rs`, `Rebuilder::JustOne`): a test beside this one, which has none, would answer "never"
/// for both. With two that are always there it asks all of them.
pub fn scoped<T>(subscriber: impl Subscriber + Send + Sync + 'static, story: impl FnOnce() -> T) -> T {
    static ALWAYS: OnceLock<[Dispatch; 2]> = OnceLock::new();
    ALWAYS.get_or_init(|| [(); 2].map(|()| Dispatch::new(NoSubscriber::new())));
    tracing::subscriber::with_default(subscriber, story)
}

/// Keeps every event and span up to a level. Clones are the same.
#[derive(Clone, Debug)]
pub struct Capture {
    level: Level,
    kept: Arc<Mutex<Vec<Kept>>>,
    spans: Arc<AtomicU64>,
}

/// One event, or one span with everything that was recorded on it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its number, for a span.
    span: Option<u64>,
    /// `aludel.pool` and the like.
    pub target: String,
    /// How important it is.
    pub level: Level,
    /// A span's name, or an event's message.
    pub text: String,
    /// Name and value of each field.
    pub fields: Vec<(String, String)>,
}

impl Kept {
    /// A field's value, the last one that was recorded.
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().rev().find(|(of, _)| of == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Capture {
    /// Nothing is kept yet.
    pub fn new(level: Level) -> Self {
        Self {
            level,
            kept: Arc::default(),
            spans: Arc::new(AtomicU64::new(1)),
        }
    }

    /// Runs the story and keeps what this thread says in it.
    pub fn during<T>(&self, story: impl FnOnce() -> T) -> T {
        scoped(self.clone(), story)
    }

    /// The events of a target since the last call, as `LEVEL text`; what other targets have said is left for later.
    pub fn lines(&self, target: &str) -> Vec<String> {
        let taken = self.take(|kept| kept.span.is_none() && kept.target == target);
        taken
            .iter()
            .map(|kept| format!("{} {}", kept.level, kept.text))
            .collect()
    }

    /// The spans of that name since the last call.
    pub fn spans(&self, name: &str) -> Vec<Kept> {
        self.take(|kept| kept.span.is_some() && kept.text == name)
    }

    /// The events of a target since the last call, with their fields.
    pub fn events(&self, target: &str) -> Vec<Kept> {
        self.take(|kept| kept.span.is_none() && kept.target == target)
    }

    /// Everything, in one text, to look for what must not be there.
    pub fn everything(&self) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().fold(String::new(), |mut text, kept| {
            let _ = writeln!(text, "{} {} {} {:?}", kept.level, kept.target, kept.text, kept.fields);
            text
        })
    }

    fn take(&self, wanted: impl Fn(&Kept) -> bool) -> Vec<Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (taken, left) = std::mem::take(&mut *kept).into_iter().partition(|kept| wanted(kept));
        *kept = left;
        taken
    }

    fn keep(&self, metadata: &Metadata<'_>, span: Option<u64>, name: &str, fields: Fields) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(Kept {
            span,
            target: metadata.target().to_owned(),
            level: *metadata.level(),
            text: if span.is_some() {
                name.to_owned()
            } else {
                fields.message
            },
            fields: fields.others,
        });
    }
}

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= &self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level.into())
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let number = self.spans.fetch_add(1, Ordering::Relaxed);
        let mut fields = Fields::default();
        span.record(&mut fields);
        self.keep(span.metadata(), Some(number), span.metadata().name(), fields);
        Id::from_u64(number)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.iter_mut().find(|kept| kept.span == Some(span.into_u64())) {
            kept.fields.append(&mut fields.others);
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.keep(event.metadata(), None, "", fields);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(String, String)>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record(field, format!("{value:?}"));
    }
}

impl Fields {
    fn record(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else {
            self.others.push((field.name().to_owned(), value));
        }
    }
}

/// Lines of what `echo` prints have no other way to be seen than to start this program again.
#[derive(Debug)]
pub struct Printed(String);

/// What a test of this binary prints on standard error when it is run alone, with nothing set up, and told by the
/// variable `ALUDEL_TEST_ALONE` that it is.
///
/// # Panics
///
/// If it fails.
pub fn printed_by(test: &str) -> Printed {
    let this = std::env::current_exe().expect("a test binary knows itself");
    let output = std::process::Command::new(this)
        .args(["--exact", test, "--nocapture"])
        .env(ALONE, "yes")
        .output()
        .expect("this binary can be started again");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    Printed(text)
}

/// Whether this is the run that is looked at.
pub fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

const ALONE: &str = "ALUDEL_TEST_ALONE";

impl Printed {
    /// The lines that Aludel has printed.
    pub fn lines(&self) -> Vec<&str> {
        self.0.lines().filter(|line| line.contains(" aludel.")).collect()
    }
}

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
