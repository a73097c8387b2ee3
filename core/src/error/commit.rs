//! Errors of a COMMIT whose outcome can be found out.

use std::time::Duration;

use super::{Cause, Error, Outcome};
use crate::classify::Class;
use crate::verify::CommitToken;

impl Error {
    /// By which it can be found out what has become of a transaction whose COMMIT was never answered: for `resolve`. `None`
    /// where the transaction was not verified.
    ///
    /// ```
    /// use aludel_core::{Error, Fault, Flavour, Phase};
    /// use diesel::result::{DatabaseErrorKind, Error as DieselError};
    ///
    /// let lost = DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new("gone".to_owned()));
    /// let (fault, _) = Fault::record(Flavour::PostgreSql, Phase::Commit, None, lost);
    /// let token = "1-000102030405060708090a0b0c0d0e0f-00112233aabbccdd-1700000000000000-4711---".parse()?;
    /// let error = Error::commit_unknown(fault).with_commit_token(token);
    /// assert_eq!(error.commit_token(), Some(&token));
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn commit_token(&self) -> Option<&CommitToken> {
        self.0.token.as_ref()
    }

    /// Says by which token the outcome can be found out.
    #[must_use]
    pub fn with_commit_token(mut self, token: CommitToken) -> Self {
        self.0.token = Some(token);
        self
    }

    /// Nobody could say within `waited` what has become of the COMMIT with this token.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use aludel_core::{Error, ErrorKind};
    ///
    /// let token = "1-000102030405060708090a0b0c0d0e0f-00112233aabbccdd-1700000000000000-4711---".parse()?;
    /// let error = Error::commit_unresolved(token, Duration::from_secs(5));
    /// assert_eq!(error.kind(), ErrorKind::CommitUnknown);
    /// assert!(error.is_commit_unknown() && error.commit_token().is_some());
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn commit_unresolved(token: CommitToken, waited: Duration) -> Self {
        Self::new(Cause::CommitUnresolved(waited))
            .with_outcome(Outcome::Unknown)
            .with_commit_token(token)
    }

    /// An unknown COMMIT that turned out not to have happened, and never will: running the transaction again is safe,
    /// whatever stood in the way of the answer. For the layers above.
    #[doc(hidden)]
    #[must_use]
    pub fn not_committed_after_all(mut self) -> Self {
        if let Cause::CommitUnknown(fault) = self.0.cause {
            self.0.cause = Cause::Commit(fault);
            self.0.outcome = Some(Outcome::RolledBack);
            self.0.token = None;
            if let Some(verdict) = &mut self.0.verdict
                && verdict.class == Class::Permanent
            {
                verdict.class = Class::Retry;
            }
        }
        self
    }
}
