//! Writing the token.

use aludel_core::verify::{CommitTable, CommitToken};
use aludel_core::{AccessMode, Dialect, Error, Flavour, Phase, Result};
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::connection::{Connection, no_text};
use crate::session::Session;
use crate::transaction::Footing;
use crate::transaction::scope::Unit as _;

impl<C: Dialect> Session<C> {
    /// Writes the token of this transaction at once, and gives it out before COMMIT; see
    /// [`Connection::commit_token`].
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use std::time::Duration;
    ///
    /// use aludel::prelude::*;
    /// use aludel::verify::Resolution;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// engine.create_commit_table()?;
    /// let mut token = None;
    /// let refused = engine.begin(|session| {
    ///     token = Some(session.commit_token()?); // to be kept where a crash of this process does not reach
    ///     Err::<(), _>(aludel::Error::other("no"))
    /// });
    /// assert!(refused.is_err());
    /// let resolution = engine.resolve(&token.expect("it was given out"), Duration::from_secs(5))?;
    /// assert_eq!(resolution, Resolution::NotCommitted);
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As there; and those of writing what is pending.
    pub fn commit_token(&mut self) -> Result<CommitToken> {
        self.about_to_use()?;
        self.connection().commit_token()
    }
}

impl<C: Dialect> Connection<C> {
    /// Writes the token of this transaction at once, and gives it out before COMMIT: whoever has it can find out with
    /// [`resolve`](crate::EngineExt::resolve) what became of the transaction, also after a crash of this process. The
    /// transaction is a verified one from then on. Calling it again answers the same token.
    ///
    /// One that is written inside a savepoint that is rolled back is written again before COMMIT. If it was resolved in the
    /// meantime, the transaction cannot be committed any more.
    ///
    /// # Errors
    ///
    /// In AUTOCOMMIT; in a transaction that has failed, or of which DDL has committed a part (MariaDB, MySQL); when the table is missing and cannot be made while this
    /// transaction is open; and whatever the server answers to the INSERT.
    pub fn commit_token(&mut self) -> Result<CommitToken> {
        self.ready()?;
        if self.transaction.footing() == Footing::Autocommit {
            return Err(Error::misuse(
                "commit_token() in AUTOCOMMIT: there is no COMMIT that could go unanswered; begin a transaction",
            ));
        }
        if self.transaction.partly_committed {
            return Err(Error::misuse(
                "commit_token() after a statement that has committed what came before it: the token could speak for the \
                 rest alone; begin another transaction",
            ));
        }
        self.table_inside::<CommitTable>()?;
        self.transaction.verification.wanted = true;
        self.transaction.wrote(|| "a commit token".to_owned());
        self.write_token()
    }

    /// What was wished for the next root is used up by it.
    pub(crate) fn take_wish(&mut self) -> super::Verification {
        let wish = std::mem::take(&mut self.wish);
        let reads = self.transaction.characteristics.access_mode == Some(AccessMode::ReadOnly);
        let wanted = !reads && wish.verified.unwrap_or_else(|| self.engine().verifies_commits());
        super::Verification::new(wanted, wish)
    }

    /// Whether the root that is about to begin will need the table.
    pub(crate) fn wants_verification(&self) -> bool {
        self.transaction.verification.wanted
    }

    /// Whether it will need the table of results.
    pub(crate) fn wants_to_keep_a_result(&self) -> bool {
        self.transaction.verification.keeps_result
    }

    /// A transaction that is open already is verified, too, because somebody who has joined it wants it.
    pub(crate) fn verify_from_now_on(&mut self) -> Result<()> {
        // What a test has begun has no COMMIT that could go unanswered.
        if !self.is_in_a_test() && !self.transaction.committed().verification.wanted {
            self.table_inside::<CommitTable>()?;
            self.transaction.committed_mut().verification.wanted = true;
        }
        Ok(())
    }

    /// The last thing before COMMIT: whatever was written is accompanied by its token.
    pub(crate) fn write_token_before_commit(&mut self) -> Result<()> {
        let verification = &self.transaction.verification;
        if !verification.wanted || verification.depth.is_some() {
            return Ok(());
        }
        if verification.token.is_none() && !self.may_have_written()? {
            self.transaction.verification.untouched = true;
            return Ok(());
        }
        self.write_token().map(drop)
    }

    /// A SELECT may have written through a function that it called: PostgreSQL knows, SQLite has no such functions, and of
    /// MariaDB the worst is assumed.
    fn may_have_written(&mut self) -> Result<bool> {
        if self.transaction.first_write().is_some() {
            return Ok(true);
        }
        if C::FLAVOUR == Flavour::Sqlite {
            return Ok(false);
        }
        let Some(known) = self.engine().known_commit_table() else {
            return Ok(true);
        };
        let written = self.call(Phase::Statement, no_text, |raw| raw.has_written(known));
        Ok(written.map_err(|error| self.explain(error))?.unwrap_or(true))
    }

    fn write_token(&mut self) -> Result<CommitToken> {
        let verification = &self.transaction.verification;
        if let Some(token) = verification.token() {
            return Ok(token);
        }
        let before = verification.token;
        let id = before.map_or_else(random, |token| Ok(token.id()))?;
        let known = match self.engine().known_commit_table() {
            Some(known) => known,
            None => self.table_inside::<CommitTable>()?,
        };
        let text = || Some("INSERT INTO aludel_commits".to_owned());
        let key = CommitToken::key_of(id);
        let recorded = match self.call(Phase::Statement, text, |raw| raw.record_commit(&key, known)) {
            Ok(recorded) => recorded,
            Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => return Err(fenced_off()),
            Err(error) => {
                // Should the table be gone, the next transaction looks for it.
                self.engine().remember_commit_table(None);
                return Err(self.explain(error));
            }
        };
        let retention = i64::try_from(self.engine().commit_token_retention().as_micros()).unwrap_or(i64::MAX);
        let token = match before {
            // Whoever resolved it may have fenced it off, and the fence be gone by now.
            Some(token) if recorded.created_at.saturating_sub(token.recorded().created_at) > retention => {
                return Err(fenced_off());
            }
            Some(token) => token,
            None => CommitToken::new(id, recorded),
        };
        let depth = self.transaction.depth();
        let verification = &mut self.transaction.verification;
        (verification.token, verification.depth) = (Some(token), Some(depth));
        Ok(token)
    }
}

fn fenced_off() -> Error {
    Error::misuse(
        "this transaction cannot be committed any more: its commit token was resolved while it was still open, and whoever \
         did that was told that it is not committed; do not run it again before you know what they have done",
    )
}

/// From the system, since two processes, or a process and its forked child, must never make the same one.
fn random() -> Result<u128> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::other(format!("the system has no random numbers: {error}")))?;
    Ok(u128::from_ne_bytes(bytes))
}
