//! The server itself does what the other tests ask of it.

use aludel_tests::{Gate, postgres};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use std::net::TcpStream;
use std::thread;

#[test]
fn each_database_is_its_own() {
    let server = postgres::server();
    let (first, second) = (server.database("same"), server.database("same"));
    assert_ne!(first.name(), second.name());

    let mut connection = connect(first.url());
    connection
        .batch_execute("CREATE TABLE t (id INT PRIMARY KEY)")
        .expect("the user owns the database");
    assert_eq!(
        server.connections(first.name()),
        [postgres::backend_pid(&mut connection)]
    );
    assert!(server.connections(second.name()).is_empty());
    server.execute_in(first.name(), "INSERT INTO t VALUES (1)");
}

#[test]
fn a_terminated_connection_is_gone() {
    let server = postgres::server();
    let database = server.database("terminated");
    let mut connection = connect(database.url());
    server.terminate(postgres::backend_pid(&mut connection));
    assert!(server.connections(database.name()).is_empty());
    assert!(connection.batch_execute("SELECT 1").is_err());
}

#[test]
fn the_user_of_the_tests_may_end_its_own_sessions() {
    let database = postgres::server().database("own");
    let mut victim = connect(database.url());
    let sql = format!(
        "SELECT pg_terminate_backend({}, 10000)",
        postgres::backend_pid(&mut victim)
    );
    connect(database.url())
        .batch_execute(&sql)
        .expect("both belong to the same user");
    assert!(victim.batch_execute("SELECT 1").is_err());
}

#[test]
fn a_blocked_statement_is_seen() {
    let server = postgres::server();
    let database = server.database("blocked");
    let mut holder = connect(database.url());
    holder
        .batch_execute("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)")
        .expect("the user owns the database");
    holder
        .batch_execute("BEGIN; UPDATE t SET id = 1")
        .expect("nobody else is there");
    let mut waiter = connect(database.url());
    let pid = postgres::backend_pid(&mut waiter);
    let done = Gate::new("the waiter got its lock");
    thread::scope(|threads| {
        threads.spawn(|| {
            waiter
                .batch_execute("UPDATE t SET id = 1")
                .expect("the lock is set free");
            done.pass();
        });
        server.wait_until_blocked(pid);
        assert!(!done.is_passed());
        holder.batch_execute("COMMIT").expect("the holder is not blocked");
        done.wait();
    });
}

#[test]
fn a_private_server_can_be_restarted_crashed_and_frozen() {
    let server = postgres::private();
    let database = server.database("kept");
    server.execute_in(
        database.name(),
        "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1); GRANT SELECT ON t TO aludel",
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

fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).expect("the server takes the user of the tests")
}
