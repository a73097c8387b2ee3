//! The fault script where sessions read rows.

use aludel::Phase;
use aludel::prelude::*;
use aludel::testing::{EventLog, FaultScript};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

diesel::table! {
    numbers (n) {
        n -> Integer,
    }
}

/// Three numbers in a file, and a script that nothing has been put into.
fn three() -> (
    aludel_tests::sqlite::TempDatabase,
    Engine<SqliteConnection>,
    FaultScript,
    EventLog,
) {
    let (file, script, log) = (aludel_tests::sqlite::file(), FaultScript::new(), EventLog::new());
    let engine = Engine::<SqliteConnection>::builder(file.url())
        .faults(script.clone())
        .clock(aludel::clock::Clock::test().0)
        .listen(log.outline())
        .build()
        .expect("the options are sound");
    engine
        .begin(|session| {
            diesel::sql_query("CREATE TABLE numbers (n INTEGER PRIMARY KEY)").execute(session)?;
            diesel::sql_query("INSERT INTO numbers VALUES (1), (2), (3)").execute(session)?;
            Ok(())
        })
        .expect("the table can be made");
    log.clear();
    (file, engine, script, log)
}

fn message(error: &DieselError) -> String {
    error.to_string()
}

#[test]
fn the_nth_row_fails_and_those_before_it_were_read() {
    let (_file, engine, script, _) = three();
    script.fail_at_row(3, DatabaseErrorKind::Unknown, "interrupted");
    let mut session = engine.session();
    let short: Vec<i32> = numbers::table
        .select(numbers::n)
        .filter(numbers::n.eq(1))
        .load(&mut session)
        .unwrap();
    assert_eq!((short, script.remaining()), (vec![1], 1)); // it has no third row, and waits
    let mut read = Vec::new();
    for row in numbers::table
        .select(numbers::n)
        .order(numbers::n)
        .load_iter::<i32, diesel::connection::DefaultLoadingMode>(&mut session)
        .unwrap()
    {
        match row {
            Ok(n) => read.push(n.to_string()),
            Err(error) => {
                read.push(message(&error));
                break;
            }
        }
    }
    assert_eq!(read, ["1", "2", "interrupted"]);
    assert_eq!(script.remaining(), 0);
}

#[test]
fn the_end_of_the_rows_counts_as_a_reading_too() {
    let (_file, engine, script, _) = three();
    script.fail_at_row(4, DatabaseErrorKind::Unknown, "disk I/O error");
    let error = numbers::table
        .select(numbers::n)
        .load::<i32>(&mut engine.session())
        .unwrap_err();
    assert_eq!(message(&error), "disk I/O error");
}

#[test]
fn a_fault_in_a_row_is_one_of_the_transactions() {
    let (_file, engine, script, log) = three();
    script.fail_at_row(2, DatabaseErrorKind::ClosedConnection, "it hung up");
    let mut runs = 0;
    let sum = engine
        .session()
        .retry(&aludel::RetryPolicy::new(), |session| {
            runs += 1;
            Ok::<_, aludel::Error>(
                numbers::table
                    .select(numbers::n)
                    .load::<i32>(session)?
                    .iter()
                    .sum::<i32>(),
            )
        })
        .unwrap();
    assert_eq!((sum, runs), (6, 2));
    let name = log.snapshot().into_iter().find(|line| line.starts_with("rerun"));
    assert!(name.is_some_and(|line| line.ends_with("attempt 2, after disconnect")));
}

#[test]
fn a_fetch_without_a_number_is_the_next_row_there_is() {
    let (_file, engine, script, _) = three();
    script.fail_before(Phase::Fetch, DatabaseErrorKind::Unknown, "before");
    let error = numbers::table
        .select(numbers::n)
        .load::<i32>(&mut engine.session())
        .unwrap_err();
    assert_eq!(message(&error), "before");
    script.fail_after(Phase::Fetch, DatabaseErrorKind::Unknown, "after");
    let error = numbers::table
        .select(numbers::n)
        .load::<i32>(&mut engine.session())
        .unwrap_err();
    assert_eq!(message(&error), "after");
}

#[test]
fn a_statement_that_answers_rows_can_lose_its_answer_too() {
    let (_file, engine, script, log) = three();
    let insert = |session: &mut Session<SqliteConnection>, n: i32| {
        diesel::insert_into(numbers::table)
            .values(numbers::n.eq(n))
            .returning(numbers::n)
            .get_result::<i32>(session)
    };
    let count = |session: &mut Session<SqliteConnection>| numbers::table.count().get_result::<i64>(session);
    engine
        .begin(|session| {
            // SQLite has prepared it, and would run it while its rows are read.
            script.fail_after(Phase::Statement, DatabaseErrorKind::Unknown, "interrupted");
            assert_eq!(message(&insert(session, 4).unwrap_err()), "interrupted");
            assert_eq!(count(session)?, 3);
            // Here its row had been read.
            script.fail_after(Phase::Fetch, DatabaseErrorKind::Unknown, "interrupted");
            assert_eq!(message(&insert(session, 5).unwrap_err()), "interrupted");
            assert_eq!(count(session)?, 4);
            Ok(())
        })
        .unwrap();
    log.expect(&["begin", "commit"]);
}
