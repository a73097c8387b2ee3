//! What a `handle_error` hook sees and may change.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::result::DatabaseErrorKind;

use crate::classify::{Class, CommitOutcome, Phase, Scope, Verdict};
use crate::fault::Fault;

pub(super) type ErrorHook = dyn Fn(&mut ErrorContext<'_>) + Send + Sync;

/// An error on its way to the caller, before anything is decided because of it.
///
/// A hook may change the [`class`](Self::set_class), which decides about invalidation and reruns, whether a
/// disconnect retires the whole pool (`handle_error` in SQLAlchemy, `is_disconnect` and
/// `invalidate_pool_on_disconnect`), and what an error that answers COMMIT says of the data
/// ([`set_commit_outcome`](Self::set_commit_outcome)).
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
    connection: Option<u64>,
    verdict: Verdict,
}

impl ErrorContext<'_> {
    /// The driver's words.
    pub fn message(&self) -> &str {
        self.fault.message()
    }

    /// Diesel's kind of the error; `None` for one of connecting, which has none.
    pub fn kind(&self) -> Option<DatabaseErrorKind> {
        self.fault.kind()
    }

    /// The statement with its placeholders, where it is known.
    pub fn statement(&self) -> Option<&str> {
        self.fault.statement()
    }

    /// What was being done.
    pub fn phase(&self) -> Phase {
        self.fault.phase()
    }

    /// The number of the connection; `None` where there is none yet (an error of connecting), and for a pre-ping.
    pub fn connection(&self) -> Option<u64> {
        self.connection
    }

    /// Whether the pool was asking for a sign of life before a checkout. With [`Class::Disconnect`], and with whatever
    /// class the error had, the connection is replaced; if a hook turns a disconnect into something else, the connection
    /// is taken for alive and handed out.
    pub fn is_pre_ping(&self) -> bool {
        self.phase() == Phase::Ping && self.connection.is_none()
    }

    /// All that the classifier, and the hooks before this one, have said.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// What the error is taken for, so far.
    pub fn class(&self) -> Class {
        self.verdict.class
    }

    /// Takes the error for something else. A COMMIT that is answered with what a hook calls a disconnect may have happened,
    /// unless the hook knows better and says so after this: [`set_commit_outcome`](Self::set_commit_outcome).
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

    /// Says what has become of the data where the error answers COMMIT; of no effect in any other phase. With
    /// [`CommitOutcome::Unknown`] the error is a [`CommitUnknown`](crate::Error::is_commit_unknown), which nothing runs
    /// again by itself; with any other, nothing was written, and the class decides.
    ///
    /// ```
    /// use aludel_core::ErrorContext;
    /// use aludel_core::classify::{Class, CommitOutcome};
    ///
    /// fn handle(context: &mut ErrorContext<'_>) {
    ///     // A proxy of ours says this instead of passing COMMIT on.
    ///     if context.message() == "backend is draining" {
    ///         context.set_class(Class::Failover);
    ///         context.set_commit_outcome(CommitOutcome::NotCommitted);
    ///     }
    /// }
    /// # let _: fn(&mut ErrorContext<'_>) = handle;
    /// ```
    pub fn set_commit_outcome(&mut self, outcome: CommitOutcome) {
        self.verdict.at_commit = outcome;
    }
}

/// The hooks of one engine, in the order in which they were added.
pub(super) struct ErrorHooks(Vec<Box<ErrorHook>>);

impl ErrorHooks {
    pub(super) fn new(hooks: Vec<Box<ErrorHook>>) -> Self {
        Self(hooks)
    }

    /// Lets each hook change what the classifier, and the hooks before it, have said.
    pub(super) fn reconsider(&self, fault: Fault, connection: Option<u64>) -> Fault {
        if self.0.is_empty() {
            return fault;
        }
        let mut verdict = fault.verdict();
        for hook in &self.0 {
            let mut context = ErrorContext {
                fault: &fault,
                connection,
                verdict,
            };
            // A panic that got away would take the error along, and with it what is known of the transaction.
            if catch_unwind(AssertUnwindSafe(|| hook(&mut context))).is_ok() {
                verdict = context.verdict;
            } else {
                tracing::error!(
                    target: "aludel.engine",
                    "a handle_error hook panicked; what it had changed does not count"
                );
            }
        }
        fault.with_verdict(verdict)
    }
}
