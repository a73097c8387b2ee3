//! Percent-encoding, each part by what would end it.

/// A user or a password: anything but letters and digits might end it in somebody's parser.
pub(super) fn user_encoded(text: &str) -> String {
    encoded(text, b"-._~")
}

/// A host name, or the folder of a unix socket.
pub(super) fn host_encoded(text: &str) -> String {
    encoded(text, b"-._~")
}

/// A database's name behind the host.
pub(super) fn database_encoded(text: &str) -> String {
    encoded(text, b"-._~!$&'()*+,;=:[\\]^|")
}

/// SQLite's path: it may have slashes, and SQLite's own reader leaves all but three characters alone.
pub(super) fn sqlite_path_encoded(text: &str) -> String {
    let mut path = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '%' => path.push_str("%25"),
            '?' => path.push_str("%3F"),
            '#' => path.push_str("%23"),
            // Behind a colon it would look like a user.
            '@' => path.push_str("%40"),
            ' ' => path.push_str("%20"),
            other if other.is_control() => path.push_str(&encoded(other.encode_utf8(&mut [0; 4]), b"")),
            other => path.push(other),
        }
    }
    path
}

/// A key or a value of the query. A space is `%20`, which every reader understands; libpq takes a `+` for a plus sign.
pub(super) fn query_encoded(text: &str) -> String {
    encoded(text, b"-._~/:,!$'()*")
}

fn encoded(text: &str, plain: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    out
}
