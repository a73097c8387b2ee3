//! What a MariaDB or MySQL connection can be told, with types.

use std::time::Duration;

use diesel::mysql::Mysql;

use crate::dialect::connect_args::{ConnectArgs, seconds};

/// Arguments of a connection to MariaDB or MySQL.
///
/// ```
/// use aludel_core::Engine;
/// use aludel_core::dialect::{MysqlConnectArgs, MysqlSslMode};
/// use diesel::MysqlConnection;
/// use std::time::Duration;
///
/// let engine = Engine::<MysqlConnection>::builder("mysql://app:secret@db.example/bank")
///     .connect_args(
///         MysqlConnectArgs::new()
///             .ssl_mode(MysqlSslMode::Required)
///             .collation("utf8mb4_bin")
///             .max_statement_time(Duration::from_secs(20))
///             .init_command("SET SESSION sql_select_limit = 10000"),
///     )
///     .build()?;
/// # Ok::<(), aludel_core::Error>(())
/// ```
pub type MysqlConnectArgs = ConnectArgs<Mysql>;

/// Whether a connection to MariaDB or MySQL is encrypted, and how much the server must prove.
///
/// With MariaDB's client library the last three reach it as options of its own, since the one that Diesel sets is another
/// there. Over a socket file there is no encryption, and from `Required` on no connection.
///
/// ```
/// use aludel_core::dialect::{MysqlConnectArgs, MysqlSslMode};
///
/// let arguments = MysqlConnectArgs::new().ssl_mode(MysqlSslMode::Required);
/// assert_eq!(arguments.into_iter().collect::<Vec<_>>(), [("ssl_mode".to_owned(), "required".to_owned())]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MysqlSslMode {
    /// In the clear.
    Disabled,
    /// As client library and server agree.
    Preferred,
    /// Encrypted, which is proved after connecting. Without `ssl_ca` **anybody may be at the other end**.
    Required,
    /// The same, and the certificate is signed by an authority of `ssl_ca`, which must be named.
    VerifyCa,
    /// The same, and the certificate is that of the URL's host. Without `ssl_ca` the authorities are those of the system.
    VerifyIdentity,
}

impl ConnectArgs<Mysql> {
    /// How long the client waits for the server to answer, at least a second; rounded up to whole seconds. Default: the
    /// client library's. MariaDB Connector/C only: with Oracle's library it is refused.
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        self.set("connect_timeout", seconds(timeout))
    }

    /// The character set of the connection; default `utf8mb4`, and `utf8mb3` is the other one: Diesel reads text as
    /// UTF-8, and in any other character set would read and write something else.
    pub fn charset(self, charset: impl Into<String>) -> Self {
        self.set("charset", charset)
    }

    /// How the connection's literals are compared; default: the server's for the character set.
    pub fn collation(self, collation: impl Into<String>) -> Self {
        self.set("collation", collation)
    }

    /// SQL that is sent on each new connection, once all else is set up. It is sent as it is.
    pub fn init_command(self, sql: impl Into<String>) -> Self {
        self.set("init_command", sql)
    }

    /// Whether the connection is encrypted; default: as client library and server agree.
    pub fn ssl_mode(self, mode: MysqlSslMode) -> Self {
        self.set(
            "ssl_mode",
            match mode {
                MysqlSslMode::Disabled => "disabled",
                MysqlSslMode::Preferred => "preferred",
                MysqlSslMode::Required => "required",
                MysqlSslMode::VerifyCa => "verify_ca",
                MysqlSslMode::VerifyIdentity => "verify_identity",
            },
        )
    }

    /// The file of the authorities that may have signed the server's certificate. Asks for encryption, which is proved
    /// after connecting.
    pub fn ssl_ca(self, file: impl Into<String>) -> Self {
        self.set("ssl_ca", file)
    }

    /// The file of the client's own certificate.
    pub fn ssl_cert(self, file: impl Into<String>) -> Self {
        self.set("ssl_cert", file)
    }

    /// The file of the key to the client's own certificate.
    pub fn ssl_key(self, file: impl Into<String>) -> Self {
        self.set("ssl_key", file)
    }

    /// The path of the server's socket. The client library uses it when the host is `localhost` or missing.
    pub fn unix_socket(self, path: impl Into<String>) -> Self {
        self.set("unix_socket", path)
    }

    /// How long a statement may run before the server stops it; default: the server's. MariaDB only. Rounded up to
    /// whole microseconds.
    pub fn max_statement_time(self, limit: Duration) -> Self {
        // Rounded up: a limit must not become none.
        let micros = limit.as_nanos().div_ceil(1_000);
        self.set(
            "max_statement_time",
            format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000),
        )
    }

    /// How long a statement waits for a lock on a table's definition; rounded up to whole seconds.
    pub fn lock_wait_timeout(self, limit: Duration) -> Self {
        self.set("lock_wait_timeout", seconds(limit))
    }

    /// How long a statement waits for a lock on a row; rounded up to whole seconds.
    pub fn innodb_lock_wait_timeout(self, limit: Duration) -> Self {
        self.set("innodb_lock_wait_timeout", seconds(limit))
    }

    /// How long the server keeps a connection on which nothing happens; rounded up to whole seconds. `pool_recycle` or
    /// `pool_idle_timeout` should be less.
    pub fn wait_timeout(self, limit: Duration) -> Self {
        self.set("wait_timeout", seconds(limit))
    }

    /// The server's SQL modes, with commas between them.
    pub fn sql_mode(self, modes: impl Into<String>) -> Self {
        self.set("sql_mode", modes)
    }

    /// The time zone of the connection, as in `+00:00` or `Europe/Berlin`.
    pub fn time_zone(self, zone: impl Into<String>) -> Self {
        self.set("time_zone", zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_a_moment_is_not_none() {
        for (nanoseconds, shown) in [(0, "0.000000"), (1, "0.000001"), (20_500_000_000, "20.500000")] {
            let arguments = MysqlConnectArgs::new().max_statement_time(Duration::from_nanos(nanoseconds));
            let shown = ("max_statement_time".to_owned(), shown.to_owned());
            assert_eq!(arguments.into_iter().collect::<Vec<_>>(), [shown]);
        }
    }
}
