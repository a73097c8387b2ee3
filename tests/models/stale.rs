//! Rows that are gone when they are to be written.

use aludel::prelude::*;
use aludel_tests::capture::Capture;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

use super::ground::Ground;

diesel::table! { parts (id) { id -> Integer, data -> Text, } }

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = parts)]
struct Part {
    #[model(assigned)]
    id: i32,
    data: String,
}

fn part(id: i32) -> Part {
    Part {
        id,
        data: format!("part {id}"),
    }
}

/// Five rows, and the objects of a session that believes in all of them.
fn ground(name: &str) -> aludel::Result<(Ground, Session<super::C>, Vec<Entity<Part>>)> {
    let ground = Ground::open(
        name,
        "CREATE TABLE parts (id INTEGER PRIMARY KEY, data VARCHAR(40) NOT NULL);",
    );
    let mut session = ground.engine.session();
    session.add_all((1..=5).map(part));
    session.commit()?;
    let mut session = ground.engine.session();
    let parts = (1..=5)
        .map(|id| session.attach(part(id)))
        .collect::<aludel::Result<Vec<_>>>()?;
    ground.done();
    Ok((ground, session, parts))
}

#[test]
fn update_single_missing() -> aludel::Result<()> {
    let (ground, mut session, parts) = ground("stale_single")?;
    ground.outside().batch_execute("DELETE FROM parts WHERE id = 2")?;
    session.edit(parts[0])?.data.push('!');
    session.edit(parts[1])?.data.push('!');
    let error = session.commit().expect_err("one row is gone");
    assert!(error.is_not_found(), "{error}");
    assert!(error.to_string().contains("Part 2 is not there any more"), "{error}");
    assert_eq!(error.outcome(), Some(aludel::Outcome::RolledBack));
    let data: Vec<String> = parts::table
        .filter(parts::id.eq(1))
        .select(parts::data)
        .load(&mut session)?;
    assert_eq!(data, ["part 1"]);
    assert!(session.read(parts[1]).unwrap_err().is_not_found());
    Ok(())
}

#[test]
fn one_row_of_a_batch_that_is_missing_is_named() -> aludel::Result<()> {
    let (ground, mut session, parts) = ground("stale_multi")?;
    ground.outside().batch_execute("DELETE FROM parts WHERE id = 4")?;
    for &part in &parts {
        session.edit(part)?.data.push('!');
    }
    let error = session.flush().expect_err("one row is gone");
    assert!(
        error.is_not_found() && error.to_string().contains("Part 4 is not there any more"),
        "{error}"
    );
    session.rollback()?;
    assert_eq!(session.read(parts[4])?.data, "part 5");
    Ok(())
}

/// A row that has the new value already is matched, though nothing changes.
#[test]
fn matched_rows_count_and_not_changed_ones() -> aludel::Result<()> {
    let (ground, mut session, parts) = ground("stale_matched")?;
    ground.outside().batch_execute("UPDATE parts SET data = 'same'")?;
    for &part in &parts {
        session.edit(part)?.data = "same".to_owned();
    }
    session.commit()?;
    ground.expect_done(&["UPDATE parts SET data WHERE id x 5"]);
    let mut session = ground.engine.session();
    let one = session.attach(part(1))?;
    session.edit(one)?.data = "same".to_owned();
    session.commit()?;
    ground.expect_done(&["UPDATE parts SET data WHERE id"]);
    Ok(())
}

#[test]
fn delete_multi_missing_warning() -> aludel::Result<()> {
    let (ground, mut session, parts) = ground("stale_delete")?;
    ground.outside().batch_execute("DELETE FROM parts WHERE id = 2")?;
    let log = Capture::new(tracing::Level::WARN);
    log.during(|| {
        session.delete_all(parts[..3].iter().copied())?;
        session.commit()
    })?;
    assert_eq!(
        log.lines("aludel.session"),
        ["WARN DELETE of 3 rows of Part has found 2: somebody else had deleted the others"]
    );
    ground.expect_done(&["DELETE parts WHERE id x 3"]);
    let left: Vec<i32> = parts::table.order(parts::id).select(parts::id).load(&mut session)?;
    assert_eq!(left, [4, 5]);
    Ok(())
}
