//! The few questions that only foreign code can answer.
//!
//! This is the one file of the workspace that may contain unsafe code (DESIGN.md, "Unsafe code").
#![allow(unsafe_code)] // each call carries its reason

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many forks lie between the process that was started first and this one.
///
/// `getpid` would tell as much for the price of a system call. Children that were made by a bare `clone` or `vfork` run no
/// handlers and are not noticed: neither may go on using this library.
#[inline]
pub(crate) fn forks() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

static FORKS: AtomicU64 = AtomicU64::new(0);

/// Has the forks of this process counted from now on.
pub(crate) fn count_forks() {
    // Miri knows no forks.
    #[cfg(all(unix, not(miri)))]
    {
        type Handler = Option<extern "C" fn()>;
        unsafe extern "C" {
            fn pthread_atfork(prepare: Handler, parent: Handler, child: Handler) -> core::ffi::c_int;
        }
        extern "C" fn in_child() {
            FORKS.fetch_add(1, Ordering::Relaxed);
        }
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // SAFETY: the signature is POSIX's (pthread_atfork, IEEE Std 1003.1), and the handler does nothing but add to an
            // atomic, which is safe in a child of a program with several threads.
            let refused = unsafe { pthread_atfork(None, None, Some(in_child)) };
            if refused != 0 {
                tracing::warn!(target: "aludel.pool", "the guard against forks could not be set up: {refused}");
            }
        });
    }
}

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
