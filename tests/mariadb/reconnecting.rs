//! Reading that survives its connections: the stories are `tests/support/reconnecting.rs`.

use aludel_tests::mariadb;
use aludel_tests::reconnecting::servers as stories;
use aludel_tests::stage::Stage;
use diesel::MysqlConnection;
use diesel::connection::SimpleConnection as _;

aludel_tests::reconnecting_stories!(diesel::MysqlConnection);

#[test]
fn a_loop_of_selects_sees_no_error_while_its_server_is_restarted() {
    stories::a_loop_of_selects_sees_no_error_while_its_server_is_restarted::<MysqlConnection>(&mariadb::private());
}

#[test]
fn a_server_that_stays_down_is_an_error_after_exactly_n_retries() {
    stories::a_server_that_stays_down_is_an_error_after_exactly_n_retries::<MysqlConnection>(&mariadb::private());
}

#[test]
fn a_killed_connection_costs_a_pause_at_most() {
    stories::a_killed_connection_costs_a_pause_at_most::<MysqlConnection>(mariadb::server());
}

#[test]
fn an_answer_that_is_cut_off_is_repeated() {
    // Diesel has all rows here before it hands out the first.
    stories::an_answer_that_is_cut_off_is_repeated_until_its_first_row::<MysqlConnection>(mariadb::server(), false);
}

fn open(name: &str, functions: &str) -> Stage<MysqlConnection> {
    let stage = Stage::<MysqlConnection>::open(name);
    stage
        .outside()
        .batch_execute(functions)
        .expect("the database is the test's own");
    stage
}

#[test]
fn a_select_that_writes_is_refused_by_the_server() {
    let functions = "CREATE SEQUENCE numbers; \
        CREATE FUNCTION take(amount BIGINT) RETURNS BIGINT MODIFIES SQL DATA \
        BEGIN UPDATE accounts SET balance = balance - amount WHERE id = 1; RETURN amount; END";
    let stage = open("writing", functions);
    stories::a_select_that_writes_is_refused_by_the_server(&stage, &["NEXTVAL(numbers)", "take(0)"]);
}

#[test]
fn an_error_that_only_looks_like_a_disconnect_is_not_repeated() {
    let functions = "CREATE FUNCTION says(words VARCHAR(128)) RETURNS BIGINT \
        BEGIN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = words; RETURN 1; END";
    let stage = open("looks_like", functions);
    let raising = [
        "says('Server has gone away')",
        "says('Lost connection to server during query')",
    ];
    stories::an_error_that_only_looks_like_a_disconnect_is_not_repeated(&stage, &raising);
}
