//! PostgreSQL, CockroachDB and YugabyteDB, through libpq.
//!
//! Diesel turns nine SQLSTATEs into kinds, and any error into `ClosedConnection` once libpq has seen the socket close;
//! the rest is told from the text, which is the server's own (PostgreSQL 15's are checked) as long as its
//! `lc_messages` is `C` or English.

use super::rule::{self, Kinds, Rule, When};
use super::template;
use super::{Class, CommitOutcome, Fate, Phase, Scope};

/// What Diesel's kinds mean. Any error aborts the innermost frame, and one that answers COMMIT rolls back.
pub(super) const KINDS: Kinds = Kinds {
    constraint: refused("postgres 23 constraint (kind)", Class::Permanent, &[]),
    serialization: refused("postgres 40001 serialization (kind)", Class::Retry, &[]),
    read_only: refuses_writes("postgres 25006 read-only (kind)", &[]),
    closed: Rule::disconnect("postgres closed (kind)", Scope::Generation, &[]),
    unsendable: Rule::disconnect("postgres not sent (kind)", Scope::Connection, &[]),
    unknown: Rule::new("postgres unknown", Class::Permanent, &[]).fate(Fate::FrameAborted),
};

/// First match wins: what is more precise stands first.
pub(super) const RULES: &[Rule] = &[
    // The connection is dead. libpq checks its own state before it sends, so this COMMIT never left.
    Rule::disconnect(
        "libpq not connected",
        Scope::Generation,
        &["no connection to the server", "connection not open"],
    )
    .at_commit(CommitOutcome::NotCommitted),
    Rule::disconnect(
        "libpq connection lost",
        Scope::Generation,
        &[
            "server closed the connection unexpectedly",
            "could not receive data from server",
            "could not send data to server",
            "write to server failed",
            "SSL SYSCALL error: ",
            "SSL connection has been closed unexpectedly",
            "connection pointer is NULL",
        ],
    ),
    Rule::disconnect(
        "libpq protocol",
        Scope::Connection,
        &[
            "lost synchronization with server",
            "terminating connection because protocol synchronization was lost", // 08P01
            "server sent data (\"D\" message) without prior row description",
            "unexpected response from server",
            "another command is already in progress",
            "server conn crashed?", // PgBouncer
        ],
    ),
    Rule::disconnect("libpq tls", Scope::Connection, &["SSL error: "]).when(When::Connected),
    Rule::disconnect(
        "postgres 57P01 terminated",
        Scope::Generation,
        &[
            "terminating connection due to administrator command",
            "canceling the wait for synchronous replication and terminating connection",
            "terminating connection due to unexpected postmaster exit",
        ],
    )
    .codes(&[rule::sqlstate("57P01")]),
    Rule::disconnect(
        "postgres 57P02 crash",
        Scope::Generation,
        &[
            "terminating connection because of crash of another server process",
            "terminating connection because of unexpected SIGQUIT signal",
            "terminating connection due to immediate shutdown command",
        ],
    )
    .codes(&[
        rule::sqlstate("57P02"),
        rule::sqlstate("57P01").alone(false), // a shutdown that waits for nobody
    ]),
    Rule::disconnect(
        "postgres 25P03 idle",
        Scope::Connection,
        &[
            "terminating connection due to idle-in-transaction timeout",
            "terminating connection due to idle-session timeout", // 57P05
            "terminating connection due to transaction timeout",  // 25P04, PostgreSQL 17
            "idle transaction timeout",                           // PgBouncer
        ],
    )
    .codes(&[
        rule::sqlstate("25P03"),
        rule::sqlstate("57P05"),
        rule::sqlstate("25P04"),
    ]),
    Rule::disconnect(
        "postgres recovery conflict",
        Scope::Connection,
        &["terminating connection due to conflict with recovery"],
    ),
    // No connection to be had.
    Rule::new(
        "libpq unreachable",
        Class::Failover,
        &[
            "Connection refused",
            "Connection timed out",
            "Connection reset by peer",
            "Operation timed out",
            "No route to host",
            "Network is unreachable",
            "Host is down",
            "No such file or directory", // a unix socket
            "timeout expired",
            "could not translate host name \"{}\" to address: ",
            "could not connect to server: ", // libpq 13 and below
            "could not send startup packet: ",
            "could not send SSL negotiation packet: ",
        ],
    )
    .retires(Scope::Generation)
    .when(When::Connecting),
    Rule::new(
        "postgres wrong role of host",
        Class::Failover,
        &[
            "server is in hot standby mode", // target_session_attrs
            "server is not in hot standby mode",
            "session is read-only",
            "session is not read-only",
        ],
    )
    .retires(Scope::Generation)
    .when(When::Connecting),
    Rule::new(
        "postgres 57P03 leaving",
        Class::Failover,
        &[
            "the database system is shutting down",
            "the database system is not accepting connections", // a standby without hot_standby
            "server is not accepting clients",                  // CockroachDB
            "pgbouncer cannot connect to server",
        ],
    )
    .retires(Scope::Generation)
    .codes(&[rule::sqlstate("57P03").alone(false)])
    .fate(Fate::Lost),
    Rule::new(
        "postgres 57P03 starting",
        Class::Busy,
        &[
            "the database system is starting up",
            "the database system is in recovery mode",
            "the database system is not yet accepting connections",
        ],
    )
    .codes(&[rule::sqlstate("57P03").alone(false)])
    .fate(Fate::Lost),
    Rule::new(
        "postgres 53300 too many",
        Class::Busy,
        &[
            "sorry, too many clients already",
            "remaining connection slots are reserved",
            "too many connections for role \"{}\"",
            "too many connections for database \"{}\"",
            "no more connections allowed", // PgBouncer
        ],
    )
    .codes(&[rule::sqlstate("53300")])
    .fate(Fate::Lost),
    refused(
        "postgres 28 access",
        Class::Permanent,
        &[
            "password authentication failed for user \"{}\"",
            "fe_sendauth: no password supplied",
            "no pg_hba.conf entry for",
            "pg_hba.conf rejects connection",
            "database \"{}\" does not exist", // 3D000
            "role \"{}\" does not exist",
            "role \"{}\" is not permitted to log in",
        ],
    )
    .codes(&[rule::sqlstate("28"), rule::sqlstate("3D000")]),
    // Conflicts.
    refused(
        "postgres 40001 serialization",
        Class::Retry,
        &[
            "could not serialize access",
            "restart transaction: ", // CockroachDB
            "Restart read required", // YugabyteDB
            "canceling statement due to conflict with recovery",
        ],
    )
    .codes(&[rule::sqlstate("40001")]),
    refused("postgres 40P01 deadlock", Class::Retry, &["deadlock detected"]).codes(&[rule::sqlstate("40P01")]),
    // The plan belongs to a cached statement of this connection.
    refused(
        "postgres 0A000 stale plan",
        Class::Retry,
        &["cached plan must not change result type"],
    )
    .codes(&[rule::sqlstate("0A000").alone(false)])
    .retires(Scope::Connection),
    refused(
        "postgres 55P03 lock",
        Class::Busy,
        &["canceling statement due to lock timeout", "could not obtain lock on "],
    )
    .codes(&[rule::sqlstate("55P03")]),
    // Hosts that cannot serve.
    refuses_writes(
        "postgres 25006 read-only",
        &[
            "cannot execute {} in a read-only transaction",
            "cannot execute {} during recovery",
            "cannot set transaction read-write mode during recovery",
        ],
    )
    .codes(&[rule::sqlstate("25006")]),
    // The transaction is not what we think it is.
    Rule::new("cockroach 40003 ambiguous", Class::Permanent, &["result is ambiguous"])
        .codes(&[rule::sqlstate("40003"), rule::sqlstate("08007")])
        .fate(Fate::FrameAborted),
    refused(
        "postgres 25P02 aborted",
        Class::Permanent,
        &["current transaction is aborted, commands ignored"],
    )
    .codes(&[rule::sqlstate("25P02")]),
    Rule::new(
        "postgres 25P01 no transaction",
        Class::Permanent,
        &[
            "SAVEPOINT can only be used in transaction blocks",
            "RELEASE SAVEPOINT can only be used in transaction blocks",
            "ROLLBACK TO SAVEPOINT can only be used in transaction blocks",
        ],
    )
    .codes(&[rule::sqlstate("25P01")])
    .fate(Fate::Lost),
    // A frame of ours that is not there: the stack cannot be trusted any more.
    Rule::new(
        "postgres 3B001 savepoint",
        Class::Permanent,
        &["savepoint \"{}\" does not exist"],
    )
    .codes(&[rule::sqlstate("3B001")])
    .fate(Fate::Lost),
    // pg_cancel_backend, and in another language a deadline.
    Rule::new(
        "postgres 57014 canceled",
        Class::Permanent,
        &["canceling statement due to user request"],
    )
    .codes(&[rule::sqlstate("57014")])
    .fate(Fate::FrameAborted),
    // (COMMIT is never answered with it: the server stops this clock before it commits.)
    Rule::new(
        "postgres 57014 statement time",
        Class::Permanent,
        &["canceling statement due to statement timeout"],
    )
    .codes(&[rule::sqlstate("57014")])
    .fate(Fate::FrameAborted),
    // Diesel sent nothing that the server would run.
    Rule::new("libpq empty query", Class::Permanent, &["Received an empty query"]).fate(Fate::Open),
    Rule::new(
        "libpq too many parameters",
        Class::Permanent,
        &["number of parameters must be between"],
    )
    .at_commit(CommitOutcome::NotCommitted)
    .fate(Fate::Open),
    // Plain mistakes. A deferred constraint, or a deferred trigger's mistake, answers COMMIT.
    refused(
        "postgres 23 constraint",
        Class::Permanent,
        &[
            "duplicate key value violates unique constraint \"{}\"",
            "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
            "update or delete on table \"{}\" violates",
            "null value in column \"{}\"",
            "new row for relation \"{}\" violates check constraint \"{}\"",
            "conflicting key value violates exclusion constraint \"{}\"",
        ],
    )
    .codes(&[rule::sqlstate("23")]),
    refused(
        "postgres 22 data",
        Class::Permanent,
        &[
            "invalid input syntax for ",
            "value too long for type ",
            "numeric field overflow",
            "smallint out of range",
            "integer out of range",
            "bigint out of range",
            "value \"{}\" is out of range for type ",
            "date/time field value out of range",
            "invalid byte sequence for encoding ",
            "division by zero",
        ],
    )
    .codes(&[rule::sqlstate("22")]),
    refused(
        "postgres 42 syntax",
        Class::Permanent,
        &[
            "syntax error at ",
            "relation \"{}\" does not exist",
            "relation \"{}\" already exists",
            "column {} does not exist",
            "function {} does not exist",
            "permission denied for ",
        ],
    )
    .codes(&[rule::sqlstate("42")]),
];

/// Looks a message up. At connect libpq names what it tried, one attempt a line.
pub(super) fn find(phase: Phase, message: &str) -> Option<&'static Rule> {
    let line = template::first_line(message);
    if phase != Phase::Connect {
        return rule::find(RULES, phase, without_severity(line));
    }
    // `localhost` is often tried twice, and refused on one of its addresses: the host that answered knows better. libpq
    // goes no further after a refused password, so the last answer is the one that counts.
    let mut attempts = message
        .lines()
        .filter_map(attempt)
        .map(|text| rule::find(RULES, phase, without_severity(text)))
        .rev();
    let Some(last) = attempts.next() else {
        return rule::find(RULES, phase, without_severity(line));
    };
    let answered = |rule: Option<&Rule>| rule.is_none_or(|rule| rule.class != Class::Failover);
    if answered(last) {
        last
    } else {
        attempts.find(|rule| answered(*rule)).unwrap_or(last)
    }
}

/// What followed from one attempt to connect (libpq 14 and above, `fe-connect.c`).
fn attempt(line: &str) -> Option<&str> {
    const PREFIXES: &[&str] = &[
        "connection to server on socket \"{}\" failed: ",
        "connection to server at \"{}\", port {} failed: ",
        "connection to server at \"{}\" ({}), port {} failed: ",
    ];
    PREFIXES.iter().find_map(|prefix| template::strip(prefix, line))
}

/// A message that libpq has put together, rather than taken from the server's fields, starts with its severity.
fn without_severity(line: &str) -> &str {
    ["FATAL:  ", "ERROR:  ", "PANIC:  "]
        .iter()
        .find_map(|severity| template::strip(severity, line))
        .unwrap_or(line)
}

/// The server answered ERROR: the frame is aborted, and where it answered COMMIT, everything is rolled back.
const fn refused(name: &'static str, class: Class, texts: &'static [&'static str]) -> Rule {
    Rule::new(name, class, texts)
        .at_commit(CommitOutcome::RolledBack)
        .fate(Fate::FrameAborted)
}

/// A host that answers and does not write.
const fn refuses_writes(name: &'static str, texts: &'static [&'static str]) -> Rule {
    Rule::new(name, Class::Failover, texts)
        .retires(Scope::Generation)
        .at_commit(CommitOutcome::NotCommitted)
        .fate(Fate::FrameAborted)
}
