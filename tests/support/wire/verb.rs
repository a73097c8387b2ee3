//! What a statement does to the transaction, told by its first words.

/// What the first words say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`, `END`.
    Commit,
    /// `ROLLBACK`, `ABORT`, of the whole transaction.
    Rollback,
    /// `SAVEPOINT`.
    Savepoint,
    /// `RELEASE`.
    Release,
    /// `ROLLBACK TO`.
    RollbackTo,
    /// Whatever steers no transaction.
    Other,
}

impl Verb {
    /// Of a batch the first statement counts: nothing under test sends a control statement in a batch.
    pub fn of(sql: &str) -> Self {
        let mut words = without_comments(sql)
            .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .filter(|word| !word.is_empty());
        let mut next = || words.next().unwrap_or_default().to_ascii_uppercase();
        match (next().as_str(), next().as_str(), next().as_str()) {
            ("BEGIN", ..) | ("START", "TRANSACTION", _) => Self::Begin,
            ("COMMIT" | "END", ..) => Self::Commit,
            ("ROLLBACK", "TO", _) | ("ROLLBACK", "WORK" | "TRANSACTION", "TO") => Self::RollbackTo,
            ("ROLLBACK" | "ABORT", ..) => Self::Rollback,
            ("SAVEPOINT", ..) => Self::Savepoint,
            ("RELEASE", ..) => Self::Release,
            _ => Self::Other,
        }
    }
}

fn without_comments(mut sql: &str) -> &str {
    loop {
        sql = sql.trim_start();
        let rest = if sql.starts_with("--") {
            sql.split_once('\n')
        } else if sql.starts_with("/*") {
            sql.split_once("*/")
        } else {
            None
        };
        match rest {
            Some((_, rest)) => sql = rest,
            None => return sql,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_words() {
        for (sql, verb) in [
            ("begin isolation level serializable", Verb::Begin),
            ("START TRANSACTION READ ONLY", Verb::Begin),
            ("START SLAVE", Verb::Other),
            ("/* a */ -- b\n COMMIT;", Verb::Commit),
            ("END", Verb::Commit),
            ("ROLLBACK", Verb::Rollback),
            ("ROLLBACK WORK", Verb::Rollback),
            ("ROLLBACK TO SAVEPOINT a", Verb::RollbackTo),
            ("rollback work to a", Verb::RollbackTo),
            ("SAVEPOINT \"diesel_savepoint_1\"", Verb::Savepoint),
            ("RELEASE SAVEPOINT a", Verb::Release),
            ("SELECT 'COMMIT'", Verb::Other),
            ("COMMITTED", Verb::Other),
            ("/* never closed", Verb::Other),
            ("", Verb::Other),
        ] {
            assert_eq!(Verb::of(sql), verb, "{sql}");
        }
    }
}
