//! Reading that survives its connections: the stories are `tests/support/reconnecting.rs`.

use diesel::MysqlConnection;

aludel_tests::reconnecting_stories!(MysqlConnection);
// Diesel has all rows here before it hands out the first.
aludel_tests::reconnecting_server_stories!(MysqlConnection, aludel_tests::mariadb, streams: false);

#[test]
fn a_select_that_writes_is_refused_by_the_server() {
    let functions = "CREATE SEQUENCE numbers; \
        CREATE FUNCTION take(amount BIGINT) RETURNS BIGINT MODIFIES SQL DATA \
        BEGIN UPDATE accounts SET balance = balance - amount WHERE id = 1; RETURN amount; END";
    let stage = on_servers::stage_with::<MysqlConnection>("writing", functions);
    let writing = [
        "NEXTVAL(numbers)",
        "take(0)",
        "(SELECT balance FROM accounts WHERE id = 1 FOR UPDATE)",
    ];
    on_servers::a_select_that_writes_is_refused_by_the_server(&stage, &writing);
}

#[test]
fn an_error_that_only_looks_like_a_disconnect_is_not_repeated() {
    let functions = "CREATE FUNCTION says(words VARCHAR(128)) RETURNS BIGINT \
        BEGIN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = words; RETURN 1; END";
    let stage = on_servers::stage_with::<MysqlConnection>("looks_like", functions);
    let raising = [
        "says('Server has gone away')",
        "says('Lost connection to server during query')",
    ];
    on_servers::an_error_that_only_looks_like_a_disconnect_is_not_repeated(&stage, &raising);
}
