//! A transaction inside of somebody else's: that of a session on a given connection, of a test, of a sandbox.
//!
//! The session has a [`Transaction`] of its own, with a root, savepoints, faults and hooks as any other. What it was lent lies
//! beneath it as [`External`], and nothing of the session's reaches below it, save that whatever takes the whole transaction
//! away (a lost connection, a deadlock on MariaDB) dooms all of it. What the session's root is to the server depends on how it
//! joins:
//!
//! | Mode | The root begins with | `commit()` | `rollback()` | `close()`, the session's end |
//! |---|---|---|---|---|
//! | `CreateSavepoint` | SAVEPOINT | RELEASE | ROLLBACK TO | ROLLBACK TO, if it has begun |
//! | `RollbackOnly` | nothing | nothing | the innermost level is rolled back | nothing |
//! | `ControlFully` | nothing: it takes the transaction over | COMMIT | ROLLBACK | ROLLBACK, if it has begun |
//! | `ConditionalSavepoint` | as the first where a savepoint is open, else as the second | | | |
//!
//! A level that a scope will end is doomed where `RollbackOnly` rolls it back, so that its owner learns of it; one that is
//! nobody's is over. `ControlFully` takes over only what is nobody's.

use aludel_core::Fault;
use aludel_core::dialect::Characteristics;

use super::Transaction;
use super::hooks::Captured;
use super::scope::Change;

mod inside;

/// What a session does with the transaction that the connection it was given is in (`join_transaction_mode` in SQLAlchemy).
///
/// It matters only for a session on a given connection ([`SessionFactory::session_on`](crate::SessionFactory::session_on),
/// [`SessionFactory::on`](crate::SessionFactory::on)) with a transaction open. What the session does not end is the external
/// part, and whoever has begun that ends it.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use aludel::{JoinTransactionMode, SessionFactory};
/// use diesel::prelude::*;
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let factory = SessionFactory::new(&engine).join_transaction_mode(JoinTransactionMode::CreateSavepoint);
/// let mut connection = engine.connect();
/// diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(&mut connection)?;
/// factory.on(&mut connection, |session| {
///     diesel::sql_query("INSERT INTO t VALUES (1)").execute(session)?;
///     session.commit()?; // RELEASE SAVEPOINT
///     diesel::sql_query("INSERT INTO t VALUES (2)").execute(session)?;
///     session.rollback() // ROLLBACK TO SAVEPOINT
/// })?;
/// assert_eq!(diesel::sql_query("DELETE FROM t").execute(&mut connection)?, 1);
/// connection.rollback()?; // and nothing of it was ever committed
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JoinTransactionMode {
    /// [`CreateSavepoint`](Self::CreateSavepoint) where a savepoint is open when the session begins, and
    /// [`RollbackOnly`](Self::RollbackOnly) where none is. The default, as in SQLAlchemy.
    #[default]
    ConditionalSavepoint,
    /// What the session commits stays for the owner of the transaction to commit; what it rolls back is rolled back at once,
    /// with whatever the owner had done before. The owner learns of it: a transaction that one of our scopes has begun refuses
    /// to go on, with that cause, and cannot be committed.
    RollbackOnly,
    /// The session commits, rolls back and closes the transaction as if it had begun it. It takes over with its first statement
    /// or its first `begin`. What a scope has begun (`begin`, `begin_nested`, `#[retry]`, Diesel's `transaction`) it cannot
    /// have, since that is ended by its closure's end: this is refused with the first statement.
    ControlFully,
    /// The session's transactions are savepoints, and nothing outside of them is touched.
    CreateSavepoint,
}

/// What was lent to the transaction above it.
#[derive(Debug)]
pub(super) struct External {
    transaction: Transaction,
    rule: Rule,
    /// What the root above is, while it is open.
    part: Part,
}

/// How what is above it joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// As a session on somebody's connection.
    Join(JoinTransactionMode),
    /// In savepoints, in the transaction of `begin_test_transaction`. What was written as one goes is a test's set-up and in
    /// nobody's way.
    Test,
    /// In savepoints, in a sandbox.
    Sandbox,
}

/// What a root is to the server, inside of an external transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// A savepoint of its own.
    Savepoint,
    /// The innermost level of the external transaction itself.
    Whole,
}

impl External {
    fn part_to_be(&self) -> Part {
        match self.rule {
            Rule::Test | Rule::Sandbox | Rule::Join(JoinTransactionMode::CreateSavepoint) => Part::Savepoint,
            Rule::Join(JoinTransactionMode::ConditionalSavepoint) if self.transaction.innermost() > 0 => {
                Part::Savepoint
            }
            Rule::Join(_) => Part::Whole,
        }
    }

    /// Whether a scope, or a test, ends its innermost level. Savepoints are always somebody's.
    fn is_owned(&self) -> bool {
        self.transaction.in_scope() || self.transaction.is_test()
    }
}

impl Transaction {
    /// Lends what is open to a transaction above it; nothing, where nothing is open.
    pub(crate) fn lend(&mut self, rule: Rule) {
        if !self.is_open() {
            return;
        }
        let above = Self {
            skip_user_error_events: self.skip_user_error_events,
            ..Self::default()
        };
        let transaction = std::mem::replace(self, above);
        self.external = Some(Box::new(External {
            transaction,
            rule,
            part: Part::Whole,
        }));
    }

    /// Takes what a sandbox has, for a while.
    pub(crate) fn borrow(&mut self, sandbox: &mut Self) {
        self.external = Some(Box::new(External {
            transaction: std::mem::take(sandbox),
            rule: Rule::Sandbox,
            part: Part::Whole,
        }));
    }

    /// The end of [`borrow`](Self::borrow).
    pub(crate) fn put_back(&mut self, sandbox: &mut Self) {
        if let Some(external) = self.external.take() {
            *sandbox = external.transaction;
        }
    }

    /// [`take_back`](Self::take_back), where the session that leaves was lent it, and not its connection.
    pub(crate) fn take_back_what_was_lent(&mut self) {
        if self.is_lent() {
            self.take_back();
        }
    }

    /// Whether a session was put into what its connection had begun.
    pub(crate) fn is_lent(&self) -> bool {
        let rule = self.external.as_ref().map(|external| external.rule);
        matches!(rule, Some(Rule::Join(_)))
    }

    /// The end of [`lend`](Self::lend): what was lent takes its place again, with the hooks of both.
    pub(crate) fn take_back(&mut self) {
        let Some(external) = self.external.take() else { return };
        let mut transaction = external.transaction;
        transaction.hooks.append(&mut self.hooks);
        transaction.skip_user_error_events = self.skip_user_error_events;
        *self = transaction;
    }

    /// The same for all that was ever lent.
    pub(crate) fn take_all_back(&mut self) {
        while self.is_guest() {
            self.take_back();
        }
    }

    /// Whether an external transaction lies beneath it.
    #[inline]
    pub(crate) fn is_guest(&self) -> bool {
        self.external.is_some()
    }

    /// Whether what was written as one goes is in nobody's way.
    pub(crate) fn is_lenient(&self) -> bool {
        self.external
            .as_ref()
            .is_some_and(|external| external.rule == Rule::Test)
    }

    /// Whether a test's transaction is at its bottom: nothing is ever committed, and nothing missed.
    pub(crate) fn is_of_a_test(&self) -> bool {
        self.is_test()
            || self
                .external
                .as_ref()
                .is_some_and(|external| external.transaction.is_of_a_test())
    }

    /// The one that COMMIT is sent for: itself, or that at its bottom.
    pub(crate) fn committed(&self) -> &Self {
        match &self.external {
            Some(external) => external.transaction.committed(),
            None => self,
        }
    }

    /// The same, to be changed.
    pub(crate) fn committed_mut(&mut self) -> &mut Self {
        if self.external.is_none() {
            return self;
        }
        let external = self.external.as_mut().expect("it was looked at above");
        external.transaction.committed_mut()
    }

    /// Savepoints that the server has beneath the first one of this transaction's own; also that which stands for its root.
    fn beneath(&self) -> usize {
        self.external.as_ref().map_or(0, |external| {
            external.transaction.innermost() + usize::from(self.is_open() && external.part == Part::Savepoint)
        })
    }

    /// The number of the innermost savepoint on the server, 0 for none.
    pub(super) fn innermost(&self) -> usize {
        self.beneath() + self.depth()
    }

    /// What the server has of an external transaction, in Diesel's counting.
    pub(super) fn external_levels(&self) -> usize {
        self.external.as_ref().map_or(0, |external| {
            let shared = usize::from(self.is_open() && external.part == Part::Whole);
            external.transaction.innermost() + 1 - shared
        })
    }

    /// What the open transaction was begun with, be it the session's own or what it is lent.
    pub(crate) fn begun_with(&self) -> Option<Characteristics> {
        let external = self
            .external
            .as_ref()
            .map(|external| external.transaction.characteristics);
        if self.is_open() {
            Some(self.characteristics)
        } else {
            external
        }
    }

    /// Whether the server has an external transaction open.
    pub(super) fn is_external_live(&self) -> bool {
        self.external
            .as_ref()
            .is_some_and(|external| external.transaction.is_live())
    }

    /// Why the external transaction cannot go on, if it cannot.
    pub(super) fn external_doom(&self) -> Option<&Fault> {
        self.external.as_ref().and_then(|external| external.transaction.doom())
    }

    /// What takes everything away takes the external transaction as well.
    pub(super) fn doom_external(&mut self, cause: &Fault) {
        if let Some(external) = &mut self.external {
            external.transaction.doom_root(cause);
        }
    }

    /// What spoils the innermost level of this transaction spoils one of the external's where it is the same, or where nothing
    /// of this one's is open.
    pub(super) fn doom_shared_level(&mut self, cause: &Fault) {
        let open = self.is_open();
        if let Some(external) = &mut self.external
            && (!open || external.part == Part::Whole)
        {
            external.transaction.doom_innermost(cause);
        }
    }

    /// A part of the whole was committed on the way.
    pub(crate) fn was_partly_committed(&mut self) {
        self.partly_committed = true;
        self.commits_by_the_way += 1;
        if let Some(external) = &mut self.external {
            external.transaction.was_partly_committed();
        }
    }

    /// What is kept of this transaction is the external one's from now on.
    fn hand_over(&mut self) {
        let first_write = self.first_write().map(str::to_owned);
        if let (Some(external), Some(first_write)) = (&mut self.external, first_write) {
            external.transaction.wrote(|| first_write);
        }
    }

    /// Its hooks follow what has happened to it; a commit inside of an external transaction is none yet for them.
    pub(crate) fn follow(&mut self, change: Change) {
        match &mut self.external {
            Some(external) if matches!(change, Change::Committed) => {
                let depth = external.transaction.depth();
                // A test's never comes to its end: what was committed in it will not be undone for anybody.
                if external.transaction.is_test() {
                    self.hooks.drop_those_for_a_rollback();
                }
                self.hooks.move_to(&mut external.transaction.hooks, depth);
            }
            _ => self.hooks.follow(change),
        }
    }

    /// A commit in a sandbox: what waits for one is kept for the test.
    pub(crate) fn let_hooks_be_captured(&mut self, captured: &Captured) {
        self.hooks.drop_those_for_a_rollback();
        captured.hold(|hooks| self.hooks.move_to(hooks, 0));
    }

    /// Nobody here will ever know how it ends: this process was forked, and the transaction is the parent's.
    pub(crate) fn forget_hooks(&mut self) {
        self.hooks.follow(Change::Forgotten);
        if let Some(external) = &mut self.external {
            external.transaction.forget_hooks();
        }
    }
}
