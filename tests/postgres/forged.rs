//! Errors that say what a server says, and come from a `RAISE`, with a SQLSTATE of its choice.

use aludel::classify::{Class, Flavour};
use aludel_tests::{forgery, postgres};
use diesel::PgConnection;

/// PL/pgSQL's own, and those of a conflict, of an administrator, and of a lost connection.
const RAISED: &str = "P0001";

fn raise(words: &str, sqlstate: &str) -> String {
    format!(
        "DO $$ BEGIN RAISE EXCEPTION USING MESSAGE = '{}', ERRCODE = '{sqlstate}'; END $$",
        words.replace('\'', "''")
    )
}

fn statements(class: Class, sqlstates: &[&str]) -> Vec<String> {
    let words = forgery::words(Flavour::PostgreSql, class);
    assert!(words.len() > 4, "{words:?}");
    words
        .iter()
        .flat_map(|words| sqlstates.iter().map(|sqlstate| raise(words, sqlstate)))
        .collect()
}

#[test]
fn a_raise_with_the_words_or_the_state_of_a_lost_connection_costs_a_probe() {
    let database = postgres::server().database("forged_disconnect");
    let mut all = statements(Class::Disconnect, &[RAISED, "57P01", "08006", "08001"]);
    all.push(raise("anything", "08006"));
    forgery::a_forged_disconnect_costs_a_probe::<PgConnection>(database.url(), &all);
}

#[test]
fn a_raise_with_the_words_or_the_state_of_a_conflict_costs_its_attempts() {
    let database = postgres::server().database("forged_conflict");
    let mut all: Vec<String> = statements(Class::Retry, &[RAISED, "40001"])
        .into_iter()
        // A connection whose statements have gone stale is closed, whoever says so.
        .filter(|sql| !sql.contains("cached plan"))
        .collect();
    all.push(raise("anything", "40001"));
    forgery::a_forged_conflict_costs_its_attempts::<PgConnection>(database.url(), &all);
}
