//! The table of results.

use crate::classify::Flavour;

/// The table in which calls with an idempotency key keep their results: for those who make it by migration.
///
/// Engines make it by themselves when they first need it, before a transaction begins. Where their user may not create
/// tables, or schemas are nobody's but the migrations', put [`sql`](Self::sql) into one. It can be run twice.
///
/// | Column | What stands there |
/// |---|---|
/// | `once_key` | the primary key: the idempotency key, compared byte by byte, 255 bytes at most |
/// | `scope` | what the key was used for: the function's name |
/// | `result` | the result as text; NULL while its transaction is open |
/// | `created_at` | microseconds since 1970, by the server's clock |
///
/// It must stand where the transactions' own tables do: in the same database, and in a schema that everybody finds under
/// the bare name.
///
/// ```
/// use aludel_core::Flavour;
/// use aludel_core::once::ResultTable;
///
/// assert!(ResultTable::sql(Flavour::MySql).contains("ENGINE=InnoDB")); // others cannot roll a key back
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ResultTable;

impl ResultTable {
    /// Its name.
    pub const NAME: &'static str = "aludel_results";

    /// How long a key can be, in bytes. Stripe's limit, and less than what any of the databases can index.
    pub const KEY_LIMIT: usize = 255;

    /// The statements that make it, if it is not there yet.
    pub const fn sql(flavour: Flavour) -> &'static str {
        match flavour {
            Flavour::MySql => MYSQL,
            Flavour::PostgreSql => POSTGRES,
            Flavour::Sqlite => SQLITE,
        }
    }
}

// `A` and `a` are two keys, and so are those with and without a blank at the end: bytes on MariaDB, whose texts are padded
// and folded by their collation.

const MYSQL: &str = "\
CREATE TABLE IF NOT EXISTS aludel_results (
    once_key VARBINARY(255) NOT NULL PRIMARY KEY,
    scope VARBINARY(255) NOT NULL,
    result LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    created_at BIGINT NOT NULL,
    KEY aludel_results_created_at (created_at)
) ENGINE=InnoDB;
";

const POSTGRES: &str = "\
CREATE TABLE IF NOT EXISTS aludel_results (
    once_key TEXT COLLATE \"C\" NOT NULL PRIMARY KEY,
    scope TEXT COLLATE \"C\" NOT NULL,
    result TEXT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS aludel_results_created_at ON aludel_results (created_at);
";

const SQLITE: &str = "\
CREATE TABLE IF NOT EXISTS aludel_results (
    once_key TEXT NOT NULL PRIMARY KEY,
    scope TEXT NOT NULL,
    result TEXT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS aludel_results_created_at ON aludel_results (created_at);
";
