//! A forked child: the pool and its sessions notice by themselves.

use aludel_tests::forked::{
    Scene, a_child_leaves_its_parents_connections_alone, a_child_of_a_child,
    a_child_sends_nothing_on_a_connection_in_autocommit, a_child_that_just_ends, a_fork_in_the_middle_of_a_checkout,
};
use aludel_tests::{fork, mariadb};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

fn url() -> String {
    mariadb::server().database("forked").url().to_owned()
}

fn count(connection: &mut MysqlConnection) -> i64 {
    let notes = diesel::select(sql::<BigInt>("(SELECT COUNT(*) FROM notes)"));
    notes.get_result(connection).expect("the table is there")
}

#[test]
fn a_child_has_connections_of_its_own() {
    fork::stage(a_child_has_connections_of_its_own, url, |url| {
        a_child_leaves_its_parents_connections_alone(&Scene::set(url, count));
    });
}

#[test]
fn so_has_a_grandchild() {
    fork::stage(so_has_a_grandchild, url, |url| {
        a_child_of_a_child(&Scene::set(url, count));
    });
}

#[test]
fn a_child_that_ends_closes_nothing_of_its_parents() {
    fork::stage(a_child_that_ends_closes_nothing_of_its_parents, url, |url| {
        a_child_that_just_ends(&Scene::set(url, count));
    });
}

#[test]
fn a_child_puts_no_settings_back_on_its_parents_connection() {
    fork::stage(a_child_puts_no_settings_back_on_its_parents_connection, url, |url| {
        a_child_sends_nothing_on_a_connection_in_autocommit(&Scene::set(url, count));
    });
}

#[test]
fn a_child_does_not_wait_for_a_thread_that_it_does_not_have() {
    fork::stage(a_child_does_not_wait_for_a_thread_that_it_does_not_have, url, |url| {
        a_fork_in_the_middle_of_a_checkout(url, count);
    });
}
