//! The table of tokens.

use crate::classify::Flavour;

/// The table that verified transactions write their tokens into: for those who make it by migration.
///
/// Engines make it by themselves when they first need it, before a transaction begins. Where their user may not create
/// tables, or schemas are nobody's but the migrations', put [`sql`](Self::sql) into one. It can be run twice.
///
/// | Column | What stands there |
/// |---|---|
/// | `token` | the primary key: 128 random bits in hexadecimal digits; or `identity` |
/// | `outcome` | `committed`, or `fenced` where a resolver came first; of `identity` the number by which tokens know their table |
/// | `created_at` | microseconds since 1970, by the server's clock |
///
/// It must stand where the transactions' own tables do: in the same database, and in a schema that everybody finds under
/// the bare name. A token that is resolved elsewhere is refused, because its row would be missed there.
///
/// ```
/// use aludel_core::Flavour;
/// use aludel_core::verify::CommitTable;
///
/// assert!(CommitTable::sql(Flavour::MySql).contains("ENGINE=InnoDB")); // others cannot roll a token back
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CommitTable;

impl CommitTable {
    /// Its name.
    pub const NAME: &'static str = "aludel_commits";

    /// The statements that make it, if it is not there yet.
    pub const fn sql(flavour: Flavour) -> &'static str {
        match flavour {
            Flavour::MySql => MYSQL,
            Flavour::PostgreSql => POSTGRES,
            Flavour::Sqlite => SQLITE,
        }
    }
}

// The last line of each gives the table its identity, and the time of that row keeps it from every purge.

const MYSQL: &str = "\
CREATE TABLE IF NOT EXISTS aludel_commits (
    token VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    outcome VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at BIGINT NOT NULL,
    KEY aludel_commits_created_at (created_at)
) ENGINE=InnoDB;
INSERT IGNORE INTO aludel_commits (token, outcome, created_at)
    VALUES ('identity', LEFT(MD5(CONCAT(UUID(), RAND())), 16), 9223372036854775807);
";

const POSTGRES: &str = "\
CREATE TABLE IF NOT EXISTS aludel_commits (
    token VARCHAR(32) NOT NULL PRIMARY KEY,
    outcome VARCHAR(16) NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS aludel_commits_created_at ON aludel_commits (created_at);
INSERT INTO aludel_commits (token, outcome, created_at)
    VALUES ('identity', substr(md5(random()::text || clock_timestamp()::text), 1, 16), 9223372036854775807)
    ON CONFLICT DO NOTHING;
";

const SQLITE: &str = "\
CREATE TABLE IF NOT EXISTS aludel_commits (
    token TEXT NOT NULL PRIMARY KEY,
    outcome TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS aludel_commits_created_at ON aludel_commits (created_at);
INSERT OR IGNORE INTO aludel_commits (token, outcome, created_at)
    VALUES ('identity', lower(hex(randomblob(8))), 9223372036854775807);
";
