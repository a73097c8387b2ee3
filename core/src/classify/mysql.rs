//! MariaDB and MySQL, with TiDB and Vitess, which speak their protocol.
//!
//! Server texts are those of `errmsg-utf8.txt` (MariaDB 10.11) and of the MySQL 8 error reference; client texts are
//! compiled into the libraries: MariaDB's say "server" where Oracle's say "MySQL server". Diesel passes the number on
//! only for prepared statements, and only as one of its kinds, so the numbers here are documentation. They could not
//! decide alone anyway: 4031 is an idle timeout on MySQL and a trigger error on MariaDB.

use super::rule::{self, Kinds, Rule, When, mysql as code};
use super::template;
use super::{Class, CommitOutcome, Fate, Phase, Scope};

/// What Diesel's kinds mean. A plain constraint violation undoes its statement alone (MariaDB manual, "InnoDB error
/// handling"); a deadlock undoes everything.
pub(super) const KINDS: Kinds = Kinds {
    constraint: plain("mysql constraint (kind)", &[]).at_commit(CommitOutcome::RolledBack),
    serialization: conflict("mysql 1213 deadlock (kind)", &[]).fate(Fate::RolledBack),
    read_only: refuses_writes("mysql 1792 read-only transaction (kind)", &[]),
    closed: Rule::disconnect("mysql closed (kind)", Scope::Generation, &[]),
    unsendable: Rule::disconnect("mysql not sent (kind)", Scope::Connection, &[]),
    unknown: Rule::new("mysql unknown", Class::Permanent, &[]),
};

/// First match wins: what is more precise stands first.
pub(super) const RULES: &[Rule] = &[
    // The connection is dead.
    Rule::disconnect(
        "mysql 2006 gone away",
        Scope::Generation,
        &["Server has gone away", "MySQL server has gone away"],
    )
    .codes(&[code(2006, "HY000")]),
    Rule::disconnect(
        "mysql 2013 lost during query",
        Scope::Generation,
        &[
            "Lost connection to server during query",
            "Lost connection to MySQL server during query",
        ],
    )
    .codes(&[code(2013, "HY000")]),
    Rule::disconnect(
        "mysql 2055 lost",
        Scope::Generation,
        &[
            "Lost connection to server at '{}', system error",
            "Lost connection to MySQL server at '{}', system error",
            "Lost connection to backend server", // MaxScale
        ],
    ),
    Rule::disconnect(
        "mysql 2014 out of sync",
        Scope::Connection,
        &["Commands out of sync; you can't run this command now"],
    )
    .codes(&[code(2014, "HY000")]),
    Rule::disconnect(
        "mysql 2027 protocol",
        Scope::Connection,
        &[
            "Received malformed packet",
            "Malformed packet",
            "Malformed communication packet", // 1835
            "Packet sequence number wrong",
            "Got packets out of order", // 1156
        ],
    )
    .codes(&[code(2027, "HY000"), code(1835, "HY000"), code(1156, "08S01")]),
    Rule::disconnect(
        "mysql 5013 socket error",
        Scope::Generation,
        &["Read error: ", "Write error: ", "Error while uncompressing packet"], // 5013, 5014, 5015
    )
    .codes(&[code(5013, "HY000"), code(5014, "HY000"), code(5015, "HY000")]),
    Rule::disconnect(
        "mysql 1158 communication error",
        Scope::Connection,
        &[
            "Couldn't uncompress communication packet",   // 1157
            "Got an error reading communication packets", // 1158
            "Got timeout reading communication packets",  // 1159
            "Got an error writing communication packets", // 1160
            "Got timeout writing communication packets",  // 1161
        ],
    )
    .codes(&[
        code(1157, "08S01"),
        code(1158, "08S01"),
        code(1159, "08S01"),
        code(1160, "08S01"),
        code(1161, "08S01"),
    ]),
    Rule::disconnect(
        "mysql 2026 tls",
        Scope::Connection,
        &["TLS/SSL error: ", "SSL connection error: "],
    )
    .codes(&[code(2026, "HY000")])
    .when(When::Connected), // while connecting it is a matter of configuration
    Rule::disconnect("mysql 1927 killed", Scope::Connection, &["Connection was killed"]).codes(&[code(1927, "70100")]),
    Rule::disconnect(
        "mysql 1053 shutdown",
        Scope::Generation,
        &["Server shutdown in progress"],
    )
    .codes(&[code(1053, "08S01")]),
    Rule::disconnect(
        "mysql 4031 idle",
        Scope::Connection,
        &["The client was disconnected by the server because of inactivity"],
    )
    .codes(&[code(4031, "HY000")]),
    // Too large for the server, which hangs up; it would be too large again.
    Rule::new(
        "mysql 1153 packet too large",
        Class::Permanent,
        &[
            "Got a packet bigger than 'max_allowed_packet' bytes",
            "Got packet bigger than 'max_allowed_packet' bytes",
        ],
    )
    .codes(&[code(1153, "08S01"), code(2020, "HY000")])
    .retires(Scope::Connection)
    .fate(Fate::Lost),
    // No connection to be had.
    Rule::new(
        "mysql 2003 unreachable",
        Class::Failover,
        &[
            "Can't connect to server",
            "Can't connect to local server",
            "Can't connect to MySQL server",
            "Can't connect to local MySQL server",
            "Unknown server host",       // 2005
            "Unknown MySQL server host", // 2005
        ],
    )
    .codes(&[code(2002, "HY000"), code(2003, "HY000"), code(2005, "HY000")])
    .retires(Scope::Generation)
    .when(When::Connecting),
    Rule::new(
        "mysql 1040 too many",
        Class::Busy,
        &[
            "Too many connections",
            "User {} already has more than 'max_user_connections' active connections", // 1203
            "User '{}' has exceeded the '{}' resource",                                // 1226
            "Can't create a new thread",                                               // 1135
        ],
    ),
    Rule::new(
        "mysql 1043 handshake",
        Class::Busy,
        &["Bad handshake", "Error in server handshake"],
    )
    .codes(&[code(1043, "08S01"), code(2012, "HY000")]),
    plain(
        "mysql 1045 access",
        &[
            "Access denied",
            "Unknown database '{}'",
            "Host '{}' is not allowed to connect",
            "Host '{}' is blocked because of many connection errors",
        ],
    ),
    // Conflicts.
    conflict(
        "mysql 1213 deadlock",
        &[
            "Deadlock found when trying to get lock",
            "WSREP detected deadlock/conflict",
            "Deadlock: wsrep aborted",
        ],
    )
    .codes(&[code(1213, "40001").alone(true)])
    .fate(Fate::RolledBack),
    // Only the statement is undone, unless innodb_rollback_on_timeout: hence asked about. A COMMIT that waits in vain for
    // FLUSH TABLES WITH READ LOCK is rolled back (seen on MariaDB 10.11, with @@in_transaction at 0).
    conflict("mysql 1205 lock wait", &["Lock wait timeout exceeded"]).codes(&[code(1205, "HY000")]),
    conflict(
        "mysql 1020 changed",
        &["Record has changed since last read in table '{}'"],
    )
    .codes(&[code(1020, "HY000")]),
    Rule::new(
        "mysql 3058 user lock deadlock",
        Class::Retry,
        &["Deadlock found when trying to get user-level lock"],
    )
    .codes(&[code(3058, "HY000")]),
    Rule::new(
        "mysql 1412 stale definition",
        Class::Retry,
        &[
            "Table definition has changed, please retry transaction",
            "Prepared statement needs to be re-prepared",
        ],
    )
    .codes(&[code(1412, "HY000"), code(1615, "HY000")])
    .retires(Scope::Connection), // its cached statements are stale, and Diesel cannot drop them one by one
    conflict(
        "mysql 1614 xa rolled back",
        &["XA_RBDEADLOCK", "XA_RBTIMEOUT", "XA_RBROLLBACK"],
    )
    .codes(&[
        code(1614, "XA102").alone(true),
        code(1613, "XA106").alone(true),
        code(1402, "XA100").alone(true),
    ]),
    conflict(
        "mysql 3101 plugin rollback",
        &["Plugin instructed the server to rollback the current transaction"],
    )
    .codes(&[code(3101, "40000").alone(true)])
    .fate(Fate::RolledBack),
    conflict(
        "mariadb 2104 rollback only",
        &["This transaction was rolled back and cannot be committed"],
    ),
    Rule::new(
        "mysql 3572 nowait",
        Class::Busy,
        &["Statement aborted because lock(s) could not be acquired immediately and NOWAIT is set"],
    )
    .codes(&[code(3572, "HY000")])
    .fate(Fate::StatementUndone),
    // Hosts that cannot serve.
    refuses_writes(
        "mysql 1047 wsrep",
        &["WSREP has not yet prepared node for application use"],
    )
    .codes(&[code(1047, "08S01")]),
    refuses_writes(
        "mysql 1290 read-only",
        &[
            "The MariaDB server is running with the --read-only option",
            "The MariaDB server is running with the --read_only option",
            "The MySQL server is running with the --read-only option",
            "The MySQL server is running with the --super-read-only option",
        ],
    )
    .codes(&[code(1290, "HY000")]),
    refuses_writes(
        "mysql 1836 read-only",
        &["Running in read-only mode", "InnoDB is in read only mode"],
    )
    .codes(&[code(1836, "HY000"), code(1874, "HY000")]),
    refuses_writes(
        "mysql 1792 read-only transaction",
        &["Cannot execute statement in a READ ONLY transaction"],
    )
    .codes(&[code(1792, "25006").alone(true)]),
    // The transaction is not what we think it is.
    Rule::new(
        "mysql 1305 savepoint",
        Class::Permanent,
        &["SAVEPOINT {} does not exist"],
    )
    .codes(&[code(1305, "42000")])
    .fate(Fate::Lost),
    Rule::new(
        "mysql 1180 during commit",
        Class::Permanent,
        &["Got error {} during COMMIT"],
    )
    .codes(&[code(1180, "HY000")]),
    Rule::new(
        "mysql 1206 lock table",
        Class::Permanent,
        &["The total number of locks exceeds the lock table size"],
    )
    .codes(&[code(1206, "HY000")]),
    // Deadlines and KILL QUERY.
    Rule::new(
        "mariadb 1969 statement time",
        Class::Permanent,
        &["Query execution was interrupted (max_statement_time exceeded)"],
    )
    .codes(&[code(1969, "70100")]),
    // On MySQL the limit is for SELECT alone.
    Rule::new(
        "mysql 3024 statement time",
        Class::Permanent,
        &["Query execution was interrupted, maximum statement execution time exceeded"],
    )
    .codes(&[code(3024, "HY000")])
    .fate(Fate::StatementUndone),
    Rule::new(
        "mysql 1317 interrupted",
        Class::Permanent,
        &["Query execution was interrupted"],
    )
    .codes(&[code(1317, "70100")]),
    // TiDB (its documentation, "Error codes").
    conflict(
        "tidb 9007 conflict",
        &[
            "Write conflict",                            // 9007, 8005
            "can not retry select for update statement", // 8002
            "Error: KV error safe to retry",             // 8022
            "KV error safe to retry",                    // 8022
            "Information schema is changed",             // 8028
        ],
    ),
    Rule::new(
        "tidb 9001 unavailable",
        Class::Failover,
        &[
            "PD server timeout",
            "TiKV server timeout",
            "TiKV server is busy",
            "Resolve lock timeout",
            "Region is unavailable",
        ],
    )
    .retires(Scope::Generation),
    // Vitess (go/vt/vterrors), after its `target: …: vttablet: `.
    Rule::new(
        "vitess unavailable",
        Class::Failover,
        &[
            "rpc error: code = Unavailable",
            "UNAVAILABLE",
            "not serving",
            "primary is not serving",
            "operation not allowed in state NOT_SERVING",
            "no healthy tablet available",
        ],
    )
    .retires(Scope::Generation),
    Rule::new(
        "vitess pool",
        Class::Busy,
        &[
            "tx_pool",
            "transaction pool connection limit exceeded",
            "per-user transaction pool connection limit exceeded",
            "transaction pool aborting request",
        ],
    ),
    Rule::new(
        "vitess transaction ended",
        Class::Retry,
        &[
            "transaction {}: not found",
            "transaction {}: ended at",
            "transaction {}: in use: for tx killer rollback",
        ],
    ),
    // Plain mistakes: the statement is undone and the transaction stands.
    plain(
        "mysql 1062 constraint",
        &[
            "Duplicate entry '{}' for key",                                         // 1062, 1586
            "Duplicate entry for key '{}'",                                         // 1859
            "Column '{}' cannot be null",                                           // 1048
            "Field '{}' doesn't have a default value",                              // 1364
            "Cannot add or update a child row: a foreign key constraint fails",     // 1216, 1452
            "Cannot delete or update a parent row: a foreign key constraint fails", // 1217, 1451
            "Check constraint '{}' is violated",                                    // 3819
            "CONSTRAINT {} failed for {}",                                          // 4025
        ],
    )
    .codes(&[rule::sqlstate("23000"), code(1364, "HY000"), code(3819, "HY000")])
    .at_commit(CommitOutcome::RolledBack),
    plain(
        "mysql 1264 data",
        &[
            "Out of range value for column '{}'",
            "Incorrect {} value: '{}' for ",    // 1366
            "Data too long for column '{}'",    // 1406
            "Truncated incorrect {} value: ",   // 1292
            "Division by 0",                    // 1365
            "Subquery returns more than 1 row", // 1242
        ],
    ),
    plain(
        "mysql 1064 syntax",
        &[
            "You have an error in your SQL syntax",
            "Table '{}' doesn't exist",      // 1146
            "Unknown column '{}' in ",       // 1054
            "SELECT command denied to user", // 1142
            "INSERT command denied to user",
            "UPDATE command denied to user",
            "DELETE command denied to user",
            "Column count doesn't match value count at row", // 1136
        ],
    ),
];

/// Looks a message up, as it is and without what stands before the server's own words.
pub(super) fn find(phase: Phase, message: &str) -> Option<&'static Rule> {
    /// TLS handshakes that the server refused (MariaDB Connector/C 3.3.11 and above), TiDB's own numbering, and
    /// Vitess's address of the tablet and gRPC status.
    const PREFIXES: &[&str] = &[
        "Received error packet before completion of TLS handshake. The authenticity of the following error cannot be \
         verified: {} - ",
        "[{}] ",
        "[{}]",
        "target: {}: ",
        "vttablet: ",
        "rpc error: code = {} desc = ",
    ];
    let mut line = template::first_line(message);
    let mut known = rule::find(RULES, phase, line);
    for prefix in PREFIXES {
        if known.is_some() {
            break;
        }
        if let Some(rest) = template::strip(prefix, line) {
            line = rest;
            known = rule::find(RULES, phase, line);
        }
    }
    known
}

/// A mistake in the statement; what came before it stands.
const fn plain(name: &'static str, texts: &'static [&'static str]) -> Rule {
    Rule::new(name, Class::Permanent, texts).fate(Fate::Open)
}

/// Somebody else was first. At COMMIT the server rolls back.
const fn conflict(name: &'static str, texts: &'static [&'static str]) -> Rule {
    Rule::new(name, Class::Retry, texts).at_commit(CommitOutcome::RolledBack)
}

/// A host that answers and does not write.
const fn refuses_writes(name: &'static str, texts: &'static [&'static str]) -> Rule {
    Rule::new(name, Class::Failover, texts)
        .retires(Scope::Generation)
        .at_commit(CommitOutcome::NotCommitted)
}
