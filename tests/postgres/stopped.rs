//! A server that stands still or is restarted while a pool of connections looks at it.

use aludel_tests::adopted::engine_and_r2d2_share_a_pool;
use aludel_tests::outage::{
    CROWD, Crowd, a_rerun_waits_for_a_stopped_server, every_call_returns_within_its_timeout, one_ping_speaks_for_all,
    one_statement_fails_without_a_ping, sessions_notice_nothing,
};
use aludel_tests::postgres;
use diesel::PgConnection;

/// `kill -STOP` while sixteen threads check out.
fn crowd(limit: usize, idle: usize) {
    every_call_returns_within_its_timeout::<PgConnection>(&postgres::private(), Crowd { limit, idle });
}

#[test]
fn sixteen_pings_of_a_stopped_server_return_in_time() {
    crowd(CROWD as usize, CROWD as usize);
}

#[test]
fn sixteen_connects_to_a_stopped_server_return_in_time() {
    crowd(CROWD as usize, 0);
}

#[test]
fn pings_and_connects_at_a_stopped_server_return_in_time() {
    crowd(CROWD as usize, 7);
}

#[test]
fn those_who_wait_behind_a_stopped_server_return_in_time() {
    crowd(4, 2);
}

#[test]
fn a_transaction_waits_for_a_stopped_server() {
    a_rerun_waits_for_a_stopped_server::<PgConnection>(&postgres::private());
}

#[test]
fn twenty_idle_connections_cost_one_failed_statement_after_a_restart() {
    one_statement_fails_without_a_ping::<PgConnection>(&postgres::private());
}

#[test]
fn twenty_idle_connections_cost_sessions_no_failure_after_a_restart() {
    sessions_notice_nothing::<PgConnection>(&postgres::private());
}

#[test]
fn twenty_idle_connections_cost_one_ping_after_a_restart() {
    one_ping_speaks_for_all::<PgConnection>(&postgres::private());
}

#[test]
fn an_adopted_r2d2_pool_costs_one_failed_statement_after_a_restart() {
    let server = postgres::private();
    let database = server.database("adopted");
    engine_and_r2d2_share_a_pool::<PgConnection>(database.url(), || server.restart());
}
