//! What a `handle_error` hook sees and may change.

use crate::classify::{Class, CommitOutcome, Phase, Scope, Verdict};
use crate::fault::Fault;

/// An error on its way to the caller, before anything is decided because of it.
///
/// A hook may change the [`class`](Self::set_class), which decides about invalidation and reruns, and whether a
/// disconnect retires the whole pool (`handle_error` in SQLAlchemy, `is_disconnect` and
/// `invalidate_pool_on_disconnect`).
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::Engine;
/// use diesel::SqliteConnection;
/// use aludel_core::{Class, ErrorContext};
///
/// fn handle(context: &mut ErrorContext<'_>) {
///     // A proxy of ours says this when it is restarted.
///     if context.message() == "backend is draining" {
///         context.set_class(Class::Disconnect);
///         context.set_invalidate_pool_on_disconnect(true);
///     }
/// }
///
/// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:").handle_error(handle).build()?;
/// # drop(engine);
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Debug)]
pub struct ErrorContext<'a> {
    fault: &'a Fault,
    verdict: Verdict,
}

impl<'a> ErrorContext<'a> {
    pub(super) fn new(fault: &'a Fault) -> Self {
        Self {
            fault,
            verdict: fault.verdict(),
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The driver's words.
    pub fn message(&self) -> &str {
        self.fault.message()
    }

    /// The statement with its placeholders, where it is known.
    pub fn statement(&self) -> Option<&str> {
        self.fault.statement()
    }

    /// What was being done.
    pub fn phase(&self) -> Phase {
        self.fault.phase()
    }

    /// What the error is taken for, so far.
    pub fn class(&self) -> Class {
        self.verdict.class
    }

    /// Takes the error for something else.
    pub fn set_class(&mut self, class: Class) {
        self.verdict.class = class;
        self.verdict.by_text = false;
        if class == Class::Disconnect {
            self.verdict.scope.get_or_insert(Scope::Connection);
            self.verdict.at_commit = CommitOutcome::Unknown;
        }
    }

    /// Whether a disconnect closes every connection that is as old as this one, or this one only; of no effect on an
    /// error of another class.
    pub fn set_invalidate_pool_on_disconnect(&mut self, whole_pool: bool) {
        if self.verdict.class == Class::Disconnect {
            self.verdict.scope = Some(if whole_pool {
                Scope::Generation
            } else {
                Scope::Connection
            });
        }
    }
}
