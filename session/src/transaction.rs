//! What is known of a transaction: the state of its root and of its savepoints, and what has gone wrong in it.
//!
//! This file holds knowledge only; nothing here talks to a server. What is sent stands in [`root`] and [`savepoint`],
//! what an error has done to the transaction is judged in [`judge`], [`scope`] has the ends of its levels, and [`stage`] the
//! closures that users write.
//!
//! What the verbs of a session do in each state of its root (SQLAlchemy's `SessionTransaction`, of which this is the part
//! that talks to a server):
//!
//! | Verb | `Idle` | `Autocommit` | `Open` | `Doomed` |
//! |---|---|---|---|---|
//! | a statement | → `Open`, or `Autocommit` where that is wanted | stands for itself | is sent | refused |
//! | `begin`, `#[retry]`, a raw BEGIN | → `Open` | refused, or → `Open` with a level of its own | somebody's: joined (a raw one: refused); nobody's: ended if it has only read, else refused | refused |
//! | Diesel's `transaction()` | → `Open` | refused | a savepoint; nobody's: adopted | refused |
//! | `begin_nested` | → `Open`, with a savepoint | refused | a savepoint | refused |
//! | `commit()`, the `Ok` of who began it | nothing | → `Idle` | COMMIT → `Idle`, whatever it answers | ROLLBACK → `Idle`, and an error with the first cause |
//! | `rollback()`, `close()`, a drop, the `Err` of who began it | nothing | → `Idle` | ROLLBACK → `Idle` | ROLLBACK → `Idle` |
//! | an error of the server's | | nothing | what [`judge`] says | nothing more |
//! | an exit, `invalidate` | nothing | nothing | → `Doomed` | nothing more |
//! | once its token is cancelled | statement, BEGIN: `Exit` | the same | the same; COMMIT: ROLLBACK → `Idle`, and `Exit` | the same |
//!
//! A session may be inside of somebody else's transaction ([`external`]): the table is about its own, whose root is a part of that.
//!
//! **Invariant:** only [`Transaction::set_root`] moves the root from one state to another (what a state remembers is
//! filled in by `wrote` and `set_origin`), and only `set_root`, [`Transaction::push_frame`] and
//! [`Transaction::pop_frame`] change the stack of savepoints; [`Transaction::doom_innermost`] alone dooms one of them.

use aludel_core::classify::{Class, CommitOutcome, Fate, Verdict};
use aludel_core::dialect::Characteristics;
use aludel_core::{Error, Fault, Phase, Refused};
use diesel::connection::{TransactionDepthChange, TransactionManagerStatus, ValidTransactionManagerStatus};
use diesel::result::Error as DieselError;

use crate::connection::DoneBy;
use crate::verification::Verification;

use external::External;
use hooks::{Awaits, Hooks};

mod autocommit;
mod builder;
pub(crate) mod by_text;
mod external;
pub(crate) mod hooks;
mod judge;
mod manager;
mod root;
mod savepoint;
pub(crate) mod scope;
pub(crate) mod stage;

pub use builder::TransactionBuilder;
pub use external::JoinTransactionMode;
pub(crate) use external::Rule;
pub use manager::Manager;

/// Who began the root transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The first statement did. Nobody has promised to end it, so nobody joins it.
    Autobegun,
    /// A scope or a call did, and will end it; or raw SQL did, and nobody but the caller ends it.
    Explicit,
    /// `begin_test_transaction` did: it is never committed, and ends without a word.
    Test,
}

/// The root transaction.
#[derive(Debug)]
pub(crate) enum Root {
    /// There is none. *Exits:* a first statement or an explicit begin → `Open`; a first statement in AUTOCOMMIT →
    /// `Autocommit`.
    Idle,
    /// There is none, and nobody wants one: each statement stands for itself. What is remembered is only that something
    /// was done since the last `commit()` or `rollback()`. *Exits:* `commit()`, `rollback()`, `close()`, other options, an
    /// explicit begin that wants a level of its own → `Idle`. An error cannot doom what is not there, nor can a lost
    /// connection.
    Autocommit,
    /// The server has it open. *Exits:* COMMIT answered ok → `Idle`; COMMIT failed, however → `Idle`, after ROLLBACK or
    /// without the connection; ROLLBACK → `Idle`; an error that the server or we do not forgive → `Doomed`.
    Open {
        /// Who began it.
        origin: Origin,
        /// What wrote first, if anything did.
        first_write: Option<String>,
    },
    /// It can no longer be committed. *Exits:* ROLLBACK, of which the server may hear nothing any more → `Idle`.
    Doomed {
        /// Who began it.
        origin: Origin,
        /// What came first.
        cause: Fault,
    },
}

/// One open savepoint.
#[derive(Debug, Default)]
pub(crate) enum Frame {
    /// The server has it. *Exits:* RELEASE answered ok → gone, its work is the next outer level's; ROLLBACK TO and its
    /// RELEASE answered ok → gone, its work undone; either failed, or the root was doomed or ended → gone with the root;
    /// an error that this level does not survive → `Doomed`.
    #[default]
    Open,
    /// The work since it cannot be kept. *Exits:* RELEASE is never sent; ROLLBACK TO → gone, and the level around it is free
    /// again; that failed, or the root was doomed or ended → gone with the root.
    Doomed {
        /// What came first.
        cause: Fault,
    },
}

/// Something that only the server can tell, or that only the connection can do, and not while a cursor has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    /// A statement's rows were not read to their end; the driver has cleared them away, and any error among them.
    UnreadRows,
    /// A statement may have committed the transaction: one that answered rows, or has failed. One that `certainly` does so
    /// when it runs has done it before it failed, whatever the failure was.
    Commit { certainly: bool },
    /// A query has failed, maybe after some of its rows: what is prepared may not survive that.
    FailedQuery,
}

/// What a session knows of its transaction; it is Diesel's `TransactionStateData`.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use diesel::prelude::*;
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let mut session = engine.session();
/// let state: &mut aludel::Transaction = diesel::Connection::transaction_state(&mut session);
/// println!("{state:?}"); // for Diesel; people ask the session: in_transaction(), is_doomed()
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
#[derive(Debug)]
pub struct Transaction {
    root: Root,
    frames: Vec<Frame>,
    /// Scopes of ours that will end what is open; calls that would end it under them are refused.
    scopes: usize,
    /// How each level that was begun through Diesel's manager is to be ended.
    manual: Vec<manager::Level>,
    /// The first error that no later success has made irrelevant; the rerun is decided by it.
    fault: Option<Fault>,
    /// An error that was classified while the connection was lent out, and whose damage is still to be judged.
    unsettled: Option<Fault>,
    /// Rows of a statement are being read.
    streaming: bool,
    /// What the server is to be asked about as soon as the connection is back.
    question: Option<Question>,
    /// A part of it was committed on the way, by DDL or by a procedure.
    pub(crate) partly_committed: bool,
    /// How often something was, in all transactions.
    pub(crate) commits_by_the_way: u32,
    /// What is known of the token that is written before COMMIT.
    pub(crate) verification: Verification,
    /// What the root was begun with, or what stands for it in AUTOCOMMIT.
    pub(crate) characteristics: Characteristics,
    /// When the root has to be done, where somebody has said so.
    pub(crate) done_by: Option<DoneBy>,
    /// The user's error hooks are not asked; here because errors are noted here, also while the connection is lent out.
    pub(crate) skip_user_error_events: bool,
    /// What waits for its end.
    hooks: Hooks,
    /// What it is a part of, where that is somebody else's.
    external: Option<Box<External>>,
    /// What Diesel's generic code may ask about us.
    mirror: TransactionManagerStatus,
}

impl Default for Transaction {
    fn default() -> Self {
        Self {
            root: Root::Idle,
            frames: Vec::new(),
            scopes: 0,
            manual: Vec::new(),
            fault: None,
            unsettled: None,
            streaming: false,
            question: None,
            partly_committed: false,
            commits_by_the_way: 0,
            verification: Verification::default(),
            characteristics: Characteristics::default(),
            done_by: None,
            skip_user_error_events: false,
            hooks: Hooks::default(),
            external: None,
            mirror: TransactionManagerStatus::default(),
        }
    }
}

/// Where a call that wants a transaction stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Footing {
    /// No transaction.
    None,
    /// No transaction, and a statement or more that stood for themselves.
    Autocommit,
    /// One that began by itself and has only read.
    AutobegunRead,
    /// One that began by itself and has written, or has failed: it is the caller's to end.
    AutobegunWritten(String),
    /// One that somebody began and will end.
    Explicit,
}

impl Transaction {
    /// The one place where the state of the root changes.
    fn set_root(&mut self, root: Root) {
        if matches!(root, Root::Idle) {
            self.frames.clear();
            self.manual.clear();
            self.unsettled = None;
            self.question = None;
        }
        self.root = root;
    }

    fn push_frame(&mut self) {
        self.frames.push(Frame::default());
    }

    fn pop_frame(&mut self) {
        self.frames.pop();
    }

    /// Diesel's status of it, made when somebody asks: few do, and every transaction would pay for it.
    pub(crate) fn mirror(&mut self) -> &mut TransactionManagerStatus {
        let mut valid = ValidTransactionManagerStatus::default();
        let own = if self.is_open() { self.frames.len() + 1 } else { 0 };
        for _ in 0..own + self.external_levels() {
            valid
                .change_transaction_depth(TransactionDepthChange::IncreaseDepth)
                .expect("increasing a depth cannot fail");
        }
        self.mirror = TransactionManagerStatus::Valid(valid);
        if self.is_of_a_test() {
            self.mirror.set_test_transaction_flag();
        }
        if matches!(self.root, Root::Doomed { .. }) {
            self.mirror.set_requires_rollback_maybe_up_to_top_level(true);
        }
        &mut self.mirror
    }

    /// Whether a root is open, doomed or not.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.root, Root::Open { .. } | Root::Doomed { .. })
    }

    /// Whether statements stand for themselves, and there has been one.
    pub(crate) fn is_autocommit(&self) -> bool {
        matches!(self.root, Root::Autocommit)
    }

    /// Whether objects have had their beginning: a root is open, or statements stand for themselves.
    pub(crate) fn has_begun(&self) -> bool {
        !matches!(self.root, Root::Idle)
    }

    /// Statements stand for themselves from now on.
    pub(crate) fn enter_autocommit(&mut self, characteristics: Characteristics) {
        self.fault = None;
        self.partly_committed = false;
        self.characteristics = characteristics;
        self.set_root(Root::Autocommit);
    }

    /// The end of what never was a transaction.
    pub(crate) fn leave_autocommit(&mut self) {
        self.set_root(Root::Idle);
    }

    /// Whether the server should still have it open, or what it is a part of.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.root, Root::Open { .. }) || self.is_external_live()
    }

    pub(crate) fn origin(&self) -> Option<Origin> {
        match self.root {
            Root::Idle | Root::Autocommit => None,
            Root::Open { origin, .. } | Root::Doomed { origin, .. } => Some(origin),
        }
    }

    /// Open savepoints.
    pub(crate) fn depth(&self) -> usize {
        self.frames.len()
    }

    pub(crate) fn footing(&self) -> Footing {
        match &self.root {
            Root::Idle => Footing::None,
            Root::Autocommit => Footing::Autocommit,
            Root::Open {
                origin: Origin::Autobegun,
                first_write: None,
            } if self.frames.is_empty() => Footing::AutobegunRead,
            Root::Open {
                origin: Origin::Autobegun,
                first_write,
            } => Footing::AutobegunWritten(
                first_write
                    .clone()
                    .unwrap_or_else(|| "none; a savepoint is open".to_owned()),
            ),
            Root::Doomed {
                origin: Origin::Autobegun,
                cause,
            } => Footing::AutobegunWritten(format!("none that counts; the transaction has failed: {cause}")),
            Root::Open { .. } | Root::Doomed { .. } => Footing::Explicit,
        }
    }

    /// Whether the level was left as it was entered: nothing else is open on top of it, and it is there.
    pub(crate) fn has_innermost(&self, frame: stage::Frame) -> bool {
        self.scopes == frame.scopes
    }

    /// Whether a scope of ours will end what is open.
    pub(crate) fn in_scope(&self) -> bool {
        self.scopes > 0 || !self.manual.is_empty()
    }

    /// A scope begins in which the transaction is not to be ended.
    pub(crate) fn enter_scope(&mut self) {
        self.scopes += 1;
    }

    /// The end of [`enter_scope`](Self::enter_scope). A closure can put another session in the place of the lent one, which is
    /// in no scope.
    pub(crate) fn leave_scope(&mut self) {
        self.scopes = self.scopes.saturating_sub(1);
    }

    /// A root that began by itself is about to be ended by its caller, so there is somebody to join.
    pub(crate) fn somebody_ends_it(&mut self) {
        if self.origin() == Some(Origin::Autobegun) {
            self.set_origin(Origin::Explicit);
        }
    }

    /// A hook that waits for the end of what is open, or of what begins next.
    #[track_caller]
    pub(crate) fn register(&mut self, awaits: Awaits, hook: Box<dyn FnOnce() + Send>) {
        let depth = self.depth();
        self.hooks.register(awaits, depth, hook);
    }

    /// Whether a hook waits for something.
    pub(crate) fn has_hooks(&self) -> bool {
        !self.hooks.is_empty()
    }

    /// What wrote first.
    pub(crate) fn first_write(&self) -> Option<&str> {
        match &self.root {
            Root::Open { first_write, .. } => first_write.as_deref(),
            _ => None,
        }
    }

    /// Remembers the first write; later ones cost nothing.
    ///
    /// It is told to those who leave work to nobody. A root that a closure has around it is ended with it, so nobody will ask,
    /// and to put a query's text together would be a sixth of a transaction that writes one row on SQLite.
    pub(crate) fn wrote(&mut self, what: impl FnOnce() -> String) {
        let in_closure = self.scopes > 0 && self.manual.is_empty();
        if let Root::Open {
            origin,
            first_write: first_write @ None,
        } = &mut self.root
        {
            *first_write = Some(if in_closure && *origin == Origin::Explicit {
                "a statement inside begin or #[retry]".to_owned()
            } else {
                what()
            });
        }
    }

    /// A statement of the user's has succeeded: whatever failed before it was survived.
    pub(crate) fn succeeded(&mut self) {
        if self.fault.is_some() && self.doom().is_none() {
            self.fault = None;
        }
    }

    /// Why the innermost level cannot go on, if it cannot.
    pub(crate) fn doom(&self) -> Option<&Fault> {
        match &self.root {
            Root::Doomed { cause, .. } => Some(cause),
            Root::Open { .. } => self.frame_doom(),
            Root::Idle | Root::Autocommit => self.external_doom(),
        }
    }

    /// Why the root cannot be committed, if it cannot.
    pub(crate) fn root_doom(&self) -> Option<&Fault> {
        match &self.root {
            Root::Doomed { cause, .. } => Some(cause),
            _ => None,
        }
    }

    /// Whether the work since the innermost savepoint cannot be kept, though the root can.
    fn frame_doom(&self) -> Option<&Fault> {
        match self.frames.last() {
            Some(Frame::Doomed { cause }) => Some(cause),
            Some(Frame::Open) | None => None,
        }
    }

    /// The innermost level cannot be kept any more. The first cause stays.
    pub(crate) fn doom_innermost(&mut self, cause: &Fault) {
        match self.frames.last_mut() {
            Some(frame @ Frame::Open) => *frame = Frame::Doomed { cause: cause.clone() },
            Some(Frame::Doomed { .. }) => {}
            None => {
                self.doom_own_root(cause);
                self.doom_shared_level(cause);
            }
        }
    }

    /// The whole transaction cannot be kept any more, nor what it is a part of. The first cause stays.
    pub(crate) fn doom_root(&mut self, cause: &Fault) {
        self.doom_own_root(cause);
        self.doom_external(cause);
    }

    fn doom_own_root(&mut self, cause: &Fault) {
        if let Root::Open { origin, .. } = self.root {
            self.set_root(Root::Doomed {
                origin,
                cause: cause.clone(),
            });
        }
    }

    /// The error that decides whether the transaction may run again: what doomed it, or what failed last and was not
    /// survived.
    pub(crate) fn decisive_fault(&self) -> Option<&Fault> {
        self.root_doom().or(self.fault.as_ref())
    }

    /// A new attempt begins; what went wrong in the last one is decided.
    pub(crate) fn forget_faults(&mut self) {
        self.fault = None;
    }

    /// Keeps the error that later ones are explained by. What a failing statement has not broken is survived by trying
    /// another one, so the last of those counts; once something is doomed, and for statements that steer the
    /// transaction, it is the first. But what keeps a savepoint from ending costs the whole transaction, which a mistake
    /// inside of it did not: where running again may help against the one, the other has no say.
    pub(crate) fn remember(&mut self, fault: &Fault) {
        let of_the_user = matches!(fault.phase(), Phase::Statement | Phase::Fetch);
        let ends_a_savepoint = matches!(fault.phase(), Phase::Release | Phase::RollbackTo);
        let replaces = match &self.fault {
            None => true,
            Some(_) if of_the_user => self.doom().is_none(),
            Some(first) if ends_a_savepoint && self.root_doom().is_none() => {
                first.verdict().class == Class::Permanent && fault.verdict().class != Class::Permanent
            }
            Some(_) => false,
        };
        if replaces {
            self.fault = Some(fault.clone());
        }
    }

    /// Whether anything has come up that was not judged yet: an error, a question, rows that a panic has left unread.
    #[inline]
    fn is_unsettled(&self) -> bool {
        self.unsettled.is_some() || self.question.is_some() || self.streaming
    }

    /// Notes an error whose damage is judged as soon as the connection is back.
    pub(crate) fn note(&mut self, fault: Fault) {
        self.unsettled.get_or_insert(fault);
    }

    /// Diesel's error for a statement that is refused without being sent, if it is.
    pub(crate) fn refusal(&self) -> Option<DieselError> {
        self.doom().map(|cause| Refused::wrap(Error::doomed(cause.clone())))
    }

    /// Forgets an error that was noted and not judged: its connection is closed without a question.
    pub(crate) fn forget_unsettled(&mut self) {
        self.unsettled = None;
    }

    pub(crate) fn is_test(&self) -> bool {
        self.origin() == Some(Origin::Test)
    }

    /// Rows were left unread; whether an error was among them must be asked.
    pub(crate) fn left_rows_unread(&mut self) {
        self.question.get_or_insert(Question::UnreadRows);
    }

    /// A statement may have committed the transaction; that must be asked if it fails, or answers rows.
    pub(crate) fn left_definition(&mut self, certainly: bool) {
        self.question = Some(Question::Commit { certainly });
    }

    /// It was answered in good order, and who has sent it asks by himself.
    pub(crate) fn definition_was_answered(&mut self) {
        self.question = None;
    }

    pub(crate) fn left_failed_query(&mut self) {
        // Of one that may have committed more is asked, and this as well.
        self.question.get_or_insert(Question::FailedQuery);
    }

    pub(crate) fn set_streaming(&mut self, streaming: bool) {
        self.streaming = streaming;
    }

    /// Rows were being read when somebody left.
    pub(crate) fn is_streaming(&self) -> bool {
        self.streaming
    }

    /// Diesel's depth, for its instrumentation: 1 is the root.
    fn diesel_depth(&self) -> u32 {
        if self.is_open() {
            u32::try_from(self.frames.len()).unwrap_or(u32::MAX).saturating_add(1)
        } else {
            0
        }
    }
}

/// A fault of the caller's side: a panic, an exit, a joined function that failed. No server has a say in it, and
/// running again would only repeat it.
pub(crate) fn own_fault(message: impl Into<String>) -> Fault {
    own_fault_of(Fate::Open, message)
}

/// The same, with what it did to the server's transaction.
fn own_fault_of(fate: Fate, message: impl Into<String>) -> Fault {
    Fault::from_message(Phase::Statement, own_verdict(Class::Permanent, fate), message)
}

/// What this library itself says of an error.
pub(crate) fn own_verdict(class: Class, fate: Fate) -> Verdict {
    Verdict {
        class,
        scope: None,
        at_commit: CommitOutcome::RolledBack,
        fate,
        by_text: false,
        rule: "aludel",
    }
}
