//! `PostgreSQL` behind the fault proxy.

use aludel_tests::proxied;
use diesel::PgConnection;

#[test]
fn cuts_strike_the_statement_they_are_meant_for() {
    proxied::cuts_strike_the_statement_they_are_meant_for::<PgConnection>();
}

#[test]
fn what_is_held_waits_for_the_release() {
    proxied::what_is_held_waits_for_the_release::<PgConnection>();
}

#[test]
fn the_proxy_can_answer_in_the_servers_words() {
    proxied::the_proxy_can_answer_in_the_servers_words::<PgConnection>();
}

#[test]
fn a_result_can_end_at_any_row() {
    proxied::a_result_can_end_at_any_row::<PgConnection>();
}

#[test]
fn connecting_can_fail_in_every_way() {
    proxied::connecting_can_fail_in_every_way::<PgConnection>();
}
