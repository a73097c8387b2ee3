//! Encryption that was asked for is there, or there is no connection; and so is the proof of who the server is.

use aludel::ErrorKind;
use aludel::dialect::{PgConnectArgs, PgSslMode};
use aludel::prelude::*;
use aludel_tests::postgres::{self, Postgres};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;

const ENCRYPTED: [PgSslMode; 3] = [PgSslMode::Require, PgSslMode::VerifyCa, PgSslMode::VerifyFull];

/// Whether a connection with these arguments is encrypted, as the server knows it.
fn encrypted(server: &Postgres, arguments: PgConnectArgs) -> aludel::Result<bool> {
    let engine = Engine::<PgConnection>::builder(server.url("postgres"))
        .connect_args(arguments)
        .build()?;
    let mut connection = engine.raw_connection()?;
    let own = "(SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())";
    Ok(diesel::select(sql::<Bool>(own)).get_result(&mut *connection)?)
}

fn refused(server: &Postgres, arguments: PgConnectArgs, words: &str) {
    let error = encrypted(server, arguments).expect_err(words);
    let text = format!("{error} {error:?}");
    assert!(!text.contains(server.password()), "{text}");
    assert!(text.contains(words), "{text}");
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert!(!error.is_retryable(), "it would be refused again: {error:?}");
}

fn mode(mode: PgSslMode) -> PgConnectArgs {
    PgConnectArgs::new().sslmode(mode)
}

fn file(server: &Postgres, name: &str) -> String {
    server.folder().join(name).display().to_string()
}

#[test]
fn what_was_asked_for_is_there() -> aludel::Result<()> {
    let server = postgres::private_with_tls("127.0.0.1");
    for asked in ENCRYPTED {
        let known = mode(asked).sslrootcert(file(&server, "ca.pem"));
        assert!(encrypted(&server, known)?, "{asked:?}");
    }
    assert!(encrypted(&server, mode(PgSslMode::Require))?);
    assert!(encrypted(&server, mode(PgSslMode::Prefer))?);
    assert!(!encrypted(&server, mode(PgSslMode::Allow))?);
    assert!(!encrypted(&server, mode(PgSslMode::Disable))?);
    Ok(())
}

#[test]
fn whoever_signed_the_certificate_is_looked_at() {
    let server = postgres::private_with_tls("127.0.0.1");
    for asked in ENCRYPTED {
        // `require` looks at it, too, where an authority is named: so libpq has it.
        let stranger = mode(asked).sslrootcert(file(&server, "stranger.pem"));
        refused(&server, stranger, "certificate verify failed");
    }
}

#[test]
fn the_name_in_the_certificate_is_looked_at_where_that_is_asked() -> aludel::Result<()> {
    let server = postgres::private_with_tls("db.example");
    let with = |asked| mode(asked).sslrootcert(file(&server, "ca.pem"));
    refused(&server, with(PgSslMode::VerifyFull), "does not match host name");
    assert!(encrypted(&server, with(PgSslMode::VerifyCa))?);
    Ok(())
}

#[test]
fn a_server_that_cannot_encrypt_is_refused() -> aludel::Result<()> {
    let server = postgres::server();
    let tls = postgres::private_with_tls("127.0.0.1");
    for asked in ENCRYPTED {
        let known = mode(asked).sslrootcert(file(&tls, "ca.pem"));
        refused(server, known, "server does not support SSL, but SSL was required");
    }
    // libpq's default takes what it gets: it keeps nobody out who can change what is on the wire.
    assert!(!encrypted(server, mode(PgSslMode::Prefer))?);
    assert!(!encrypted(server, PgConnectArgs::new())?);
    Ok(())
}
