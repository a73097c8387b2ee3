//! The few questions that only foreign code can answer.
//!
//! This is the one file of the workspace that may contain unsafe code (DESIGN.md, "Unsafe code").
#![allow(unsafe_code)] // each call carries its reason

/// The client library that this program runs on, as it calls itself: `3.3.17` for MariaDB Connector/C, `8.0.36` and
/// above for Oracle's.
#[cfg(feature = "mysql")]
pub(crate) fn mysql_client_version() -> String {
    // SAFETY: the function takes nothing, may be called before any other one of the library, and returns a pointer to a
    // static, nul-terminated string (MariaDB Connector/C and MySQL C API manuals, mysql_get_client_info).
    let text = unsafe {
        let pointer = mysqlclient_sys::mysql_get_client_info();
        if pointer.is_null() {
            return String::new();
        }
        std::ffi::CStr::from_ptr(pointer)
    };
    text.to_string_lossy().into_owned()
}

/// Whether that library is MariaDB Connector/C.
///
/// Its versions are 2 and 3, or the server's own 10 and above; Oracle's are 5, 8 and 9.
#[cfg(feature = "mysql")]
pub(crate) fn is_mariadb_client() -> bool {
    let version = mysql_client_version();
    let major: u32 = version
        .split('.')
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    matches!(major, 2 | 3) || major >= 10
}
