//! The server itself does what the other tests ask of it.

use aludel_tests::{Gate, mariadb};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use std::net::TcpStream;
use std::thread;

#[test]
fn each_database_is_its_own() {
    let server = mariadb::server();
    let (first, second) = (server.database("same"), server.database("same"));
    assert_ne!(first.name(), second.name());

    let mut connection = connect(first.url());
    connection
        .batch_execute("CREATE TABLE t (id INT PRIMARY KEY) ENGINE=InnoDB")
        .expect("the user may create tables");
    assert_eq!(
        server.connections(first.name()),
        [mariadb::connection_id(&mut connection)]
    );
    assert!(server.connections(second.name()).is_empty());
    server.execute_in(first.name(), "INSERT INTO t VALUES (1)");
    assert!(server.status("Prepared_stmt_count") >= 1);
}

#[test]
fn a_killed_connection_is_gone() {
    let server = mariadb::server();
    let database = server.database("killed");
    let mut connection = connect(database.url());
    server.kill(mariadb::connection_id(&mut connection));
    assert!(server.connections(database.name()).is_empty());
    assert!(connection.batch_execute("SELECT 1").is_err());
}

#[test]
fn a_blocked_statement_is_seen() {
    let server = mariadb::server();
    let database = server.database("blocked");
    server.execute_in(
        database.name(),
        "CREATE TABLE t (id INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO t VALUES (1)",
    );
    for sql in ["UPDATE t SET id = id", "ALTER TABLE t ADD x INT"] {
        let mut holder = connect(database.url());
        holder
            .batch_execute("BEGIN; UPDATE t SET id = 1 WHERE id = 1; SELECT * FROM t FOR UPDATE")
            .expect("nobody else is there");
        let mut waiter = connect(database.url());
        let id = mariadb::connection_id(&mut waiter);
        let done = Gate::new("the waiter got its lock");
        thread::scope(|threads| {
            threads.spawn(|| {
                waiter.batch_execute(sql).expect("the lock is set free");
                done.pass();
            });
            server.wait_until_blocked(id);
            assert!(!done.is_passed());
            holder.batch_execute("COMMIT").expect("the holder is not blocked");
            done.wait();
        });
    }
}

#[test]
fn a_private_server_can_be_restarted_crashed_and_frozen() {
    let server = mariadb::private();
    let database = server.database("kept");
    server.execute_in(
        database.name(),
        "CREATE TABLE t (id INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO t VALUES (1)",
    );

    let mut connection = connect(database.url());
    server.restart();
    assert!(connection.batch_execute("SELECT 1").is_err());

    let mut connection = connect(database.url());
    server.kill_9();
    assert!(connection.batch_execute("SELECT 1").is_err());
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
    server.start();

    server.freeze();
    TcpStream::connect(("127.0.0.1", server.port())).expect("the kernel still takes connections");
    server.thaw();
    let rows: i64 = diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(
        "(SELECT COUNT(*) FROM t)",
    ))
    .get_result(&mut connect(database.url()))
    .expect("the data survived");
    assert_eq!(rows, 1);

    let folder = server.folder().to_owned();
    drop(server);
    assert!(!folder.exists());
    assert!(connection.batch_execute("SELECT 1").is_err());
}

fn connect(url: &str) -> MysqlConnection {
    MysqlConnection::establish(url).expect("the server takes the user of the tests")
}
