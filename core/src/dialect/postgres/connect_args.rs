//! What a PostgreSQL connection can be told, with types.

use std::time::Duration;

use diesel::pg::Pg;

use crate::dialect::connect_args::{ConnectArgs, milliseconds, seconds};

/// Arguments of a connection to PostgreSQL: the commonest of libpq's, and settings that travel with the connect, so that
/// `RESET ALL` and `DISCARD ALL` come back to them.
///
/// Any other keyword of libpq's is set by its [name](ConnectArgs::set).
///
/// ```
/// use aludel_core::Engine;
/// use aludel_core::dialect::{PgConnectArgs, PgSslMode};
/// use diesel::PgConnection;
/// use std::time::Duration;
///
/// let engine = Engine::<PgConnection>::builder("postgres://app:secret@db.example/bank")
///     .connect_args(
///         PgConnectArgs::new()
///             .application_name("billing")
///             .sslmode(PgSslMode::VerifyFull)
///             .search_path(["billing", "public"])
///             .statement_timeout(Duration::from_secs(20))
///             .set("tcp_user_timeout", "10000"),
///     )
///     .build()?;
/// # Ok::<(), aludel_core::Error>(())
/// ```
pub type PgConnectArgs = ConnectArgs<Pg>;

/// Whether a connection to PostgreSQL is encrypted, and how much the server must prove; see
/// [libpq](https://www.postgresql.org/docs/current/libpq-ssl.html).
///
/// ```
/// use aludel_core::dialect::{PgConnectArgs, PgSslMode};
///
/// let arguments = PgConnectArgs::new().sslmode(PgSslMode::VerifyFull);
/// assert_eq!(arguments.into_iter().collect::<Vec<_>>(), [("sslmode".to_owned(), "verify-full".to_owned())]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PgSslMode {
    /// In the clear.
    Disable,
    /// In the clear, unless the server insists.
    Allow,
    /// Encrypted if the server can; libpq's default. Whoever can change what is on the wire can say that it cannot, and
    /// libpq goes on in the clear.
    Prefer,
    /// Encrypted, or no connection; libpq sees to it. Without `sslrootcert` **anybody may be at the other end**.
    Require,
    /// Encrypted, and the certificate signed by a known authority.
    VerifyCa,
    /// The same, and the certificate is that of the host.
    VerifyFull,
}

impl PgSslMode {
    /// libpq's word.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

impl ConnectArgs<Pg> {
    /// The name under which the server lists the connection.
    pub fn application_name(self, name: impl Into<String>) -> Self {
        self.set("application_name", name)
    }

    /// How long connecting may take for each address of the host; rounded up to whole seconds, of which libpq makes at
    /// least two. Default: no limit but `pool_timeout`.
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        self.set("connect_timeout", seconds(timeout))
    }

    /// Whether the connection is encrypted, and how much the server must prove; default [`PgSslMode::Prefer`].
    pub fn sslmode(self, mode: PgSslMode) -> Self {
        self.set("sslmode", mode.keyword())
    }

    /// The file of the authorities that may have signed the server's certificate.
    pub fn sslrootcert(self, file: impl Into<String>) -> Self {
        self.set("sslrootcert", file)
    }

    /// Options of the server's command line, as in `-c geqo=off`; a space within a value has a backslash before it.
    pub fn options(self, options: impl Into<String>) -> Self {
        self.set("options", options)
    }

    /// The schemas in which names are looked for, in this order. Each is one name, whatever is in it.
    pub fn search_path<S: AsRef<str>>(self, schemas: impl IntoIterator<Item = S>) -> Self {
        let quoted: Vec<String> = schemas
            .into_iter()
            .map(|schema| format!("\"{}\"", schema.as_ref().replace('"', "\"\"")))
            .collect();
        self.set("search_path", quoted.join(","))
    }

    /// How long a statement may run before the server stops it; default: the server's.
    pub fn statement_timeout(self, limit: Duration) -> Self {
        self.set("statement_timeout", milliseconds(limit))
    }

    /// How long a statement waits for a lock; default: the server's.
    pub fn lock_timeout(self, limit: Duration) -> Self {
        self.set("lock_timeout", milliseconds(limit))
    }

    /// How long a transaction may stay open with nothing happening in it before the server ends its connection; default:
    /// the server's.
    pub fn idle_in_transaction_session_timeout(self, limit: Duration) -> Self {
        self.set("idle_in_transaction_session_timeout", milliseconds(limit))
    }
}
