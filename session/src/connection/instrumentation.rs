//! Diesel's instrumentation: the user's, kept by us and lent to whichever raw connection is in use, and an ear of our own on
//! it, which knows the text of a statement that has failed.

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use diesel::connection::{
    DebugQuery, DynInstrumentation, Instrumentation, InstrumentationEvent, get_default_instrumentation,
};

/// One instrumentation, shared by the session and its raw connection of the moment.
#[derive(Clone, Default)]
pub(crate) struct SharedInstrumentation(Option<Arc<Mutex<Box<dyn Instrumentation>>>>);

impl SharedInstrumentation {
    pub(crate) fn new(instrumentation: impl Instrumentation) -> Self {
        Self(Some(Arc::new(Mutex::new(Box::new(instrumentation)))))
    }

    /// Nobody has set one.
    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Lends it to a raw connection, and answers where the texts of failed statements will be found. What somebody else
    /// has set there stays, unless the user has set one.
    pub(crate) fn install<C: diesel::Connection>(&self, raw: &mut C) -> FailedStatement {
        if let Some(ear) = raw.instrumentation().downcast_mut::<Ear>() {
            ear.users = self.clone();
            if ear.has_failed {
                ear.forget();
            }
            return ear.failed;
        }
        if self.0.is_none() && !is_default(raw.instrumentation()) {
            return FailedStatement::default();
        }
        let failed = FailedStatement::of_a_new_ear();
        raw.set_instrumentation(Ear {
            users: self.clone(),
            default: get_default_instrumentation(),
            failed,
            has_failed: false,
        });
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
/// known for every way in which a statement may have been sent. It is the number of the ear that has heard it, since an
/// error is noted while the raw connection is lent to a cursor; 0 where there is no ear.
#[derive(Clone, Copy, Default)]
pub(crate) struct FailedStatement(u64);

thread_local! {
    /// What the ear with this number has heard last on this thread, which is the one that notes the error: a pair of
    /// counted references for each session would cost a hundredth of a whole transaction on SQLite.
    static HEARD: RefCell<Option<(u64, String)>> = const { RefCell::new(None) };
}

impl FailedStatement {
    /// The text, once.
    pub(super) fn take(self) -> Option<String> {
        heard(|heard| heard.take_if(|(ear, _)| *ear == self.0))?.map(|(_, text)| text)
    }

    /// Of an ear that is about to be put on a raw connection.
    fn of_a_new_ear() -> Self {
        static EARS: AtomicU64 = AtomicU64::new(1);
        Self(EARS.fetch_add(1, Ordering::Relaxed))
    }

    fn set(self, text: Option<String>) {
        heard(|heard| {
            heard.take_if(|(ear, _)| *ear == self.0);
            if let Some(text) = text {
                *heard = Some((self.0, text));
            }
        });
    }
}

/// `None` on a thread that is about to end.
fn heard<T>(look: impl FnOnce(&mut Option<(u64, String)>) -> T) -> Option<T> {
    HEARD.try_with(|heard| look(&mut heard.borrow_mut())).ok()
}

/// What stays on a raw connection, so that its next session finds it there.
struct Ear {
    users: SharedInstrumentation,
    /// What Diesel would have there.
    default: Option<Box<dyn Instrumentation>>,
    failed: FailedStatement,
    /// Whether there may be a text: it is asked before every statement, and looking costs more.
    has_failed: bool,
}

impl Ear {
    #[cold]
    fn forget(&mut self) {
        self.has_failed = false;
        self.failed.set(None);
    }

    #[cold]
    fn hear(&mut self, query: &dyn DebugQuery) {
        self.failed.set(without_values(query));
        self.has_failed = true;
    }

    #[cold]
    fn pass_on(&mut self, event: InstrumentationEvent<'_>) {
        if self.users.0.is_some() {
            self.users.on_connection_event(event);
        } else if let Some(default) = &mut self.default {
            default.on_connection_event(event);
        }
    }
}

impl Instrumentation for Ear {
    // Called twice a statement, nearly always for nothing.
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match &event {
            InstrumentationEvent::StartQuery { .. } if self.has_failed => self.forget(),
            InstrumentationEvent::FinishQuery {
                query, error: Some(_), ..
            } => self.hear(*query),
            _ => {}
        }
        if self.users.0.is_some() || self.default.is_some() {
            self.pass_on(event);
        }
    }
}

/// Diesel writes the values behind the text. A value may contain the separator and the text may not be cut too late, so
/// it is the first one that counts. Nothing behind it is rendered: a value may be large, and its `Debug` is the user's. A
/// query that cannot be rendered has no text to be told.
fn without_values(query: &(impl fmt::Display + ?Sized)) -> Option<String> {
    let mut text = UpToValues {
        text: String::new(),
        ended: false,
    };
    let rendered = write!(text, "{query}").is_ok();
    (rendered || text.ended).then_some(text.text)
}

/// Refuses more as soon as the values begin.
struct UpToValues {
    text: String,
    ended: bool,
}

impl Write for UpToValues {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        const VALUES: &str = " -- binds: ";
        let from = self
            .text
            .floor_char_boundary(self.text.len().saturating_sub(VALUES.len()));
        self.text.push_str(piece);
        if let Some(end) = self.text[from..].find(VALUES) {
            self.text.truncate(from + end);
            self.ended = true;
            return Err(fmt::Error);
        }
        Ok(())
    }
}

/// Whether it is what Diesel has put there by itself. Its stand-in for none has no name outside of Diesel.
fn is_default(present: &dyn Instrumentation) -> bool {
    let default = DynInstrumentation::default_instrumentation();
    present.as_any().type_id() == default.as_any().type_id()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its values are told in one piece, and refuse to be.
    struct Query(&'static [&'static str]);

    impl fmt::Display for Query {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.iter().try_for_each(|piece| f.write_str(piece))?;
            unreachable!("the values were asked for");
        }
    }

    #[test]
    fn values_are_cut_off_at_the_first_sign_of_them() {
        let text = "UPDATE t SET a = ? -- binds: [\"x -- binds: y\"]";
        assert_eq!(without_values(text).as_deref(), Some("UPDATE t SET a = ?"));
        assert_eq!(without_values("COMMIT").as_deref(), Some("COMMIT"));
    }

    #[test]
    fn values_are_not_rendered() {
        for pieces in [
            &["SELECT 'größe', ?", " -- binds: "],
            &["SELECT 'größe', ? -- b", "inds: ["],
        ] {
            assert_eq!(without_values(&Query(pieces)).as_deref(), Some("SELECT 'größe', ?"));
        }
    }
}
