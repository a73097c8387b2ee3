//! What the examples share: how their output looks. Each example is a file, or a folder, beside this one.
//!
//! | Example | What it shows |
//! |---|---|
//! | `quickstart` | models, a transfer, a savepoint, a rerun, and the errors one wants to read at night |
//! | `bank` | many threads, a server that loses their connections, and books that still balance |
//! | `reconnecting` | a ping every second while the database is restarted |
//! | `library` | objects: parents and children in one flush, a conflict, a savepoint, and each statement that is sent |
//! | `orders` | a service: orders, stock, payments, and letters from an outbox, each function a line above what it does |
//! | `pitfalls` | what Diesel and r2d2 leave to their users, on real servers, and what becomes of it here |

#![forbid(unsafe_code)]

use comfy_table::{CellAlignment, Table, presets};

/// Prints a heading with an empty line before it.
pub fn heading(text: &str) {
    println!("\n{text}\n{}", "─".repeat(text.chars().count()));
}

/// A table for people; every column but the first is aligned to the right.
///
/// ```
/// let table = aludel_examples::table(&["account", "balance"], [["Ann".to_owned(), "1,000".to_owned()]]);
/// assert!(table.contains("Ann") && table.contains("1,000"));
/// ```
pub fn table<const COLUMNS: usize>(
    headings: &[&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(headings);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// A number with its thousands apart.
///
/// ```
/// assert_eq!(aludel_examples::thousands(1_234_567), "1,234,567");
/// assert_eq!(aludel_examples::thousands(-1000), "-1,000");
/// ```
pub fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
