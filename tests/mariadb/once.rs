//! What is done once for a key.

use aludel::once::ResultTable;
use aludel::prelude::*;
use aludel::{Flavour, Outcome};
use aludel_tests::proxy::Proxy;
use aludel_tests::verify::{self, ask};
use aludel_tests::{mariadb, once, once_stories};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

use crate::verify::scene;

once_stories!(scene);
once_stories! {
    scene:
    an_old_snapshot_is_no_reason_to_run_again,
}

#[test]
fn a_network_that_cuts_commits_is_called_again() {
    let server = mariadb::server();
    let proxy = Proxy::mysql(server.port());
    let scene = verify::behind::<MysqlConnection>(&proxy, server.database("once_proxied").url(), ask);
    once::a_network_that_cuts_commits_is_called_again(&scene, &proxy);
}

#[test]
fn what_ddl_has_cut_in_two_is_not_run_again() {
    let scene = scene("cut_by_ddl");
    let mut session = scene.engine.session();
    let cut = session.once("order-1", |session| {
        session.batch_execute("INSERT INTO charges VALUES (1)")?;
        session.batch_execute("CREATE TABLE receipts (id INT)")?;
        Err::<(), _>(aludel::Error::other("no"))
    });
    assert_eq!(cut.expect_err("it said so").outcome(), Some(Outcome::Committed));
    let error = session
        .once("order-1", |session| {
            Ok(session.batch_execute("INSERT INTO charges VALUES (1)")?)
        })
        .expect_err("nobody knows what was done");
    assert!(
        error.is_once_key() && error.to_string().contains("without a result"),
        "{error}"
    );
    assert_eq!(scene.charged(), 1);
    scene.assert_whole();
}

#[test]
fn a_table_that_cannot_roll_back_is_refused() {
    let scene = scene("of_myisam");
    let sql = ResultTable::sql(Flavour::MySql).replace("InnoDB", "MyISAM");
    let mut raw = scene.stranger().raw_connection().expect("the database is there");
    raw.batch_execute(&sql).expect("it may be made");
    let error = scene
        .engine
        .session()
        .once("order-1", |_| Ok(()))
        .expect_err("it would stay");
    let text = error.to_string();
    assert!(
        text.contains("cannot roll a row back") && text.contains("ENGINE=InnoDB"),
        "{text}"
    );
    assert_eq!(error.outcome(), Some(Outcome::NotBegun));
    scene.assert_whole();
}
