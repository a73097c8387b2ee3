//! Encryption that was asked for is there, or there is no connection (fact D10).

use aludel::dialect::{MysqlConnectArgs, MysqlSslMode};
use aludel::prelude::*;
use aludel::{Error, ErrorKind};
use aludel_tests::mariadb::{self, MariaDb};
use diesel::prelude::*;
use diesel::sql_types::Text;

/// The cipher of a connection with these arguments, as the server knows it; empty if it is in the clear.
fn cipher(server: &MariaDb, arguments: MysqlConnectArgs) -> aludel::Result<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text, column_name = "Value")]
        value: String,
    }
    let engine = Engine::<MysqlConnection>::builder(server.url("mysql"))
        .connect_args(arguments)
        .build()?;
    let mut connection = engine.raw_connection()?;
    let row: Row = diesel::sql_query("SHOW SESSION STATUS LIKE 'Ssl_cipher'").get_result(&mut *connection)?;
    Ok(row.value)
}

fn refused(server: &MariaDb, arguments: MysqlConnectArgs) -> Error {
    let error = cipher(server, arguments).expect_err("nothing else will do");
    let text = format!("{error} {error:?}");
    assert!(!text.contains(server.password()), "{text}");
    assert!(!error.is_retryable(), "it would be refused again: {error}");
    error
}

fn file(server: &MariaDb, name: &str) -> String {
    server.folder().join(name).display().to_string()
}

fn args() -> MysqlConnectArgs {
    MysqlConnectArgs::new()
}

#[test]
fn what_was_asked_for_is_there() -> aludel::Result<()> {
    let server = mariadb::private_with_tls("127.0.0.1");
    let authority = file(&server, "ca.pem");
    assert_eq!(cipher(&server, args().ssl_mode(MysqlSslMode::Disabled))?, "");
    for arguments in [
        args().ssl_mode(MysqlSslMode::Required),
        args().ssl_ca(&authority),
        args().ssl_ca(&authority).ssl_mode(MysqlSslMode::Required),
    ] {
        assert_ne!(cipher(&server, arguments.clone())?, "", "{arguments:?}");
    }
    Ok(())
}

#[test]
fn whoever_signed_the_certificate_is_looked_at() {
    let server = mariadb::private_with_tls("127.0.0.1");
    let stranger = file(&server, "stranger.pem");
    for arguments in [
        args().ssl_ca(&stranger),
        args().ssl_ca(&stranger).ssl_mode(MysqlSslMode::Required),
    ] {
        let error = refused(&server, arguments);
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
}

#[test]
fn a_server_that_cannot_encrypt_is_refused() -> aludel::Result<()> {
    let server = mariadb::server();
    assert_eq!(cipher(server, args())?, "");
    assert_eq!(cipher(server, args().ssl_mode(MysqlSslMode::Preferred))?, "");
    let tls = mariadb::private_with_tls("127.0.0.1");
    let authority = file(&tls, "ca.pem");
    for arguments in [args().ssl_mode(MysqlSslMode::Required), args().ssl_ca(&authority)] {
        let error = refused(server, arguments);
        assert!(error.to_string().to_lowercase().contains("ssl"), "{error}");
    }
    Ok(())
}

#[test]
fn who_the_server_is_can_be_asked_for() -> aludel::Result<()> {
    let server = mariadb::private_with_tls("127.0.0.1");
    let (authority, stranger) = (file(&server, "ca.pem"), file(&server, "stranger.pem"));
    for mode in [MysqlSslMode::VerifyCa, MysqlSslMode::VerifyIdentity] {
        assert_ne!(
            cipher(&server, args().ssl_mode(mode).ssl_ca(&authority))?,
            "",
            "{mode:?}"
        );
        let error = refused(&server, args().ssl_mode(mode).ssl_ca(&stranger));
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    // The authorities that the system knows have not signed it either.
    refused(&server, args().ssl_mode(MysqlSslMode::VerifyIdentity));
    Ok(())
}

#[test]
fn the_name_in_the_certificate_is_looked_at_where_that_is_asked() -> aludel::Result<()> {
    let server = mariadb::private_with_tls("db.example");
    let authority = file(&server, "ca.pem");
    let identity = args().ssl_mode(MysqlSslMode::VerifyIdentity).ssl_ca(&authority);
    let error = refused(&server, identity);
    assert!(
        error
            .to_string()
            .contains("Validation of SSL server certificate failed"),
        "{error}"
    );
    let signed = args().ssl_mode(MysqlSslMode::VerifyCa).ssl_ca(&authority);
    assert_ne!(cipher(&server, signed)?, "");
    Ok(())
}

#[test]
fn what_a_creator_cannot_be_held_to_is_refused() {
    let server = mariadb::server();
    let url = server.url("mysql");
    let engine = Engine::<MysqlConnection>::builder(format!("{url}?ssl_mode=verify_identity"))
        .creator(move || MysqlConnection::establish(&url))
        .build();
    let error = engine.expect_err("nobody would look at the certificate");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("ssl_mode=required"), "{error}");
}
