//! `PostgreSQL` behind the fault proxy.

use aludel_tests::proxied::{self, sessions};
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

#[test]
fn a_commit_whose_answer_is_lost_is_unknown_and_not_run_again() {
    sessions::a_commit_whose_answer_is_lost_is_unknown_and_not_run_again::<PgConnection>();
}

#[test]
fn a_commit_that_is_swallowed_lasts_until_somebody_ends_it() {
    sessions::a_commit_that_is_swallowed_lasts_until_somebody_ends_it::<PgConnection>();
}

#[test]
fn what_breaks_before_commit_runs_again_from_the_start() {
    sessions::what_breaks_before_commit_runs_again_from_the_start::<PgConnection>();
}

#[test]
fn a_connection_that_dies_while_it_is_set_up_was_never_one() {
    sessions::a_connection_that_dies_while_it_is_set_up_was_never_one::<PgConnection>();
}

#[test]
fn a_begin_that_breaks_is_repeated() {
    sessions::a_begin_that_breaks_is_repeated::<PgConnection>();
}

#[test]
fn a_swallowed_disconnect_dooms_the_root_and_stays_the_cause() {
    sessions::a_swallowed_disconnect_dooms_the_root_and_stays_the_cause::<PgConnection>();
}

#[test]
fn a_result_that_ends_in_the_middle_ends_the_transaction() {
    sessions::a_result_that_ends_in_the_middle_ends_the_transaction::<PgConnection>();
}

#[test]
fn a_conflict_is_rolled_back_once_and_runs_again() {
    sessions::a_conflict_is_rolled_back_once_and_runs_again::<PgConnection>();
}

#[test]
fn a_refused_savepoint_statement_dooms_the_root_by_its_first_cause() {
    sessions::a_refused_savepoint_statement_dooms_the_root_by_its_first_cause::<PgConnection>();
}
