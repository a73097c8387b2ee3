//! Reading that survives its connections: the stories are `tests/support/reconnecting.rs`.

use aludel::prelude::*;
use aludel_tests::account::accounts;
use aludel_tests::postgres;
use aludel_tests::reconnecting::servers as stories;
use aludel_tests::stage::Stage;
use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

aludel_tests::reconnecting_stories!(diesel::PgConnection);

#[test]
fn a_loop_of_selects_sees_no_error_while_its_server_is_restarted() {
    stories::a_loop_of_selects_sees_no_error_while_its_server_is_restarted::<PgConnection>(&postgres::private());
}

#[test]
fn a_server_that_stays_down_is_an_error_after_exactly_n_retries() {
    stories::a_server_that_stays_down_is_an_error_after_exactly_n_retries::<PgConnection>(&postgres::private());
}

#[test]
fn a_killed_connection_costs_a_pause_at_most() {
    stories::a_killed_connection_costs_a_pause_at_most::<PgConnection>(postgres::server());
}

#[test]
fn an_answer_that_is_cut_off_is_repeated_until_its_first_row() {
    stories::an_answer_that_is_cut_off_is_repeated_until_its_first_row::<PgConnection>(postgres::server(), true);
}

fn open(name: &str, functions: &str) -> Stage<PgConnection> {
    let stage = Stage::<PgConnection>::open(name);
    stage
        .outside()
        .batch_execute(functions)
        .expect("the database is the test's own");
    stage
}

#[test]
fn a_select_that_writes_is_refused_by_the_server() {
    let functions = "CREATE SEQUENCE numbers; \
        CREATE FUNCTION take(amount BIGINT) RETURNS BIGINT LANGUAGE sql AS \
        'UPDATE accounts SET balance = balance - amount WHERE id = 1 RETURNING amount'";
    let stage = open("writing", functions);
    let writing = [
        "nextval('numbers')",
        "take(0)",
        "(SELECT balance FROM accounts WHERE id = 1 FOR UPDATE)",
    ];
    stories::a_select_that_writes_is_refused_by_the_server(&stage, &writing);
}

const SAYS: &str = "CREATE FUNCTION says(words TEXT, state TEXT) RETURNS BIGINT LANGUAGE plpgsql AS \
                    $$ BEGIN RAISE EXCEPTION USING MESSAGE = words, ERRCODE = state; END $$";

#[test]
fn an_error_that_only_looks_like_a_disconnect_is_not_repeated() {
    let stage = open("looks_like", SAYS);
    let raising = [
        "says('server closed the connection unexpectedly', 'P0001')",
        "says('anything', '57P01')",
    ];
    stories::an_error_that_only_looks_like_a_disconnect_is_not_repeated(&stage, &raising);
}

#[test]
fn an_error_of_a_row_that_only_looks_like_a_disconnect_is_told_as_what_it_was() {
    let stage = open("row_looks_like", SAYS);
    let second = "CASE id WHEN 2 THEN says('server closed the connection unexpectedly', 'P0001') ELSE id END";
    let ids = accounts::table.order(accounts::id).select(sql::<BigInt>(second));
    let mut seen = Vec::new();
    let reader = stage.engine.reconnecting();
    let error = reader
        .load_iter::<i64, PgRowByRowLoadingMode, _, ()>(ids, |rows| {
            for id in rows {
                match id {
                    Ok(id) => seen.push(id),
                    // The connection cannot be asked while its rows are being read.
                    Err(error) => {
                        assert!(error.is_disconnect());
                        return Err(error);
                    }
                }
            }
            unreachable!("the second row is an error");
        })
        .unwrap_err();
    assert_eq!(
        (seen, error.is_disconnect(), error.attempts()),
        (vec![1], false, Some(1)),
        "{error:?}"
    );
    assert_eq!(stage.engine.pool().closed(), 0);
    stage.assert_whole();
}
