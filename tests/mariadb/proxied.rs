//! `MariaDB` behind the fault proxy.

use aludel::prelude::*;
use aludel_tests::account::accounts;
use aludel_tests::proxied::{self, Server as _, sessions};
use aludel_tests::proxy::{Fault, Proxy, Refusal, Trigger};
use aludel_tests::stories::outline;
use aludel_tests::{EventLog, Gate, fork, mariadb};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use std::thread;

#[test]
fn cuts_strike_the_statement_they_are_meant_for() {
    proxied::cuts_strike_the_statement_they_are_meant_for::<MysqlConnection>();
}

#[test]
fn what_is_held_waits_for_the_release() {
    proxied::what_is_held_waits_for_the_release::<MysqlConnection>();
}

#[test]
fn the_proxy_can_answer_in_the_servers_words() {
    proxied::the_proxy_can_answer_in_the_servers_words::<MysqlConnection>();
}

#[test]
fn a_result_can_end_at_any_row() {
    proxied::a_result_can_end_at_any_row::<MysqlConnection>();
}

#[test]
fn connecting_can_fail_in_every_way() {
    proxied::connecting_can_fail_in_every_way::<MysqlConnection>();
}

#[test]
fn a_commit_whose_answer_is_lost_is_unknown_and_not_run_again() {
    sessions::a_commit_whose_answer_is_lost_is_unknown_and_not_run_again::<MysqlConnection>();
}

#[test]
fn a_commit_that_is_swallowed_lasts_until_somebody_ends_it() {
    sessions::a_commit_that_is_swallowed_lasts_until_somebody_ends_it::<MysqlConnection>();
}

#[test]
fn what_breaks_before_commit_runs_again_from_the_start() {
    sessions::what_breaks_before_commit_runs_again_from_the_start::<MysqlConnection>();
}

#[test]
fn a_connection_that_dies_while_it_is_set_up_was_never_one() {
    sessions::a_connection_that_dies_while_it_is_set_up_was_never_one::<MysqlConnection>();
}

#[test]
fn a_begin_that_breaks_is_repeated() {
    sessions::a_begin_that_breaks_is_repeated::<MysqlConnection>();
}

#[test]
fn a_swallowed_disconnect_dooms_the_root_and_stays_the_cause() {
    sessions::a_swallowed_disconnect_dooms_the_root_and_stays_the_cause::<MysqlConnection>();
}

#[test]
fn a_result_that_ends_in_the_middle_ends_the_transaction() {
    sessions::a_result_that_ends_in_the_middle_ends_the_transaction::<MysqlConnection>();
}

#[test]
fn a_conflict_is_rolled_back_once_and_runs_again() {
    sessions::a_conflict_is_rolled_back_once_and_runs_again::<MysqlConnection>();
}

#[test]
fn a_refused_savepoint_statement_dooms_the_root_by_its_first_cause() {
    sessions::a_refused_savepoint_statement_dooms_the_root_by_its_first_cause::<MysqlConnection>();
}

/// Through a proxy, which cuts off the client that hangs when it goes, so that the test can fail.
#[test]
fn a_query_that_failed_after_its_first_row_can_be_run_again() {
    let (proxy, database) = MysqlConnection::behind_a_proxy("failed_query");
    let engine = Engine::<MysqlConnection>::new(proxy.url(database.url())).expect("the URL is a good one");
    let done = Gate::new("the query has failed twice");
    let says = done.clone();
    let client = thread::spawn(move || {
        let too_much = || {
            let doubled = accounts::table.select(accounts::balance + accounts::balance);
            doubled.order(accounts::id)
        };
        let mut session = engine.session();
        session
            .batch_execute(&format!("UPDATE accounts SET balance = {} WHERE id = 2", i64::MAX))
            .expect("it fits");
        for _ in 0..2 {
            let error = too_much().load::<i64>(&mut session).expect_err("Bob has too much");
            assert!(error.to_string().starts_with("BIGINT value is out of range"), "{error}");
        }
        for _ in 0..2 {
            let raw = session.with_raw(|raw| Ok(too_much().load::<i64>(raw)?));
            raw.expect_err("Bob has too much");
        }
        session.rollback().expect("the connection is as good as before");
        assert_eq!(
            too_much().load::<i64>(&mut session).expect("it was undone"),
            [200, 200, 200]
        );
        says.pass();
    });
    done.wait();
    client.join().expect("nothing panics there");
}

/// Oracle MySQL's answer to the prepare of a control statement (1295), played by the proxy. What is learned of it is
/// remembered for the process: hence one of its own.
#[test]
fn a_server_that_does_not_prepare_control_statements_is_served_all_the_same() {
    const CONTROL: [Trigger; 6] = [
        Trigger::Begin,
        Trigger::Savepoint,
        Trigger::Release,
        Trigger::RollbackTo,
        Trigger::Rollback,
        Trigger::Commit,
    ];
    let ports = || {
        let database = mariadb::server().database("control");
        format!("{} {}", mariadb::server().port(), database.url())
    };
    fork::stage(
        a_server_that_does_not_prepare_control_statements_is_served_all_the_same,
        ports,
        |arguments| {
            let (port, url) = arguments.split_once(' ').expect("a port and a URL");
            let proxy = Proxy::mysql(port.parse().expect("it is a number"));
            for trigger in &CONTROL {
                let refusal = Refusal::mysql(
                    1295,
                    "HY000",
                    "This command is not supported in the prepared statement protocol yet",
                );
                let rule = proxy.when(Trigger::Preparing(trigger)).always();
                rule.then(Fault::Answer(refusal));
            }
            let log = EventLog::new();
            let engine = Engine::<MysqlConnection>::builder(proxy.url(url))
                .listen(outline(&log))
                .build()
                .expect("the URL is a good one");
            engine
                .begin(|session| Ok(session.batch_execute("CREATE TABLE notes (text VARCHAR(40))")?))
                .expect("the database is empty");
            log.take();
            proxy.take_log();
            let note = |session: &mut Session<MysqlConnection>, text: &str| {
                Ok(session.batch_execute(&format!("INSERT INTO notes VALUES ('{text}')"))?)
            };
            engine
                .begin(|session| {
                    note(session, "root")?;
                    session.begin_nested(|nested| note(nested, "kept"))?;
                    let undone: aludel::Result<()> = session.begin_nested(|nested| {
                        note(nested, "undone")?;
                        Err(aludel::Error::other("no"))
                    });
                    assert!(undone.is_err());
                    Ok(())
                })
                .expect("everything is sent in another way");
            let undone: aludel::Result<()> = engine.begin(|session| {
                note(session, "undone")?;
                Err(aludel::Error::other("no"))
            });
            assert!(undone.is_err());
            assert_eq!(proxy.fired(), 1, "it asks once in all: {:#?}", proxy.log());
            assert_eq!(
                proxy.take_statements(),
                [
                    "BEGIN",
                    "INSERT INTO notes VALUES ('root')",
                    "SAVEPOINT aludel_sp_1",
                    "INSERT INTO notes VALUES ('kept')",
                    "RELEASE SAVEPOINT aludel_sp_1",
                    "SAVEPOINT aludel_sp_1",
                    "INSERT INTO notes VALUES ('undone')",
                    "ROLLBACK TO SAVEPOINT aludel_sp_1",
                    "RELEASE SAVEPOINT aludel_sp_1",
                    "COMMIT",
                    "BEGIN",
                    "INSERT INTO notes VALUES ('undone')",
                    "ROLLBACK",
                ]
            );
            let faults = log.take().into_iter().filter(|line| line.contains("fault")).count();
            assert_eq!(faults, 0, "a refusal that is worked around is no fault");
            let texts: Vec<String> = engine
                .begin(|session| Ok(diesel::sql_query("SELECT text FROM notes ORDER BY text").load::<Note>(session)?))
                .expect("the table is there")
                .into_iter()
                .map(|note| note.text)
                .collect();
            assert_eq!(texts, ["kept", "root"]);
        },
    );
}

#[derive(QueryableByName)]
struct Note {
    #[diesel(sql_type = Text)]
    text: String,
}
