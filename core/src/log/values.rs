//! Values as a log may show them: a long one is shortened in its middle, a long list is cut there, as SQLAlchemy does.

use std::fmt::{self, Write as _};

/// Characters of one value that are shown. More, and one document fills the screen; fewer, and an identifier is cut.
const CHARACTERS: usize = 300;

/// Values of a list that are shown. SQLAlchemy shows ten batches of a long list; a list here may be one row of some
/// hundred columns, which is still read by people.
const VALUES: usize = 100;

/// Of a list that is too long, how many are shown at its end (SQLAlchemy's number).
const LAST: usize = 2;

/// A text, shortened in its middle.
#[doc(hidden)]
pub fn show_text(text: &str) -> String {
    let length = text.chars().count();
    if length <= CHARACTERS {
        return text.to_owned();
    }
    let half = CHARACTERS / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(length - half).collect();
    format!("{head} ... ({} characters truncated) ... {tail}", length - 2 * half)
}

/// Bytes as hexadecimal digits, shortened in their middle.
#[doc(hidden)]
pub fn show_bytes(bytes: &[u8]) -> String {
    let half = CHARACTERS / 4;
    let digits = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    if bytes.len() <= 2 * half {
        return format!("0x{}", digits(bytes));
    }
    let (head, rest) = bytes.split_at(half);
    let tail = &rest[rest.len() - half..];
    format!(
        "0x{} ... ({} bytes truncated) ... {}",
        digits(head),
        bytes.len() - 2 * half,
        digits(tail)
    )
}

/// A list, cut in its middle, each value shortened.
#[doc(hidden)]
pub fn show_list<T: fmt::Debug>(values: &[T]) -> String {
    let shown: Vec<String> = if values.len() <= VALUES {
        values.iter().map(show).collect()
    } else {
        let head = values[..VALUES - LAST].iter().map(show);
        let cut = format!("... {} values truncated ...", values.len() - VALUES);
        let tail = values[values.len() - LAST..].iter().map(show);
        head.chain(std::iter::once(cut)).chain(tail).collect()
    };
    format!("[{}]", shown.join(", "))
}

/// Values that are texts already, as one row.
#[doc(hidden)]
pub fn shown_row(values: &[String]) -> String {
    let shown: Vec<&str> = if values.len() <= VALUES {
        values.iter().map(String::as_str).collect()
    } else {
        let head = values[..VALUES - LAST].iter().map(String::as_str);
        let tail = values[values.len() - LAST..].iter().map(String::as_str);
        head.chain(std::iter::once("...")).chain(tail).collect()
    };
    format!("({})", shown.join(", "))
}

fn show<T: fmt::Debug>(value: &T) -> String {
    show_text(&format!("{value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_large_parameter_single() {
        let shown = show_text(&format!("{}{}{}", "a".repeat(200), "secret", "z".repeat(200)));
        assert_eq!(
            shown,
            format!(
                "{} ... (106 characters truncated) ... {}",
                "a".repeat(150),
                "z".repeat(150)
            )
        );
        assert_eq!(show_text(&"é".repeat(300)), "é".repeat(300));
        assert_eq!(show_bytes(&[0xca, 0xfe]), "0xcafe");
        assert!(show_bytes(&[7; 1_000]).contains("(850 bytes truncated)"));
    }

    #[test]
    fn log_large_list_of_values() {
        let values: Vec<u32> = (1..=300).collect();
        let shown = show_list(&values);
        assert!(shown.starts_with("[1, 2, 3, "), "{shown}");
        assert!(
            shown.ends_with("98, ... 200 values truncated ..., 299, 300]"),
            "{shown}"
        );
        assert_eq!(show_list(&[1, 2]), "[1, 2]");
        let row: Vec<String> = values.iter().map(u32::to_string).collect();
        assert!(shown_row(&row).ends_with("98, ..., 299, 300)"));
    }
}
