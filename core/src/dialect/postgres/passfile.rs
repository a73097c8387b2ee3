//! Connecting with a password that is not in the URL: libpq reads it from a file of ours.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use secrecy::{ExposeSecret as _, SecretString};

/// A password file (`passfile` in <https://www.postgresql.org/docs/current/libpq-connect.html>) that only this process can
/// read, and that is gone when this is dropped. Where there is a `/proc` it has no name from the start, so that not even
/// the end of the process leaves it behind.
pub(super) struct PassFile {
    path: PathBuf,
    named: bool,
    /// What `/proc` leads to.
    open: File,
}

impl PassFile {
    /// `None` for a password that such a file cannot hold: one with a line break.
    pub(super) fn new(password: &SecretString) -> io::Result<Option<Self>> {
        let password = password.expose_secret();
        if password.contains(['\n', '\r']) {
            return Ok(None);
        }
        let (open, path) = create()?;
        let mut kept = Self {
            path,
            named: true,
            open,
        };
        let nameless = nameless(&kept.open);
        if nameless.exists() {
            fs::remove_file(&kept.path)?;
            (kept.path, kept.named) = (nameless, false);
        }
        // For every host, port, database and user.
        let escaped = password.replace('\\', "\\\\").replace(':', "\\:");
        kept.open.write_all(format!("*:*:*:*:{escaped}\n").as_bytes())?;
        Ok(Some(kept))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PassFile {
    fn drop(&mut self) {
        if self.named {
            // One that cannot be removed is readable for nobody else.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A new and empty file that nobody else may open; in memory where the system has a place for that.
fn create() -> io::Result<(File, PathBuf)> {
    static FILES: AtomicU64 = AtomicU64::new(0);
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    loop {
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("aludel-{}-{number}.pgpass", process::id()));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return Ok((file, path)),
            // Left by a process of the same number that was killed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

fn nameless(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd as _;
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_file_is_what_libpq_reads_and_leaves_nothing_behind() {
        let password: SecretString = "p:a\\ss".to_owned().into();
        let file = PassFile::new(&password).unwrap().expect("it has one line");
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "*:*:*:*:p\\:a\\\\ss\n");
        let path = file.path().to_owned();
        let named = file.named;
        drop(file);
        assert!(!named || !path.exists());
        let two_lines: SecretString = "a\nb".to_owned().into();
        assert!(PassFile::new(&two_lines).unwrap().is_none());
    }
}
