//! Errors that say what a server says, and come from a `SIGNAL`.

use aludel::classify::{Class, Flavour};
use aludel_tests::{TestDatabase, forgery, mariadb};
use diesel::MysqlConnection;

/// A row that is written into `forged` fails with its words.
fn database(name: &str) -> TestDatabase {
    let server = mariadb::server();
    let database = server.database(name);
    server.execute_in(
        database.name(),
        "CREATE TABLE forged (words VARCHAR(128)) ENGINE=InnoDB; \
         CREATE TRIGGER forge BEFORE INSERT ON forged FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = NEW.words",
    );
    database
}

fn statements(class: Class) -> Vec<String> {
    let words = forgery::words(Flavour::MySql, class);
    assert!(words.len() > 9, "{words:?}");
    words
        .iter()
        .map(|words| format!("INSERT INTO forged VALUES ('{}')", words.replace('\'', "''")))
        .collect()
}

#[test]
fn a_signal_with_the_words_of_a_lost_connection_costs_a_probe() {
    let database = database("forged_disconnect");
    forgery::a_forged_disconnect_costs_a_probe::<MysqlConnection>(database.url(), &statements(Class::Disconnect));
}

#[test]
fn a_signal_with_the_words_of_a_conflict_costs_its_attempts() {
    let database = database("forged_conflict");
    let statements: Vec<String> = statements(Class::Retry)
        .into_iter()
        // A connection whose statements have gone stale is closed, whoever says so.
        .filter(|sql| !sql.contains("definition") && !sql.contains("re-prepared"))
        .collect();
    forgery::a_forged_conflict_costs_its_attempts::<MysqlConnection>(database.url(), &statements);
}
