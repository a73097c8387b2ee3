//! SQLite, inside the process.
//!
//! The texts are those of `sqlite3ErrStr` (3.5x), fixed and in English. Asking costs a local call, so the transaction is
//! always asked about: an ordinary `INSERT OR ROLLBACK`, a trigger's `RAISE(ROLLBACK)`, a full disk or an interrupt
//! may each have ended it. A COMMIT that fails has not committed: it leaves the transaction open, or has rolled it
//! back. Only after an I/O error is there doubt, since the journal may have been finalised before it.

use super::rule::{Kinds, Rule, When, sqlite};
use super::{Class, CommitOutcome, Scope};

/// What Diesel's kinds mean. At COMMIT a deferred foreign key leaves the transaction open
/// (<https://www.sqlite.org/foreignkeys.html>, section 4.2).
pub(super) const KINDS: Kinds = Kinds {
    constraint: refused("sqlite 19 constraint (kind)", Class::Permanent, &[]).at_commit(CommitOutcome::StillOpen),
    serialization: refused("sqlite serialization (kind)", Class::Retry, &[]),
    read_only: refused("sqlite read-only (kind)", Class::Permanent, &[]),
    closed: Rule::disconnect("sqlite closed (kind)", Scope::Connection, &[]),
    unsendable: refused("sqlite not sent (kind)", Class::Permanent, &[]),
    unknown: refused("sqlite unknown", Class::Permanent, &[]),
};

/// First match wins.
pub(super) const RULES: &[Rule] = &[
    Rule::new("sqlite 5 busy at connect", Class::Busy, LOCKED)
        .codes(&[sqlite(5), sqlite(6), sqlite(15)])
        .when(When::Connecting),
    // A read transaction that wants to write cannot succeed by waiting: run it again, and begin it IMMEDIATE. A COMMIT
    // may be repeated as it is.
    Rule::new("sqlite 5 busy", Class::Retry, LOCKED)
        .codes(&[sqlite(5), sqlite(6), sqlite(15)])
        .at_commit(CommitOutcome::StillOpen)
        .when(When::Connected),
    refused("sqlite 17 schema", Class::Retry, &["database schema has changed$"]).codes(&[sqlite(17)]),
    Rule::new("sqlite 10 io", Class::Permanent, &["disk I/O error$"])
        .codes(&[sqlite(10)])
        .retires(Scope::Connection),
    refused(
        "sqlite 11 corrupt",
        Class::Permanent,
        &[
            "database disk image is malformed$",
            "malformed database schema",
            "file is not a database$",
            "file is encrypted or is not a database$",
        ],
    )
    .codes(&[sqlite(11), sqlite(26)])
    .retires(Scope::Connection),
    refused("sqlite 13 full", Class::Permanent, &["database or disk is full$"]).codes(&[sqlite(13)]),
    refused(
        "sqlite 8 readonly",
        Class::Permanent,
        &["attempt to write a readonly database$"],
    )
    .codes(&[sqlite(8)]),
    refused("sqlite 14 cannot open", Class::Permanent, &["unable to open database"]).codes(&[sqlite(14)]),
    refused("sqlite 9 interrupted", Class::Permanent, &["interrupted$"]).codes(&[sqlite(9)]),
    // It had ended before: by a trigger, a full disk, a conflict clause.
    refused(
        "sqlite 1 no transaction",
        Class::Permanent,
        &[
            "cannot commit - no transaction is active$",
            "cannot rollback - no transaction is active$",
        ],
    )
    .at_commit(CommitOutcome::RolledBack),
    refused("sqlite 1 savepoint", Class::Permanent, &["no such savepoint: {}"]),
    Rule::new(
        "sqlite 1 statements in progress",
        Class::Permanent,
        &["cannot commit transaction - SQL statements in progress$"],
    )
    .at_commit(CommitOutcome::StillOpen),
    refused(
        "sqlite 19 constraint",
        Class::Permanent,
        &[
            "UNIQUE constraint failed: ",
            "NOT NULL constraint failed: ",
            "CHECK constraint failed: ",
            "FOREIGN KEY constraint failed$",
        ],
    )
    .codes(&[sqlite(19)])
    .at_commit(CommitOutcome::StillOpen),
];

/// BUSY (with `BUSY_SNAPSHOT` and `BUSY_RECOVERY`), LOCKED of a shared cache, and the lock race at a WAL's start (15).
const LOCKED: &[&str] = &[
    "database is locked$",
    "database table is locked",
    "database schema is locked: ",
    "locking protocol$",
];

/// Nothing was written; whether the transaction is open is for the server, here a function call away, to say.
const fn refused(name: &'static str, class: Class, texts: &'static [&'static str]) -> Rule {
    Rule::new(name, class, texts).at_commit(CommitOutcome::NotCommitted)
}
