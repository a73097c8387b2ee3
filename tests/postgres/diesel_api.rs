//! What Diesel's users expect of a connection works on a session.

use std::sync::{Arc, Mutex};

use aludel::Error;
use aludel::prelude::*;
use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;

use crate::bank::{ANN, BOB, Bank, accounts, another_ann, look, note, pay};

#[derive(Queryable, Identifiable, AsChangeset, Clone, Debug, PartialEq)]
#[diesel(table_name = accounts)]
struct Row {
    id: i32,
    owner: String,
    balance: i64,
    version: i32,
}

#[test]
fn a_test_transaction_leaves_nothing_and_says_nothing() {
    let bank = Bank::open("begin_test");
    let mut session = bank.engine.session();
    session.begin_test_transaction().expect("nothing is open");
    pay(&mut session, ANN, -100).expect("there is enough");
    session.transaction(|session| pay(session, BOB, 100)).expect("it nests");
    session.begin(|session| Ok(note(session, ANN, 1)?)).expect("it joins");
    session
        .begin_nested(|nested| Ok(another_ann(nested)?))
        .expect_err("there is an Ann");
    assert_eq!(
        accounts::table.find(ANN).select(accounts::balance).first(&mut session),
        Ok(400_i64)
    );
    drop(session);
    assert_eq!(bank.books(), (500, 500, 0));
    assert_eq!((bank.times("commit"), bank.times("dropped uncommitted")), (0, 0));
    bank.expect_whole_pool();
}

#[test]
fn test_transaction_rolls_back_what_succeeded() {
    let bank = Bank::open("test");
    let mut session = bank.engine.session();
    let changed = session.test_transaction(|session| pay(session, ANN, -100));
    assert_eq!(changed, 1);
    drop(session);
    assert_eq!(bank.books(), (500, 500, 0));
    bank.expect_whole_pool();
}

#[test]
fn save_changes_writes_and_reads_back() {
    let bank = Bank::open("save_changes");
    let saved: Row = bank
        .engine
        .begin(|session| {
            let mut ann: Row = accounts::table.find(ANN).first(session)?;
            ann.balance = 450;
            Ok(ann.save_changes::<Row>(session)?)
        })
        .expect("there is an Ann");
    assert_eq!((saved.balance, bank.books().0), (450, 450));
    // A write through it counts as one.
    let mut session = bank.engine.session();
    saved.save_changes::<Row>(&mut session).expect("there is an Ann");
    assert!(session.begin(|_| Ok(())).unwrap_err().is_transaction_already_open());
}

#[test]
fn both_loading_modes_and_every_way_to_load() {
    let bank = Bank::open("load");
    let mut session = bank.engine.session();
    let owners = accounts::table.select(accounts::owner).order(accounts::id);
    let row_by_row: QueryResult<Vec<String>> = owners
        .load_iter::<String, PgRowByRowLoadingMode>(&mut session)
        .expect("the table is there")
        .collect();
    assert_eq!(row_by_row.expect("each row can be read"), ["Ann", "Bob"]);
    assert_eq!(owners.load::<String>(&mut session).expect("it is there").len(), 2);
    let added: i32 = diesel::insert_into(accounts::table)
        .values((
            accounts::owner.eq("Cid"),
            accounts::balance.eq(0),
            accounts::version.eq(1),
        ))
        .returning(accounts::id)
        .get_result(&mut session)
        .expect("there is no Cid");
    assert_eq!(added, 3);
    assert_eq!(accounts::table.find(99).first::<Row>(&mut session).optional(), Ok(None));
    session.commit().expect("not finding is no failure");
}

#[test]
fn instrumentation_sees_statements_and_never_a_url() {
    let bank = Bank::open("instrumentation");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut session = bank.engine.session();
    let observer = Arc::clone(&seen);
    session.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        observer.lock().expect("nobody panics").push(format!("{event:?}"));
    });
    session
        .begin(|session| {
            pay(session, ANN, -100)?;
            session.begin_nested(|nested| Ok(another_ann(nested)?)).unwrap_err();
            Ok(())
        })
        .expect("there is enough");
    bank.kill_all();
    session
        .begin(|session| Ok(look(session)?))
        .expect("on another connection");
    drop(session);
    look(&mut bank.engine.session()).expect("nobody watches this one");

    let seen = seen.lock().expect("nobody panics").join("\n");
    for text in [
        "BEGIN",
        "UPDATE \\\"accounts\\\"",
        "SAVEPOINT aludel_sp_1",
        "ROLLBACK TO SAVEPOINT",
        "COMMIT",
    ] {
        let text = text.replace("\\\\\"", "\\\"");
        assert!(
            seen.contains(&text) || seen.contains(&text.replace("\\\"", "\"")),
            "{text} in {seen}"
        );
    }
    for event in ["BeginTransaction", "CommitTransaction", "StartQuery", "FinishQuery"] {
        assert!(seen.contains(event), "{event} in {seen}");
    }
    assert_eq!(seen.matches("CommitTransaction").count(), 2);
    assert!(
        !seen.contains(bank.server.password()) && !seen.contains("postgres://"),
        "{seen}"
    );
}

#[test]
fn a_session_stands_in_for_a_connection_in_generic_code() {
    fn generic<C>(connection: &mut C) -> QueryResult<usize>
    where
        C: diesel::connection::LoadConnection<Backend = diesel::pg::Pg>,
    {
        connection.transaction(|connection| pay(connection, ANN, -1))
    }
    let bank = Bank::open("generic");
    generic(&mut bank.engine.session()).expect("a session is a connection");
    generic(&mut bank.engine.connect()).expect("so is a connection of an engine");
    generic(&mut bank.outside()).expect("and one of Diesel's");
    let mut established = Session::<PgConnection>::establish(bank.database.url()).expect("an engine of its own");
    generic(&mut established).expect("so is this");
    established.batch_execute("SELECT 1").expect("it is alive");
    assert_eq!(bank.books().0, 496);
}

#[test]
fn an_error_names_its_statement_whichever_way_its_rows_are_read() {
    let bank = Bank::open("statement");
    let statement_of = |error| Error::from(error).statement().map(str::to_owned);
    let mut session = bank.engine.session();
    // Refused while it is prepared, when the first row is made, and when the second one is.
    let missing = diesel::dsl::sql::<diesel::sql_types::Integer>("nothing FROM nowhere");
    let refused = diesel::select(missing)
        .load::<i32>(&mut session)
        .expect_err("there is no such table");
    assert_eq!(statement_of(refused).as_deref(), Some("SELECT nothing FROM nowhere"));
    session.rollback().expect("it is not in a scope");
    let fraction = diesel::dsl::sql::<diesel::sql_types::Integer>("1 / (2 - a) FROM generate_series(1, 3) AS a");
    let refused = diesel::select(fraction.clone())
        .load::<i32>(&mut session)
        .expect_err("division by zero");
    assert!(
        statement_of(refused)
            .expect("it is known")
            .starts_with("SELECT 1 / (2 - a)")
    );
    session.rollback().expect("it is not in a scope");
    let refused = diesel::select(fraction)
        .load_iter::<i32, PgRowByRowLoadingMode>(&mut session)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .expect_err("division by zero");
    assert!(
        statement_of(refused)
            .expect("it is known")
            .starts_with("SELECT 1 / (2 - a)")
    );
}
