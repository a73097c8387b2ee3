//! Why a URL could not be read. No text repeats what was given, which may hold a password.

use thiserror::Error;

/// Why a URL could not be read, and what to write instead.
///
/// Neither the message nor `Debug` shows any part of the URL.
///
/// ```
/// use aludel_core::url::{Url, UrlError};
///
/// let error = Url::parse("postgresql+psycopg://app@h/bank").unwrap_err();
/// assert_eq!(error, UrlError::Driver { plain: "postgresql" });
/// assert!(error.to_string().contains("write `postgresql://`"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum UrlError {
    /// There is no `scheme://`.
    #[error(
        "this is no database URL: it must start with a scheme, as in `mysql://user@host/bank`, \
         `postgres://user@host/bank`, or `sqlite://bank.db` for the file bank.db"
    )]
    NoScheme,
    /// `dialect+driver://`, as SQLAlchemy has it.
    #[error("there is no choice of drivers here: write `{plain}://` instead of `{plain}+driver://`")]
    Driver {
        /// The scheme to be written.
        plain: &'static str,
    },
    /// A character that no URL may have: a line break, a tab, or a space at an end.
    #[error(
        "the database URL has a control character in it, or a space at an end (a line break from the file or \
         variable that it was read from?): remove it, or percent-encode it if it belongs there"
    )]
    Whitespace,
    /// The host cannot be read.
    #[error(
        "the host in the database URL cannot be read; an IPv6 address stands in brackets (`[::1]`), and a user or \
         password that contains `@`, `/`, `:`, `?`, `#`, `[` or `%` must be percent-encoded (`@` is %40, `/` is %2F)"
    )]
    Host,
    /// The port is not a number from 0 to 65535, or what was taken for it belongs to the password.
    #[error(
        "the port in the database URL must be a number up to 65535; if there is no port, then the user or password \
         contains `@`, `/`, `:`, `?` or `#`, which must be percent-encoded (`/` is %2F, `?` is %3F, `#` is %23)"
    )]
    Port,
    /// An `@` behind the host: most likely a password with a raw `/` or `?` before it.
    #[error(
        "the database URL has an `@` after its host: a password that contains `/` or `?` must be percent-encoded \
         (`/` is %2F, `?` is %3F), and so must an `@` in the name of a database (%40)"
    )]
    StrayAt,
    /// A `#`, which would begin a fragment.
    #[error("a database URL has no part after `#`: percent-encode it as %23 if it belongs to a password or a name")]
    Fragment,
    /// Percent-encoded bytes that are not UTF-8.
    #[error("the {part} in the database URL is not UTF-8 once its percent-encoding is undone")]
    NotUtf8 {
        /// Which part of the URL.
        part: &'static str,
    },
    /// A percent-encoded zero byte.
    #[error("the {part} in the database URL contains a zero byte (%00), which no driver accepts")]
    Nul {
        /// Which part of the URL.
        part: &'static str,
    },
    /// A user or password in a SQLite URL.
    #[error(
        "a SQLite URL has no user, password or host: all of it is the path, as in `sqlite://bank.db` or \
         `sqlite:///var/bank.db`; an `@` in the name of a folder is %40"
    )]
    SqliteUser,
    /// Parts that do not make a URL from which the same parts could be read.
    #[error(
        "these parts make no database URL: the scheme is letters and digits, the host a name or an address, and no \
         database is called `.` or `..`"
    )]
    Unwritable,
    /// Anything else that the `url` crate refuses.
    #[error("the database URL cannot be read; it must look like `mysql://user:password@host:3306/bank`")]
    Unreadable,
}
