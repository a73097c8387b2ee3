//! Values as they come over the wire, shown to people.

use crate::log::{show_bytes, show_text};

/// What is shown of a value that is not to be seen, or that nobody here can read.
pub(super) fn hidden(bytes: &[u8]) -> String {
    format!("({} bytes)", bytes.len())
}

/// A number, if there are as many bytes as it has.
pub(super) fn number<const N: usize, T: ToString>(bytes: &[u8], read: impl FnOnce([u8; N]) -> T) -> Option<String> {
    Some(read(bytes.try_into().ok()?).to_string())
}

/// A text between quotation marks, or what is none in hexadecimal digits.
pub(super) fn text_or_bytes(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => show_text(&format!("{text:?}")),
        Err(_) => show_bytes(bytes),
    }
}
