//! Certificates for servers that encrypt, made by `openssl`: an authority, what it has signed, and a stranger.

use std::path::PathBuf;

use crate::program;
use crate::watchdog::Watchdog;

/// Writes into a server's folder: `ca.pem`, an authority; `server.pem` and `server.key`, signed by it for `host`; and
/// `stranger.pem`, an authority that has signed nothing. They are good for two days.
///
/// # Panics
///
/// If there is no `openssl`, or it fails.
pub(crate) fn write(watchdog: &Watchdog, host: &str) {
    let openssl = program::find("openssl", "openssl", &[PathBuf::from("/usr/bin")]);
    let openssl = openssl.to_str().expect("the paths of Debian's programs are UTF-8");
    let folder = watchdog.folder().display().to_string();
    let file = |name: &str| format!("{folder}/{name}");
    let certificate = |name: &str, subject: &str, more: &[&str]| {
        let (subject, key, pem) = (
            format!("/CN={subject}"),
            file(&format!("{name}.key")),
            file(&format!("{name}.pem")),
        );
        let request = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"];
        let rest = ["-subj", &subject, "-keyout", &key, "-out", &pem];
        watchdog.run(&[&request[..], &rest, more].concat());
    };
    certificate("ca", "authority", &[]);
    certificate("stranger", "stranger", &[]);
    // Signed by the authority, and none itself: OpenSSL would say so of every self-made certificate.
    let (ca, key) = (file("ca.pem"), file("ca.key"));
    let signed = [
        "-CA",
        &ca,
        "-CAkey",
        &key,
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ];
    certificate("server", host, &signed);
}
