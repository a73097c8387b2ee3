//! Every name by which something can be set, and what takes it: so that a name in the wrong place is sent to the right one.

use crate::mistakes::nearest;

/// What takes an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Component {
    Engine,
    Pool,
    MySql,
    PostgreSql,
    Sqlite,
}

impl Component {
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Engine => "the engine",
            Self::Pool => "the pool",
            Self::MySql => "MariaDB and MySQL",
            Self::PostgreSql => "PostgreSQL",
            Self::Sqlite => "SQLite",
        }
    }

    /// What it takes: the name, and what may stand there.
    pub(crate) fn names(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Engine => ENGINE,
            Self::Pool => POOL,
            Self::MySql => MYSQL,
            Self::PostgreSql => POSTGRES,
            Self::Sqlite => SQLITE,
        }
    }

    pub(crate) fn has(self, name: &str) -> bool {
        self.names().iter().any(|(known, _)| *known == name)
    }
}

const ALL: [Component; 5] = [
    Component::Engine,
    Component::Pool,
    Component::MySql,
    Component::PostgreSql,
    Component::Sqlite,
];

const ENGINE: &[(&str, &str)] = &[
    ("url", "a database URL"),
    ("password", "put into the URL"),
    ("isolation_level", "as READ COMMITTED"),
    ("access_mode", "READ WRITE or READ ONLY"),
    ("deferrable", "true or false"),
    ("echo", "true, false or debug"),
    ("echo_pool", "true, false or debug"),
    ("pool_logging_name", "a name"),
    ("logging_token", "a word"),
    ("parameters_in_errors", "true or false"),
    ("pool_metrics", "true or false"),
    ("verify_commits", "true or false"),
    ("commit_token_retention", "a time"),
    ("hide_parameters", "true or false"),
    ("on_exit", "invalidate or rollback_if_idle"),
    ("refuse_implicit_commits", "true or false"),
    ("logging_name", "a name"),
    ("insertmanyvalues_page_size", "rows of one statement"),
    ("implicit_returning", "true or false"),
    ("retry_attempts", "attempts, the first one included"),
    ("retry_deadline", "a time"),
    ("retry_commit", "fail, verify or idempotent"),
    ("retry_on", "classes, as retry, disconnect"),
    ("retry_backoff", "as 10ms..2s, or none"),
    ("retry_budget", "tokens; -1 for no limit"),
];

const POOL: &[(&str, &str)] = &[
    ("pool", "queue, null, thread_local, static or assertion"),
    ("pool_size", "connections; 0 for no limit"),
    ("max_overflow", "connections; -1 for no limit"),
    ("pool_timeout", "a time"),
    ("pool_recycle", "a time; -1 for never"),
    ("pool_pre_ping", "true, false, or a time"),
    ("pool_use_lifo", "true or false"),
    ("pool_reset_on_return", "rollback, commit, none or full"),
    ("pool_min_idle", "connections"),
    ("pool_idle_timeout", "a time; -1 for never"),
    ("pool_max_lifetime", "a time; -1 for never"),
    ("pool_keepalive", "a time; -1 for never"),
    ("leak_detection_threshold", "a time; -1 for never"),
];

const MYSQL: &[(&str, &str)] = &[
    ("connect_timeout", "seconds"),
    ("charset", "utf8mb4 or utf8mb3"),
    ("collation", "of that character set"),
    ("init_command", "SQL"),
    ("ssl_mode", "disabled, preferred, required, verify_ca, verify_identity"),
    ("ssl_ca", "a file"),
    ("ssl_cert", "a file"),
    ("ssl_key", "a file"),
    ("unix_socket", "a path"),
    ("max_statement_time", "seconds"),
    ("lock_wait_timeout", "seconds"),
    ("innodb_lock_wait_timeout", "seconds"),
    ("wait_timeout", "seconds"),
    ("sql_mode", "modes"),
    ("time_zone", "as +00:00"),
];

const SQLITE: &[(&str, &str)] = &[
    ("busy_timeout", "milliseconds"),
    ("journal_mode", "delete, truncate, persist, memory, wal, off"),
    ("foreign_keys", "on or off"),
    ("synchronous", "off, normal, full, extra"),
    ("cache_size", "pages, or -KiB"),
    ("temp_store", "default, file, memory"),
    ("mmap_size", "bytes"),
    ("wal_autocheckpoint", "pages"),
    ("locking_mode", "normal, exclusive"),
    ("recursive_triggers", "on or off"),
    ("secure_delete", "on or off"),
    ("trusted_schema", "on or off"),
    ("query_only", "on or off"),
    // SQLite's own, in a file URI (<https://www.sqlite.org/uri.html>).
    ("mode", "ro, rw, rwc, memory"),
    ("cache", "shared, private"),
    ("immutable", "1 or 0"),
    ("nolock", "1 or 0"),
    ("psow", "1 or 0"),
    ("vfs", "a name"),
];

/// The first four act through `options`; the others are libpq's own
/// (<https://www.postgresql.org/docs/current/libpq-connect.html>), up to version 18. One that is newer than the libpq
/// of the program is refused by libpq.
const POSTGRES: &[(&str, &str)] = &[
    ("search_path", "schemas"),
    ("statement_timeout", "milliseconds, or with a unit"),
    ("lock_timeout", "milliseconds, or with a unit"),
    ("idle_in_transaction_session_timeout", "milliseconds, or with a unit"),
    ("application_name", ""),
    ("channel_binding", ""),
    ("client_encoding", "UTF8"),
    ("connect_timeout", "seconds"),
    ("dbname", ""),
    ("fallback_application_name", ""),
    ("gssdelegation", ""),
    ("gssencmode", ""),
    ("gsslib", ""),
    ("host", ""),
    ("hostaddr", ""),
    ("keepalives", ""),
    ("keepalives_count", ""),
    ("keepalives_idle", ""),
    ("keepalives_interval", ""),
    ("krbsrvname", ""),
    ("load_balance_hosts", ""),
    ("max_protocol_version", ""),
    ("min_protocol_version", ""),
    ("oauth_client_id", ""),
    ("oauth_client_secret", ""),
    ("oauth_issuer", ""),
    ("oauth_scope", ""),
    ("options", ""),
    ("passfile", ""),
    ("password", ""),
    ("port", ""),
    ("replication", ""),
    ("require_auth", ""),
    ("requirepeer", ""),
    ("requiressl", ""),
    ("scram_client_key", ""),
    ("scram_server_key", ""),
    ("service", ""),
    ("servicefile", ""),
    ("ssl", "true"),
    ("ssl_max_protocol_version", ""),
    ("ssl_min_protocol_version", ""),
    ("sslcert", ""),
    ("sslcertmode", ""),
    ("sslcompression", ""),
    ("sslcrl", ""),
    ("sslcrldir", ""),
    ("sslkey", ""),
    ("sslkeylogfile", ""),
    ("sslmode", "disable, allow, prefer, require, verify-ca, verify-full"),
    ("sslnegotiation", ""),
    ("sslpassword", ""),
    ("sslrootcert", ""),
    ("sslsni", ""),
    ("target_session_attrs", ""),
    ("tcp_user_timeout", ""),
    ("user", ""),
];

/// What SQLAlchemy, its drivers or other clients call it, and what to do here.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "timeout",
        "SQLite's wait for a lock is `busy_timeout` (milliseconds) here",
    ),
    ("check_same_thread", "the compiler checks threads here: leave it out"),
    (
        "uri",
        "SQLite's own arguments (mode, cache, ..) are read from the query without it",
    ),
    (
        "read_timeout",
        "it cannot be had through Diesel's MySQL client: bound statements with `max_statement_time` instead",
    ),
    (
        "write_timeout",
        "it cannot be had through Diesel's MySQL client: bound statements with `max_statement_time` instead",
    ),
    ("ssl_verify_cert", "write `ssl_mode=verify_ca` and `ssl_ca`"),
    ("ssl_verify_identity", "write `ssl_mode=verify_identity`"),
    ("ssl_disabled", "write `ssl_mode=disabled`"),
    ("use_unicode", "text is always Unicode here: leave it out"),
    ("autocommit", "the session steers its transactions: leave it out"),
    (
        "plugin",
        "there are no plugins: a function that takes a builder and gives it back does what one would do",
    ),
    (
        "plugins",
        "there are no plugins: a function that takes a builder and gives it back does what one would do",
    ),
    ("poolclass", "the kind of pool is `pool`"),
    (
        "creator",
        "a closure can only be given in code: `EngineBuilder::creator`",
    ),
    (
        "listeners",
        "listeners can only be given in code: `EngineBuilder::listen`",
    ),
    (
        "pool_events",
        "listeners can only be given in code: `EngineBuilder::listen`",
    ),
    (
        "connect_args",
        "each argument stands by itself, as `connect_args.<name>`",
    ),
    ("module", "the driver is the connection type: leave it out"),
    ("strategy", "leave it out"),
    ("future", "leave it out"),
    ("encoding", "text is always UTF-8 here: leave it out"),
    ("convert_unicode", "text is always Unicode here: leave it out"),
    (
        "case_sensitive",
        "Diesel's queries have types and need no names of results: leave it out",
    ),
    ("paramstyle", "Diesel writes the placeholders: leave it out"),
    ("label_length", "Diesel makes no labels: leave it out"),
    (
        "query_cache_size",
        "Diesel caches statements by their type: leave it out",
    ),
    ("expire_on_commit", "that is a matter of the session, not of its engine"),
    ("autoflush", "that is a matter of the session, not of its engine"),
];

/// What to tell whoever wrote an argument in a URL or `connect_args` of `database` that it has not.
#[cfg(any(test, feature = "sqlite", feature = "mysql", feature = "postgres"))]
pub(crate) fn unknown_argument(name: &str, database: Component) -> String {
    let mut text = format!(
        "unknown argument `{name}` in the URL or the connect_args of {}",
        database.describe()
    );
    text.push_str(&place_of(name, database).unwrap_or_else(|| {
        let names = database.names().iter().map(|(name, _)| *name);
        nearest(name, names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
    }));
    let known: Vec<String> = database
        .names()
        .iter()
        .map(|(name, what)| match *what {
            "" => (*name).to_owned(),
            what => format!("{name} ({what})"),
        })
        .collect();
    format!("{text}; known are {}", known.join(", "))
}

/// What to tell whoever wrote an option of an engine that it has not; `full` is a name as it must be written there.
pub(crate) fn unknown_option(name: &str, full: impl Fn(&str) -> String) -> String {
    let text = "unknown option";
    if let Some((_, advice)) = ELSEWHERE.iter().find(|(known, _)| *known == name) {
        return format!("{text}; {advice}");
    }
    if let Some(place) = place_of(name, Component::Engine) {
        let argument = full(&format!("connect_args.{name}"));
        return format!("{text}{place}: put it into the URL's query, or name it `{argument}`");
    }
    let known = || ENGINE.iter().chain(POOL).map(|(name, _)| *name);
    match nearest(&name.to_lowercase(), known()) {
        Some(near) => {
            let owner = if Component::Pool.has(near) {
                Component::Pool
            } else {
                Component::Engine
            };
            format!(
                "{text}; did you mean `{}`, an option of {}?",
                full(near),
                owner.describe()
            )
        }
        None => format!("{text}; known are {}", known().collect::<Vec<_>>().join(", ")),
    }
}

/// Where a name belongs that is not one of `here`: `; ..`.
pub(crate) fn place_of(name: &str, here: Component) -> Option<String> {
    if let Some((_, advice)) = ELSEWHERE.iter().find(|(known, _)| *known == name) {
        return Some(format!("; {advice}"));
    }
    let owners: Vec<&str> = ALL
        .into_iter()
        .filter(|component| *component != here && component.has(name))
        .map(Component::describe)
        .collect();
    (!owners.is_empty()).then(|| format!("; it is an option of {}", owners.join(" and of ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_the_wrong_place_is_sent_to_the_right_one() {
        let text = unknown_argument("pool_size", Component::Sqlite);
        assert!(text.contains("an option of the pool"), "{text}");
        let text = unknown_argument("sslmode", Component::MySql);
        assert!(text.contains("an option of PostgreSQL"), "{text}");
        let text = unknown_argument("read_timeout", Component::MySql);
        assert!(text.contains("max_statement_time"), "{text}");
        let text = unknown_argument("aplication_name", Component::PostgreSql);
        assert!(text.contains("did you mean `application_name`?"), "{text}");
    }

    #[test]
    fn no_component_has_a_name_twice_or_one_that_is_refused() {
        for component in ALL {
            for (index, (name, _)) in component.names().iter().enumerate() {
                assert!(
                    !component.names()[..index].iter().any(|(other, _)| other == name),
                    "{name}"
                );
                assert!(!ELSEWHERE.iter().any(|(other, _)| other == name), "{name}");
            }
        }
    }
}
