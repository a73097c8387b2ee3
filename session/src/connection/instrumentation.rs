//! Diesel's instrumentation: the user's, kept by us and lent to whichever raw connection is in use, and an ear of our own on
//! it, which knows the text of a statement that has failed.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use diesel::connection::{DynInstrumentation, Instrumentation, InstrumentationEvent, get_default_instrumentation};

/// One instrumentation, shared by the session and its raw connection of the moment.
#[derive(Clone, Default)]
pub(crate) struct SharedInstrumentation(Option<Arc<Mutex<Box<dyn Instrumentation>>>>);

impl SharedInstrumentation {
    pub(crate) fn new(instrumentation: impl Instrumentation) -> Self {
        Self(Some(Arc::new(Mutex::new(Box::new(instrumentation)))))
    }

    /// Lends it to a raw connection, and answers where the texts of failed statements will be found. What somebody else
    /// has set there stays, unless the user has set one.
    pub(crate) fn install<C: diesel::Connection>(&self, raw: &mut C) -> FailedStatement {
        if let Some(ear) = raw.instrumentation().downcast_mut::<Ear>() {
            ear.users = self.clone();
            ear.forget();
            return ear.failed.clone();
        }
        let failed = FailedStatement::default();
        if self.0.is_some() || is_default(raw.instrumentation()) {
            raw.set_instrumentation(Ear {
                users: self.clone(),
                default: get_default_instrumentation(),
                failed: failed.clone(),
                has_failed: false,
            });
        }
        failed
    }

    /// Takes it away again, so that the pool's next borrower is not watched by it.
    pub(crate) fn uninstall<C: diesel::Connection>(raw: &mut C) {
        if let Some(ear) = raw.instrumentation().downcast_mut::<Ear>() {
            ear.users = Self::default();
        }
    }
}

impl Instrumentation for SharedInstrumentation {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let Some(shared) = &self.0 {
            shared
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .on_connection_event(event);
        }
    }
}

/// The text of the statement that has just failed on a raw connection, without its values: the driver's own, so it is
/// known for every way in which a statement may have been sent. Shared with the raw connection, since an error is
/// noted while that is lent to a cursor.
#[derive(Clone, Default)]
pub(crate) struct FailedStatement(Arc<Mutex<Option<String>>>);

impl FailedStatement {
    /// The text, once.
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, text: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

/// What stays on a raw connection, so that its next session finds it there.
struct Ear {
    users: SharedInstrumentation,
    /// What Diesel would have there.
    default: Option<Box<dyn Instrumentation>>,
    failed: FailedStatement,
    /// Whether there may be a text: it is asked before every statement, and the lock costs more.
    has_failed: bool,
}

impl Ear {
    fn forget(&mut self) {
        if std::mem::take(&mut self.has_failed) {
            self.failed.set(None);
        }
    }
}

impl Instrumentation for Ear {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match &event {
            InstrumentationEvent::StartQuery { .. } => self.forget(),
            InstrumentationEvent::FinishQuery {
                query, error: Some(_), ..
            } => {
                let mut text = String::new();
                // A query that cannot be rendered has no text to be told.
                let rendered = write!(text, "{query}").is_ok();
                self.failed.set(rendered.then(|| without_values(text)));
                self.has_failed = true;
            }
            _ => {}
        }
        if self.users.0.is_some() {
            self.users.on_connection_event(event);
        } else if let Some(default) = &mut self.default {
            default.on_connection_event(event);
        }
    }
}

/// Diesel writes the values behind the text. A value may contain the separator and the text may not be cut too late, so
/// it is the first one that counts.
fn without_values(mut text: String) -> String {
    if let Some(end) = text.find(" -- binds: ") {
        text.truncate(end);
    }
    text
}

/// Whether it is what Diesel has put there by itself. Its stand-in for none has no name outside of Diesel.
fn is_default(present: &dyn Instrumentation) -> bool {
    let default = DynInstrumentation::default_instrumentation();
    present.as_any().type_id() == default.as_any().type_id()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_off_at_the_first_sign_of_them() {
        let text = "UPDATE t SET a = ? -- binds: [\"x -- binds: y\"]".to_owned();
        assert_eq!(without_values(text), "UPDATE t SET a = ?");
        assert_eq!(without_values("COMMIT".to_owned()), "COMMIT");
    }
}
