//! `MockReconnectTest`, `RealReconnectTest`, `HandleErrorTest` and `OnConnectTest`, as SQLAlchemy has them: the stories are
//! `tests/support/cases/reconnect.rs`.

use aludel::prelude::*;
use aludel_tests::cases::reconnect::db_is_stopped;
use aludel_tests::mariadb;
use diesel::MysqlConnection;

aludel_tests::reconnect_cases!(aludel_tests::cases::mariadb);

#[test]
fn waits_til_exec_wo_ping_db_is_stopped() {
    let server = mariadb::private();
    let database = server.database("stopped");
    db_is_stopped::<MysqlConnection>(database.url(), PrePing::Never, || server.kill_9(), || server.start());
}

#[test]
fn pre_ping_db_is_stopped() {
    let server = mariadb::private();
    let database = server.database("stopped");
    db_is_stopped::<MysqlConnection>(database.url(), PrePing::Always, || server.kill_9(), || server.start());
}
