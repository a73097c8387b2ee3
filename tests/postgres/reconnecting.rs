//! Reading that survives its connections: the stories are `tests/support/reconnecting.rs`.

use aludel::prelude::*;
use aludel_tests::account::accounts;
use diesel::dsl::sql;
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

aludel_tests::reconnecting_stories!(PgConnection);
aludel_tests::reconnecting_server_stories!(PgConnection, aludel_tests::postgres, streams: true);

#[test]
fn a_select_that_writes_is_refused_by_the_server() {
    let functions = "CREATE SEQUENCE numbers; \
        CREATE FUNCTION take(amount BIGINT) RETURNS BIGINT LANGUAGE sql AS \
        'UPDATE accounts SET balance = balance - amount WHERE id = 1 RETURNING amount'";
    let stage = on_servers::stage_with::<PgConnection>("writing", functions);
    let writing = [
        "nextval('numbers')",
        "take(0)",
        "(SELECT balance FROM accounts WHERE id = 1 FOR UPDATE)",
    ];
    on_servers::a_select_that_writes_is_refused_by_the_server(&stage, &writing);
}

const SAYS: &str = "CREATE FUNCTION says(words TEXT, state TEXT) RETURNS BIGINT LANGUAGE plpgsql AS \
                    $$ BEGIN RAISE EXCEPTION USING MESSAGE = words, ERRCODE = state; END $$";

#[test]
fn an_error_that_only_looks_like_a_disconnect_is_not_repeated() {
    let stage = on_servers::stage_with::<PgConnection>("looks_like", SAYS);
    let raising = [
        "says('server closed the connection unexpectedly', 'P0001')",
        "says('anything', '57P01')",
    ];
    on_servers::an_error_that_only_looks_like_a_disconnect_is_not_repeated(&stage, &raising);
}

#[test]
fn an_error_of_a_row_that_only_looks_like_a_disconnect_is_told_as_what_it_was() {
    let stage = on_servers::stage_with::<PgConnection>("row_looks_like", SAYS);
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
