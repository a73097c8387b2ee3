//! Two lists of lines, and what must be taken out of one and put into it to make the other.

use std::fmt::Write as _;

/// The lines of both, in order: `-` before those that are only in `expected`, `+` before those only in `actual`.
pub(super) fn diff(expected: &[&str], actual: &[String]) -> String {
    let common = common(expected, actual);
    let (mut at, mut to) = (0, 0);
    let mut text = String::new();
    while at < expected.len() || to < actual.len() {
        let (mark, line) = if at < expected.len() && to < actual.len() && expected[at] == actual[to] {
            (at, to) = (at + 1, to + 1);
            (' ', expected[at - 1])
        } else if at < expected.len() && (to == actual.len() || common[at + 1][to] >= common[at][to + 1]) {
            at += 1;
            ('-', expected[at - 1])
        } else {
            to += 1;
            ('+', actual[to - 1].as_str())
        };
        let _ = writeln!(text, "{mark} {line}");
    }
    text
}

/// `common[i][j]` is how many lines `expected[i..]` and `actual[j..]` have in common, in order.
fn common(expected: &[&str], actual: &[String]) -> Vec<Vec<usize>> {
    let mut table = vec![vec![0; actual.len() + 1]; expected.len() + 1];
    for i in (0..expected.len()).rev() {
        for j in (0..actual.len()).rev() {
            table[i][j] = if expected[i] == actual[j] {
                table[i + 1][j + 1] + 1
            } else {
                table[i + 1][j].max(table[i][j + 1])
            };
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(expected: &[&str], actual: &[&str]) -> String {
        diff(
            expected,
            &actual.iter().map(|&line| line.to_owned()).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_stands_in_its_place() {
        assert_eq!(
            shown(
                &["begin", "savepoint 1", "release 1", "commit"],
                &["begin", "doomed", "release 1", "rollback"]
            ),
            "  begin\n- savepoint 1\n+ doomed\n  release 1\n- commit\n+ rollback\n"
        );
        assert_eq!(shown(&[], &["begin"]), "+ begin\n");
        assert_eq!(shown(&["begin"], &[]), "- begin\n");
        assert_eq!(shown(&["a", "b"], &["a", "x", "b"]), "  a\n+ x\n  b\n");
    }
}
