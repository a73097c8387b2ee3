//! `SQLite` databases in temporary folders.
//!
//! ```
//! let database = aludel_tests::sqlite::file();
//! assert!(database.url().starts_with("sqlite:///"));
//! ```

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

/// A place for a database file; the file itself comes into being with the first connection. Its folder, with everything
/// that `SQLite` puts beside the file, is removed when this is dropped.
#[derive(Debug)]
pub struct TempDatabase {
    folder: TempDir,
    path: PathBuf,
    url: String,
}

/// A fresh one.
///
/// # Panics
///
/// If there is no temporary folder to be had, or its path is not UTF-8.
pub fn file() -> TempDatabase {
    let folder = tempfile::Builder::new()
        .prefix("aludel-sqlite.")
        .tempdir()
        .expect("a temporary folder can be made");
    let path = folder.path().join("test.db");
    let url = format!(
        "sqlite://{}",
        path.to_str().expect("the path of the temporary folder is UTF-8")
    );
    TempDatabase { folder, path, url }
}

impl TempDatabase {
    /// `sqlite://` and the absolute path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder around it, e.g. for a look at the journal.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The URL of a database in memory that several connections share, with a name that nobody has used yet. Unlike a private
/// one it survives the loss of a connection, as a server does.
pub fn shared() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("sqlite://test{number}?mode=memory&cache=shared")
}
