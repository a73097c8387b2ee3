//! What an executor is shown.

use std::fmt;

use diesel::result::QueryResult;

use super::refused;
use crate::control::Control;

/// One statement that would have been sent.
///
/// Its [`Display`](fmt::Display) is SQL that ends with `;`, with the values in a comment, so that what is printed can be
/// read, and run where there are no values: `INSERT INTO "notes" ("text") VALUES ($1) /* "hello" */;`. Whoever prints it
/// prints the values, passwords among them.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use std::sync::{Arc, Mutex};
///
/// use aludel_core::Engine;
/// use aludel_core::mock::{Mock, MockStatement};
/// use diesel::prelude::*;
/// use diesel::sqlite::Sqlite;
///
/// diesel::table! { notes (id) { id -> Integer, text -> Text, } }
///
/// let sent = Arc::new(Mutex::new(Vec::new()));
/// let log = Arc::clone(&sent);
/// let engine = Engine::<Mock<Sqlite>>::mock(move |statement: &MockStatement| log.lock().unwrap().push(statement.clone()));
/// let mut raw = engine.raw_connection()?;
/// diesel::insert_into(notes::table).values(notes::text.eq("hello")).execute(&mut *raw)?;
///
/// let statement = sent.lock().unwrap().remove(0);
/// assert_eq!(statement.sql(), "INSERT INTO `notes` (`text`) VALUES (?)");
/// assert_eq!(statement.binds(), [r#""hello""#]);
/// assert_eq!(statement.to_string(), "INSERT INTO `notes` (`text`) VALUES (?) /* \"hello\" */;");
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MockStatement {
    kind: MockKind,
    sql: String,
    binds: Vec<String>,
}

/// How a statement was sent.
///
/// ```
/// use aludel_core::Control;
/// use aludel_core::mock::{MockKind, MockStatement};
///
/// /// An executor that hides BEGIN, COMMIT and their like.
/// fn executor(statement: &MockStatement) {
///     if !matches!(statement.kind(), MockKind::Control(_)) {
///         println!("{statement}");
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MockKind {
    /// The engine or its session steers a transaction.
    Control(Control),
    /// A text as it was given (`batch_execute`, the files of a migration): one statement or several, without values.
    Batch,
    /// A query that answers how many rows it affected.
    Execute,
    /// A query that answers rows.
    Load,
}

impl MockStatement {
    pub(super) fn new(kind: MockKind, sql: String, binds: Vec<String>) -> Self {
        Self { kind, sql, binds }
    }

    /// `debug` is what Diesel's `debug_query` shows: the text, a mark, and the values as a list.
    pub(super) fn of_query(kind: MockKind, sql: String, debug: &str) -> QueryResult<Self> {
        let list = debug
            .strip_prefix(sql.as_str())
            .and_then(|rest| rest.strip_prefix(" -- binds: ["))
            .and_then(|rest| rest.strip_suffix(']'))
            .ok_or_else(|| refused("Diesel shows the values of a query in a way that this mock cannot read"))?;
        Ok(Self::new(kind, sql, entries(list)))
    }

    /// The text with its placeholders, as the backend writes them: `$1` on PostgreSQL, `?` elsewhere.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The values, each as its `Debug` shows it, in the order of the placeholders. A type whose `Debug` has an odd number
    /// of quotes, or a bracket that stays open, is not told from the value after it.
    pub fn binds(&self) -> &[String] {
        &self.binds
    }

    /// How it was sent.
    pub fn kind(&self) -> MockKind {
        self.kind
    }
}

impl fmt::Display for MockStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sql = self.sql.trim_end().trim_end_matches(';').trim_end();
        f.write_str(sql)?;
        // A comment at the end of the text would swallow what comes after it.
        if sql
            .lines()
            .next_back()
            .is_some_and(|line| line.contains("--") || line.contains('#'))
        {
            f.write_str("\n")?;
        }
        if !self.binds.is_empty() {
            let values = self.binds.join(", ");
            write!(f, " /* {} */", values.replace("*/", "* /").replace("/*", "/ *"))?;
        }
        f.write_str(";")
    }
}

/// Takes a list apart that was written by `Debug`: at its commas, save for those inside of quotes and brackets.
fn entries(list: &str) -> Vec<String> {
    let mut entries = Vec::new();
    let (mut start, mut depth, mut quoted, mut escaped) = (0, 0_usize, false, false);
    for (at, character) in list.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 && list[at..].starts_with(", ") => {
                entries.push(list[start..at].to_owned());
                start = at + 2;
            }
            _ => {}
        }
    }
    if start < list.len() {
        entries.push(list[start..].to_owned());
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_apart_whatever_is_in_them() {
        let values = (
            "a, \"b\", c] -- binds: [",
            vec![1_u8, 2],
            Some((1, "x, y")),
            None::<i32>,
            "it's \\ (",
        );
        let shown = format!(
            "SELECT ? -- binds: [{:?}, {:?}, {:?}, {:?}, {:?}]",
            values.0, values.1, values.2, values.3, values.4
        );
        let statement = MockStatement::of_query(MockKind::Load, "SELECT ?".to_owned(), &shown).unwrap();
        assert_eq!(
            statement.binds(),
            [
                format!("{:?}", values.0),
                "[1, 2]".to_owned(),
                r#"Some((1, "x, y"))"#.to_owned(),
                "None".to_owned(),
                format!("{:?}", values.4)
            ]
        );
    }

    #[test]
    fn what_is_printed_ends_with_one_semicolon_that_no_comment_hides() {
        let shown = |sql: &str, binds: &[&str]| {
            let binds = binds.iter().map(|&bind| bind.to_owned()).collect();
            MockStatement::new(MockKind::Batch, sql.to_owned(), binds).to_string()
        };
        assert_eq!(shown("COMMIT", &[]), "COMMIT;");
        assert_eq!(
            shown("CREATE TABLE t (a INTEGER);\n", &[]),
            "CREATE TABLE t (a INTEGER);"
        );
        assert_eq!(shown("SELECT 1 -- one", &[]), "SELECT 1 -- one\n;");
        assert_eq!(
            shown("SELECT ?", &["\"*/ DROP TABLE t /*\""]),
            "SELECT ? /* \"* / DROP TABLE t / *\" */;"
        );
    }
}
