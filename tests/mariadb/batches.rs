//! What a batch of new objects asks the server.

use aludel::prelude::*;
use aludel_tests::mariadb;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

use crate::round_trips::status;

diesel::table! { notes (id) { id -> BigInt, text -> Text, } }

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = notes)]
struct Note {
    id: i64,
    text: String,
}

/// Rows of an index that this session has read one after the other.
const READ_NEXT: &str = "Handler_read_next";

/// The keys of a batch are looked for where they must be, and not in the whole table.
#[test]
fn a_few_rows_in_a_large_table_cost_a_few() -> aludel::Result<()> {
    let database = mariadb::server().database("batches_in_a_large_table");
    let engine = Engine::<MysqlConnection>::new(database.url())?;
    let mut session = engine.session();
    session.batch_execute("CREATE TABLE notes (id BIGINT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(20) NOT NULL)")?;
    let note = |number: i32| Note {
        id: 0,
        text: format!("note {number}"),
    };
    session.add_all((0..5_000).map(note));
    session.commit()?;
    let before = status(&mut session, READ_NEXT);
    session.add_all((0..10).map(note));
    session.flush()?;
    let read = status(&mut session, READ_NEXT) - before;
    assert!((10..100).contains(&read), "{read} rows were read");
    session.commit()
}
