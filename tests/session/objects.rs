//! Objects: handles, the identity map, flush, and what rollbacks do to them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use aludel::prelude::*;
use aludel_tests::EventLog;
use diesel::connection::InstrumentationEvent;
use diesel::prelude::*;

use crate::stories::{Account, Bank, accounts};

diesel::table! { shares (owner, stock) { owner -> Text, stock -> Text, amount -> Integer, } }
diesel::table! { tags (name) { name -> Text, } }

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = shares, primary_key(owner, stock))]
struct Share {
    owner: String,
    stock: String,
    #[diesel(column_name = amount)]
    pieces: i32,
}

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = tags)]
struct Tag {
    #[model(key)]
    name: String,
}

/// Everything that is sent on this session, control statements left out.
fn statements(session: &mut Session<SqliteConnection>) -> EventLog {
    let log = EventLog::new();
    let listener = log.clone();
    session.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            let sql = text.split(" -- binds").next().unwrap_or_default().to_owned();
            if !["BEGIN", "COMMIT", "ROLLBACK"].contains(&sql.as_str()) {
                listener.push(sql);
            }
        }
    });
    log
}

#[test]
fn get_asks_once_and_answers_the_same_object() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    let log = statements(&mut session);
    let ann = session.get_one::<Account>(1)?;
    assert_eq!(session.get::<Account>(1)?, Some(ann));
    assert_eq!(log.take().len(), 1);
    assert_eq!(session.get::<Account>(99)?, None);
    let error = session.get_one::<Account>(99).expect_err("there is none");
    assert!(
        error.is_not_found() && error.to_string() == "there is no Account with key 99",
        "{error}"
    );
    Ok(())
}

#[test]
fn a_flush_writes_only_the_columns_that_differ() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    let ann = session.get_one::<Account>(1)?;
    let bob = session.get_one::<Account>(2)?;
    let log = statements(&mut session);
    session[bob].balance += 1;
    session[ann].balance -= 1;
    session[ann].owner = "Ann".to_owned(); // equal, so not written
    session.flush()?;
    session.flush()?;
    log.expect(&[
        "UPDATE `accounts` SET `balance` = ?, `version` = ? WHERE `id` = ? AND `version` = ?",
        "UPDATE `accounts` SET `balance` = ?, `version` = ? WHERE `id` = ? AND `version` = ?",
    ]);
    session[ann].balance = 499;
    session.commit()?;
    log.expect(&[]); // edited, and found equal
    assert_eq!(session[ann].version, 2);
    assert_eq!(bank.balances(), [499, 1]);
    Ok(())
}

#[test]
fn queries_see_what_is_pending() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    let carol = session.add(Account::new("Carol", 7));
    let count: i64 = accounts::table.count().get_result(&mut session)?;
    assert_eq!((count, session[carol].id), (3, 3));
    assert_eq!(session.get::<Account>(3)?, Some(carol));
    session.delete(carol)?;
    assert_eq!(session.get::<Account>(3)?, None);
    let count: i64 = accounts::table.count().get_result(&mut session)?;
    assert_eq!(count, 2);
    Ok(())
}

#[test]
fn a_version_conflict_names_everything_and_is_run_again() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    // On SQLite nobody else can write in between; a trigger of our own can.
    diesel::sql_query(
        "CREATE TRIGGER taxes AFTER UPDATE OF owner ON accounts WHEN NEW.owner = 'Anne' \
         BEGIN UPDATE accounts SET version = 7 WHERE id = 2; END",
    )
    .execute(&mut session)?;
    session.commit()?;
    let ann = session.get_one::<Account>(1)?;
    let bob = session.get_one::<Account>(2)?;
    session[bob].balance += 1;
    session[ann].owner = "Anne".to_owned();
    let error = session.commit().expect_err("the trigger was faster");
    assert!(error.is_version_conflict() && error.is_retryable());
    let text = error.to_string();
    assert!(
        text.starts_with("Account 2 was changed by somebody else: expected version 1, found 7"),
        "{text}"
    );
    assert_eq!(error.outcome(), Some(aludel::Outcome::RolledBack));
    assert_eq!(bank.balances(), [500, 0]);

    let mut runs = 0;
    session.retry(&aludel::RetryPolicy::new(), |session| {
        runs += 1;
        let [ann, bob] = [session.get_one::<Account>(1)?, session.get_one::<Account>(2)?];
        session[bob].balance += 1;
        if runs == 1 {
            session[ann].owner = "Anne".to_owned();
        }
        Ok(())
    })?;
    assert_eq!((runs, bank.balances()), (2, vec![500, 1]));
    Ok(())
}

#[test]
fn an_update_beside_an_object_is_seen_by_it() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    let ann = session.get_one::<Account>(1)?;
    for raw in [false, true] {
        if raw {
            diesel::sql_query("UPDATE accounts SET balance = balance + 50, version = version + 1 WHERE id = 1")
                .execute(&mut session)?;
        } else {
            diesel::update(accounts::table.find(1))
                .set((
                    accounts::balance.eq(accounts::balance + 50),
                    accounts::version.eq(accounts::version + 1),
                ))
                .execute(&mut session)?;
        }
        session.edit(ann)?.balance -= 10;
        session.flush()?;
    }
    // What an INSERT makes, and what happens to other tables, changes nothing that was read.
    let log = statements(&mut session);
    session.add(Account::new("Carol", 1));
    session.flush()?;
    assert_eq!(session[ann].balance, 580);
    assert_eq!(log.take().len(), 1);
    session.commit()?;
    assert_eq!(bank.balances(), [580, 0, 1]);
    Ok(())
}

#[test]
fn composite_and_text_keys_and_renamed_columns() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    diesel::sql_query(
        "CREATE TABLE shares (owner TEXT, stock TEXT, amount INTEGER NOT NULL, PRIMARY KEY (owner, stock))",
    )
    .execute(&mut session)?;
    diesel::sql_query("CREATE TABLE tags (name TEXT PRIMARY KEY)").execute(&mut session)?;
    let share = session.add(Share {
        owner: "Ann".into(),
        stock: "TEA".into(),
        pieces: 3,
    });
    let tag = session.add(Tag { name: "good".into() });
    session.commit()?;
    session.edit(share)?.pieces = 5;
    session.read(tag)?;
    session.commit()?;

    let mut session = bank.engine.session();
    let share = session.get_one::<Share>(("Ann".to_owned(), "TEA".to_owned()))?;
    assert_eq!((session[share].pieces, session[share].stock.as_str()), (5, "TEA"));
    let tag = session.get_one::<Tag>("good")?;
    session.delete(tag)?;
    session.commit()?;
    assert_eq!(session.get::<Tag>("good")?, None);

    session.edit(share)?.owner = "Bob".to_owned();
    session.commit()?; // UPDATE shares SET owner = 'Bob' WHERE owner = 'Ann' AND stock = 'TEA'
    assert_eq!(session.get::<Share>(("Bob".to_owned(), "TEA".to_owned()))?, Some(share));
    assert_eq!(session.get::<Share>(("Ann".to_owned(), "TEA".to_owned()))?, None);
    Ok(())
}

#[test]
fn edit_two_lends_both() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    let (ann, bob) = (session.get_one::<Account>(1)?, session.get_one::<Account>(2)?);
    let (from, to) = session.edit_two(ann, bob)?;
    from.balance -= 10;
    to.balance += 10;
    assert!(
        session
            .edit_two(ann, ann)
            .expect_err("it is one object")
            .to_string()
            .contains("two objects")
    );
    session.commit()?;
    assert_eq!(bank.balances(), [490, 10]);
    Ok(())
}

#[test]
fn a_rollback_takes_new_objects_away_brings_deleted_ones_back_and_expires_the_rest() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    let (ann, bob) = (session.get_one::<Account>(1)?, session.get_one::<Account>(2)?);
    let carol = session.add(Account::new("Carol", 7));
    session[ann].balance = 1;
    session.delete(bob)?;
    session.flush()?;
    let gone = session.read(bob).expect_err("it is deleted");
    assert!(
        gone.is_stale_entity() && gone.to_string().contains("Account (key 2) is deleted"),
        "{gone}"
    );
    session.rollback()?;

    let stale = session.read(carol).expect_err("it was never there");
    assert!(
        stale.is_stale_entity() && stale.to_string().contains("Account"),
        "{stale}"
    );
    assert_eq!(session.read(bob)?.owner, "Bob");
    assert_eq!(session.read(ann)?.balance, 500);
    Ok(())
}

#[test]
fn a_savepoint_undoes_only_what_was_touched_in_it() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    let (ann, bob) = (session.get_one::<Account>(1)?, session.get_one::<Account>(2)?);
    session[bob].balance = 5;
    let mut carol = None;
    let failed: aludel::Result<()> = session.begin_nested(|nested| {
        nested[ann].balance = 1;
        carol = Some(nested.add(Account::new("Carol", 7)));
        nested.delete(bob)?;
        nested.flush()?;
        Err(aludel::Error::other("no"))
    });
    assert!(failed.is_err());
    let log = statements(&mut session);
    assert_eq!(session.read(bob)?.balance, 5);
    assert_eq!(session.read(ann)?.balance, 500);
    assert_eq!(log.take().len(), 2, "both were touched and are read again");
    assert!(session.read(carol.expect("it was added")).is_err());

    session.begin_nested(|nested| {
        nested[ann].balance = 2;
        Ok(())
    })?;
    assert_eq!(session[ann].balance, 2, "a release expires nothing");
    session.commit()?;
    assert_eq!(bank.balances(), [2, 5]);
    Ok(())
}

#[test]
fn handles_of_other_sessions_and_expired_values_are_refused_in_words() -> aludel::Result<()> {
    let bank = Bank::open();
    let (mut one, mut two) = (bank.engine.session(), bank.engine.session());
    let ann = one.get_one::<Account>(1)?;
    two.get_one::<Account>(2)?;
    let foreign = two.read(ann).expect_err("it is the other's");
    assert!(foreign.to_string().contains("belongs to another session"), "{foreign}");

    one.commit()?;
    assert_eq!(one[ann].balance, 500, "what the commit has left may be looked at");
    accounts::table.count().get_result::<i64>(&mut one)?;
    let panic = catch_unwind(AssertUnwindSafe(|| one[ann].balance)).expect_err("the next transaction has begun");
    let text = panic.downcast_ref::<String>().expect("a text");
    assert!(
        text.contains("Account (key 1)") && text.contains("session.read(handle)?"),
        "{text}"
    );
    assert_eq!(one.read(ann)?.balance, 500);
    Ok(())
}

#[test]
fn hooks_wait_for_the_outermost_commit_and_forget_what_a_savepoint_undid() -> aludel::Result<()> {
    let bank = Bank::open();
    let log = EventLog::new();
    let hook = |text: &'static str| {
        let log = log.clone();
        move || log.push(text)
    };
    bank.engine.begin(|session| {
        session.on_commit(hook("first"));
        let undone: aludel::Result<()> = session.begin_nested(|nested| {
            nested.on_commit(hook("undone"));
            Err(aludel::Error::other("no"))
        });
        assert!(undone.is_err());
        session.begin_nested(|nested| {
            nested.on_commit(hook("kept"));
            Ok(())
        })?;
        session.on_commit(|| panic!("a hook must not turn a commit into an error"));
        session.on_commit(hook("last"));
        assert!(log.snapshot().is_empty());
        Ok(())
    })?;
    log.expect(&["first", "kept", "last"]);
    let failed: aludel::Result<()> = bank.engine.begin(|session| {
        session.on_commit(hook("never"));
        Err(aludel::Error::other("no"))
    });
    assert!(failed.is_err());
    log.expect(&[]);
    Ok(())
}

#[test]
fn a_failed_flush_dooms_what_it_was_part_of() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut session = bank.engine.session();
    session.add(Account::new("Carol", 1));
    session.add(Account::new("Ann", 1)); // taken
    let error = session.flush().expect_err("the name is taken");
    assert!(error.to_string().contains("UNIQUE"), "{error}");
    let error = session.commit().expect_err("half of it was written");
    assert!(error.is_doomed(), "{error}");
    assert_eq!(bank.balances(), [500, 0]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_hook_that_was_there_before_waits_through_reruns_and_is_dropped_by_a_rollback() -> aludel::Result<()> {
    let bank = Bank::open();
    let log = EventLog::new();
    let hook = |text: &'static str| {
        let log = log.clone();
        move || log.push(text)
    };
    let mut session = bank.engine.session();
    session.on_commit(hook("before"));
    accounts::table.count().get_result::<i64>(&mut session)?; // begins by itself, and is ended by the retry
    bank.script.fail_before(
        aludel::Phase::Commit,
        diesel::result::DatabaseErrorKind::Unknown,
        "database is locked",
    );
    session.retry(&aludel::RetryPolicy::new(), |session| {
        session.on_commit(hook("inside"));
        Ok(())
    })?;
    log.expect(&["before", "inside"]);

    session.on_commit(hook("never"));
    session.rollback()?;
    session.begin(|_| Ok(()))?;
    log.expect(&[]);
    Ok(())
}
