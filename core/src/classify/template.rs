//! Messages compared with templates.
//!
//! A template is matched from the start of a message's first line. `{}` stands for any run of characters, even none;
//! everything else, apostrophes and quotation marks included, stands for itself, save that ASCII letters match in either
//! case. A `$` at the end asks that the line end there too.

/// What stands for anything.
const WILDCARD: &str = "{}";

/// Everything before the first line break.
pub(super) fn first_line(message: &str) -> &str {
    message.split(['\n', '\r']).next().unwrap_or_default()
}

/// Whether `line` begins with what `template` describes.
pub(super) fn matches(template: &str, line: &str) -> bool {
    match template.strip_suffix('$') {
        None => strip(template, line).is_some(),
        Some(template) => match template.rsplit_once(WILDCARD) {
            None => line.eq_ignore_ascii_case(template),
            Some((before, last)) => strip(before, line).is_some_and(|rest| ends_with(rest, last)),
        },
    }
}

/// What is left of `line` after what `template` describes, each wildcard taking as little as it can.
pub(super) fn strip<'a>(template: &str, line: &'a str) -> Option<&'a str> {
    let mut literals = template.split(WILDCARD);
    let mut rest = line;
    let start = literals.next().unwrap_or_default();
    rest = starts_with(rest, start).then(|| rest.get(start.len()..))??;
    for literal in literals {
        let at = position(rest, literal)?;
        rest = rest.get(at + literal.len()..)?;
    }
    Some(rest)
}

fn starts_with(line: &str, literal: &str) -> bool {
    line.as_bytes()
        .get(..literal.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(literal.as_bytes()))
}

fn ends_with(line: &str, literal: &str) -> bool {
    let Some(start) = line.len().checked_sub(literal.len()) else {
        return false;
    };
    line.as_bytes()[start..].eq_ignore_ascii_case(literal.as_bytes())
}

fn position(line: &str, literal: &str) -> Option<usize> {
    if literal.is_empty() {
        return Some(0);
    }
    line.as_bytes()
        .windows(literal.len())
        .position(|window| window.eq_ignore_ascii_case(literal.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_match_from_the_start_in_either_case() {
        assert!(matches("Server has gone away", "server HAS gone away (really)"));
        assert!(!matches("Server has gone away", "MySQL server has gone away"));
        assert!(!matches("Server has gone away", "Server has gone"));
        assert!(!matches("Server has gone away", ""));
    }

    #[test]
    fn an_apostrophe_is_an_apostrophe() {
        assert!(matches("Can't connect to", "Can't connect to server"));
        assert!(!matches("Can't connect to", "Cannot connect to server"));
    }

    #[test]
    fn wildcards_take_anything_even_nothing() {
        assert!(matches(
            "SAVEPOINT {} does not exist",
            "SAVEPOINT aludel_sp_1 does not exist"
        ));
        assert!(matches("SAVEPOINT {} does not exist", "SAVEPOINT  does not exist"));
        assert!(!matches("SAVEPOINT {} does not exist", "SAVEPOINT a exists"));
        assert!(matches("a '{}' b '{}' c", "a 'x' b 'y' b 'z' c and more"));
        assert_eq!(
            strip(
                "connection to server at \"{}\", port {} failed: ",
                "connection to server at \"h\", port 1 failed: x"
            ),
            Some("x")
        );
    }

    #[test]
    fn the_end_can_be_asked_for() {
        assert!(matches("interrupted$", "interrupted"));
        assert!(!matches("interrupted$", "interrupted by a trigger"));
        assert!(matches("no such {} here$", "no such here here here"));
        assert!(!matches("no such {} here$", "no such thing here?"));
        assert!(!matches("ab{}ba$", "aba")); // the parts may not overlap
    }

    #[test]
    fn characters_of_many_bytes_are_no_trouble() {
        assert!(matches("Column '{}' cannot be null", "Column 'größe–🜁' cannot be null"));
        assert!(!matches("Column", "Cölumn"));
        assert!(!matches("é", "e"));
        assert_eq!(first_line("ä\r\nb"), "ä");
        assert_eq!(first_line("\nb"), "");
    }
}
