//! Finding the programs of a database server.

use std::env;
use std::path::PathBuf;

/// The full path of a program: on `PATH`, or in one of `more` (Debian keeps `mariadbd` in `/usr/sbin`, which is not on a
/// user's `PATH`).
///
/// # Panics
///
/// If it is nowhere; the message names the Debian package that brings it.
pub fn find(program: &str, package: &str, more: &[PathBuf]) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(more.iter().cloned())
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| {
            panic!("this test needs `{program}`, which is not installed: `tests/run --install-only`, or `apt-get install {package}`")
        })
}
