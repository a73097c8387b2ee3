//! Encryption that was asked for.

use aludel::ErrorKind;
use aludel::prelude::*;
use aludel_tests::mariadb;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::scene::{Scene, Told};

pub(crate) const SCENE: Scene = Scene {
    title: "TLS that is not there",
    story: "MariaDB, through its own client library. The URL says ssl_mode=required, and this server can encrypt. Afterwards \
            the server is asked whether the connection is encrypted. (Diesel is then asked once more with ssl_ca, which \
            helps, and Aludel on a server that cannot encrypt.)",
    diesel,
    aludel,
};

#[derive(QueryableByName)]
struct Status {
    #[diesel(sql_type = Text, column_name = "Value")]
    value: String,
}

/// What the server says of this connection.
fn encrypted(connection: &mut MysqlConnection) -> bool {
    let cipher: Status = diesel::sql_query("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        .get_result(connection)
        .expect("the server has such a status");
    !cipher.value.is_empty()
}

fn shown(encrypted: bool) -> &'static str {
    if encrypted { "encrypted" } else { "in the clear" }
}

fn diesel() -> Told {
    let (server, mut told) = (mariadb::private_with_tls("127.0.0.1"), Told::new());
    let url = server.database("tls").url_with("ssl_mode", "required");
    let answer = MysqlConnection::establish(&url);
    let said = if answer.is_ok() { "connected" } else { "refused" };
    told.note(format!("the connection: {said}"));
    let cipher = answer.ok().map(|mut connection| encrypted(&mut connection));
    let known = MysqlConnection::establish(&format!("{url}&ssl_ca={}", server.authority().display()));
    let known = known.map(|mut connection| shown(encrypted(&mut connection)));
    told.answered("with ssl_ca as well", &known);
    // Diesel sets the option's number from MySQL's header, which is another option in MariaDB's library.
    told.ends(said, cipher.map_or("no connection", shown), cipher != Some(false))
}

fn aludel() -> Told {
    let (server, mut told) = (mariadb::private_with_tls("127.0.0.1"), Told::new());
    let ask = |url: &str| -> aludel::Result<bool> {
        let engine = Engine::<MysqlConnection>::new(url)?;
        let mut connection = engine.raw_connection()?;
        Ok(encrypted(&mut connection))
    };
    let able = ask(&server.database("tls").url_with("ssl_mode", "required"));
    told.answered("the connection, and whether it is encrypted", &able);
    let unable = ask(&mariadb::server().database("no_tls").url_with("ssl_mode", "required"));
    told.answered("on a server that cannot encrypt", &unable);
    let said = match &unable {
        Err(error) if error.kind() == ErrorKind::Configuration => "connected; where the server cannot, refused",
        _ => "connected, wherever",
    };
    let sound = matches!(able, Ok(true)) && unable.is_err();
    told.ends(said, able.map_or("no connection", shown), sound)
}
