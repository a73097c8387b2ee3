//! What `#[transactional]` says of its function.

use std::time::Duration;

use aludel_core::{CommitPolicy, Error, ExecutionOptions, Flavour, IsolationLevel, Result};

use crate::transaction::stage::Asked;
use crate::verification::Wish;

/// How a transaction is begun, joined or kept away, and what it is like.
///
/// `#[transactional]` writes it from its arguments; it can be built by hand for
/// [`Session::transactional`](crate::Session::transactional). Nothing is ever run again: see
/// [`RetryPolicy`](crate::RetryPolicy) for that.
///
/// ```
/// use std::time::Duration;
///
/// use aludel::{CommitPolicy, IsolationLevel, Propagation, TransactionPolicy};
///
/// const AUDIT: TransactionPolicy = TransactionPolicy::new().propagation(Propagation::RequiresNew);
/// const PAYMENT: TransactionPolicy = TransactionPolicy::new()
///     .isolation_level(IsolationLevel::Serializable)
///     .commit(CommitPolicy::Verify)
///     .deadline(Duration::from_secs(10));
/// # assert_ne!(AUDIT, PAYMENT);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct TransactionPolicy {
    pub(super) propagation: Propagation,
    own: ExecutionOptions,
    commit: CommitPolicy,
    deadline: Duration,
}

/// What a function does where a transaction is open already, in the words of Spring and Jakarta EE.
///
/// *Open* is one that somebody has begun explicitly (`begin`, `#[retry]`, `#[transactional]`, Diesel's `transaction()`). One
/// that began by itself counts as none where it has only read, and is then ended; where it has written it is refused with
/// [`is_transaction_already_open`](Error::is_transaction_already_open).
///
/// | | a transaction is open | none |
/// |---|---|---|
/// | `Required` | joins it | begins one; commits, or rolls back |
/// | `RequiresNew` | another session of the same engine, in a transaction of its own | begins one |
/// | `Nested` | a savepoint | begins one |
/// | `Mandatory` | joins it | an error |
/// | `Never` | an error | AUTOCOMMIT |
/// | `Supports` | joins it | AUTOCOMMIT |
/// | `NotSupported` | another session of the same engine, in AUTOCOMMIT | AUTOCOMMIT |
///
/// One that joins and fails dooms what it has joined; a `Nested` one that fails undoes only itself. In AUTOCOMMIT each
/// statement stands for itself and stays, whatever becomes of the function; what it calls may begin transactions of their
/// own. In a test transaction (`begin_test_transaction`) the outermost one is a savepoint, and another session is refused:
/// it would commit.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel::prelude::*;
/// use aludel::{Propagation, TransactionPolicy};
///
/// const PART: TransactionPolicy = TransactionPolicy::new().propagation(Propagation::Mandatory);
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let alone = engine.session().transactional(&PART, |_| Ok(())).unwrap_err();
/// assert!(alone.to_string().contains("none is open"));
/// engine.begin(|session| session.transactional(&PART, |_| Ok(())))?;
/// # use diesel::SqliteConnection;
/// # }
/// # Ok::<(), aludel::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Propagation {
    /// Joins, or begins.
    #[default]
    Required,
    /// Has a transaction to itself, which stands whatever becomes of the one around it. The two do not see each other's work,
    /// and wait for each other's locks for ever if they meet; it takes a second connection of the pool's.
    RequiresNew,
    /// A part that can be undone by itself.
    Nested,
    /// Only as a part of somebody's transaction.
    Mandatory,
    /// Only outside of any transaction.
    Never,
    /// As it comes.
    Supports,
    /// Outside of any transaction, on a second connection of the pool's where one is open.
    NotSupported,
}

impl TransactionPolicy {
    /// [`Propagation::Required`], with what the session's transactions have; an unknown COMMIT fails.
    pub const fn new() -> Self {
        Self {
            propagation: Propagation::Required,
            own: ExecutionOptions::new(),
            commit: CommitPolicy::Fail,
            deadline: Duration::from_secs(30),
        }
    }

    /// What is done where a transaction is open already.
    pub const fn propagation(mut self, propagation: Propagation) -> Self {
        self.propagation = propagation;
        self
    }

    /// Its isolation level, as [`build_transaction`](crate::Session::build_transaction) has it: a transaction with another one
    /// is not joined, and a function that may have to run in AUTOCOMMIT cannot ask for one.
    pub const fn isolation_level(mut self, level: IsolationLevel) -> Self {
        self.own = self.own.isolation_level(level);
        self
    }

    /// It may not write.
    pub const fn read_only(mut self) -> Self {
        self.own = self.own.read_only();
        self
    }

    /// If it is serializable and read-only, it may wait until it can run without ever being aborted; PostgreSQL only.
    pub const fn deferrable(mut self) -> Self {
        self.own = self.own.deferrable();
        self
    }

    /// What is done when COMMIT was sent and its answer never came: [`CommitPolicy::Fail`], the default, or
    /// [`CommitPolicy::Verify`], with which it is found out within the [`deadline`](Self::deadline) what has become of it. It
    /// is never run again; [`CommitPolicy::Idempotent`] is refused.
    pub const fn commit(mut self, commit: CommitPolicy) -> Self {
        self.commit = commit;
        self
    }

    /// How long it may be tried to find out, from the missing answer on; 30 s unless it is said. It bounds nothing else.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// What is asked of the transaction, once it is known that the database has it.
    pub(super) fn asked(&self, mut asked: Asked, flavour: Flavour) -> Result<Asked> {
        asked.own = self.own.characteristics();
        asked.check(flavour)?;
        let plain = matches!(
            self.propagation,
            Propagation::Never | Propagation::Supports | Propagation::NotSupported
        );
        if let (true, Some(level)) = (plain, asked.own.isolation_level) {
            return Err(Error::misuse(format!(
                "{level} was asked for a function that runs in AUTOCOMMIT where no transaction is open, which is a level of \
                 its own; say required, nested or mandatory, or no level"
            )));
        }
        match self.commit {
            CommitPolicy::Fail => {}
            CommitPolicy::Verify => {
                asked.wish = Wish {
                    verified: Some(true),
                    within: Some(self.deadline),
                    ..Wish::default()
                }
            }
            _ => {
                return Err(Error::misuse(
                    "commit = idempotent says that a transaction may be run again, and #[transactional] never does; use \
                     #[retry], or commit = verify",
                ));
            }
        }
        Ok(asked)
    }
}

impl Default for TransactionPolicy {
    fn default() -> Self {
        Self::new()
    }
}
