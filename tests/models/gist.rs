//! What a flush has sent, in words that say the same on every database: which rows of which table, which columns, how many rows a
//! statement. How each database is told, its own tests show.

use aludel::prelude::*;

use super::ground::Ground;

impl Ground {
    /// What was sent since the last look, as [`gist`]s, savepoints apart.
    pub(crate) fn done(&self) -> Vec<String> {
        let is_savepoint = |line: &String| line.starts_with("SAVEPOINT") || line.starts_with("RELEASE");
        let sent = self.sent().into_iter().filter(|line| !is_savepoint(line));
        sent.map(|line| gist(&line)).collect()
    }

    /// Compares that with what was expected.
    #[track_caller]
    pub(crate) fn expect_done(&self, expected: &[&str]) {
        assert_eq!(self.done(), expected, "on {:?}", super::C::FLAVOUR);
    }
}

/// `INSERT t (a, b) x 3`, `UPDATE t SET a WHERE id`, `DELETE t WHERE id x 2`, `SELECT t WHERE id`; anything else as it is.
pub(crate) fn gist(sql: &str) -> String {
    let insert = sql.strip_prefix("INSERT INTO ").map(insert);
    let update = || Some(update(sql.strip_prefix("UPDATE ")?));
    let delete = || Some(delete(sql.strip_prefix("DELETE FROM ")?));
    let select = || sql.strip_prefix("SELECT ").and_then(select);
    insert
        .or_else(update)
        .or_else(delete)
        .or_else(select)
        .unwrap_or_else(|| sql.to_owned())
}

fn insert(rest: &str) -> String {
    let (table, rest) = split(rest, " ");
    let columns = rest.strip_prefix('(').map_or("", |rest| split(rest, ")").0);
    format!("INSERT {table} ({columns}){}", times(rows(rest)))
}

fn update(rest: &str) -> String {
    let (table, rest) = split(rest, " ");
    // MariaDB says SET at the end, the others before the rows.
    let (before, after) = split(rest, "SET ");
    let (set, rest) = after
        .split_once(" FROM (")
        .or_else(|| after.split_once(" WHERE "))
        .unwrap_or((after, before));
    let matched = match rest.rsplit_once(" ON ").or_else(|| rest.rsplit_once(" WHERE ")) {
        Some((_, matched)) => matched,
        None => rest,
    };
    let set = names(set, ", ");
    let matched = names(matched.trim_end(), " AND ");
    format!("UPDATE {table} SET {set} WHERE {matched}{}", times(rows(rest).max(1)))
}

fn delete(rest: &str) -> String {
    let (table, rest) = split(rest, " WHERE ");
    let key = split(rest, " IN (").0.trim_matches(['(', ')']);
    let (first, _) = rest.split_once(" AND ").unwrap_or((rest, ""));
    let parameters = parameters(first) / key.split(", ").count();
    let version = match rest.split_once(" AND (") {
        Some((_, both)) => format!(" AND {}", split(split(both, ")").0, &format!("{key}, ")).1),
        None => String::new(),
    };
    format!("DELETE {table} WHERE {key}{version}{}", times(parameters))
}

/// Only those of rows of one table: by keys, or as a query of a test says.
fn select(rest: &str) -> Option<String> {
    let (_, from) = rest.split_once(" FROM ")?;
    let lock = if from.ends_with(" FOR UPDATE") {
        " FOR UPDATE"
    } else {
        ""
    };
    let ends = [" ORDER BY ", " LIMIT ", " FOR UPDATE"];
    let end = ends.iter().filter_map(|end| from.find(end)).min().unwrap_or(from.len());
    let (table, condition) = from[..end].split_once(" WHERE ").unwrap_or((&from[..end], ""));
    if condition.is_empty() {
        return Some(format!("SELECT {table}{lock}"));
    }
    let condition = condition.replace(&format!("{table}."), "");
    let (named, count) = match condition.split_once(" IN (") {
        Some((key, _)) => {
            let key = key.trim_matches(['(', ')']);
            (key.to_owned(), parameters(&condition) / key.split(", ").count())
        }
        None => (names(&condition.replace(['(', ')'], ""), " AND "), 1),
    };
    Some(format!("SELECT {table} WHERE {named}{lock}{}", times(count)))
}

/// `a = ?, b = ?` as `a, b`.
fn names(list: &str, between: &str) -> String {
    let name = |part: &str| {
        part.split(" = ")
            .next()
            .unwrap_or_default()
            .trim_start_matches("aludel_table.")
            .to_owned()
    };
    list.split(between).map(name).collect::<Vec<_>>().join(", ")
}

/// How many rows with parameters there are, which the ground has folded.
fn rows(text: &str) -> usize {
    let row = |after: &str| {
        let after = after.split_once(')').map_or("", |(_, after)| after);
        let count = after
            .strip_prefix(" x ")
            .and_then(|count| count.split([' ', ')']).next()?.parse::<usize>().ok());
        count.unwrap_or(1)
    };
    text.split("(?").skip(1).map(row).sum()
}

/// How many parameters there are in a list of keys.
fn parameters(text: &str) -> usize {
    let folded = text.split("(?").skip(1).map(|rest| {
        let row = 1 + split(rest, ")").0.matches('?').count();
        row * rows(&format!("(?{rest}"))
    });
    folded.sum()
}

fn times(count: usize) -> String {
    if count > 1 {
        format!(" x {count}")
    } else {
        String::new()
    }
}

fn split<'a>(text: &'a str, at: &str) -> (&'a str, &'a str) {
    text.split_once(at).unwrap_or((text, ""))
}

#[test]
fn the_gist_of_a_statement_is_the_same_everywhere() {
    let same = |expected: &str, statements: &[&str]| {
        for sql in statements {
            assert_eq!(gist(&super::ground::plain(sql)), expected, "{sql}");
        }
    };
    same(
        "INSERT t (a, b) x 3",
        &[
            "INSERT INTO `t` (`a`, `b`) VALUES (?, ?), (?, ?), (?, ?)",
            "INSERT INTO \"t\" (\"a\", \"b\") SELECT \"a\", \"b\" FROM (VALUES ($1, $2, 0), ($3, $4, 1), ($5, $6, 2)) AS aludel_rows(\"a\", \
             \"b\", aludel_ordinal) ORDER BY aludel_ordinal RETURNING \"id\"",
        ],
    );
    same("INSERT t (a)", &["INSERT INTO `t` (`a`) VALUES (?) RETURNING `id`"]);
    same(
        "INSERT t ()",
        &["INSERT INTO t DEFAULT VALUES", "INSERT INTO t () VALUES ()"],
    );
    same(
        "UPDATE t SET a, b WHERE id, v",
        &["UPDATE \"t\" SET \"a\" = $1, \"b\" = $2 WHERE \"id\" = $3 AND \"v\" = $4"],
    );
    same(
        "UPDATE t SET a WHERE id x 4",
        &[
            "UPDATE t AS aludel_table SET a = aludel_rows.column2 FROM (VALUES (?, ?), (?, ?), (?, ?), (?, ?)) AS aludel_rows WHERE \
             aludel_table.id = aludel_rows.column1",
            "UPDATE t AS aludel_table JOIN (SELECT id AS column1, a AS column2 FROM t WHERE FALSE UNION ALL VALUES (?, ?), (?, ?), \
             (?, ?), (?, ?)) AS aludel_rows ON aludel_table.id = aludel_rows.column1 SET aludel_table.a = aludel_rows.column2",
        ],
    );
    same("DELETE t WHERE id x 2", &["DELETE FROM t WHERE id IN (?, ?)"]);
    same(
        "DELETE t WHERE id AND v",
        &["DELETE FROM t WHERE id IN (?) AND (id, v) IN (VALUES (?, ?))"],
    );
    same(
        "DELETE t WHERE a, b x 2",
        &[
            "DELETE FROM t WHERE (a, b) IN (VALUES (?, ?), (?, ?))",
            "DELETE FROM t WHERE (a, b) IN ((?, ?), (?, ?))",
        ],
    );
    same("SELECT t", &["SELECT t.a, t.b FROM t"]);
    same(
        "SELECT t WHERE id",
        &[
            "SELECT t.a FROM t WHERE (t.id = ?) LIMIT ?",
            "SELECT t.a FROM t WHERE id IN (?)",
        ],
    );
    same(
        "SELECT t WHERE id FOR UPDATE x 2",
        &["SELECT t.a FROM t WHERE id IN (?, ?) FOR UPDATE"],
    );
    same(
        "SELECT t WHERE p x 2",
        &["SELECT t.a FROM t WHERE p IN (?, ?) ORDER BY id"],
    );
}
