//! `#[derive(Model)]`: what is sent for it, and what a conflict says.

use aludel::ErrorKind;
use aludel::prelude::*;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::bank::{ANN, Account, BOB, Bank, pay};

diesel::table! { settings (name) { name -> Text, value -> Nullable<Text>, } }
diesel::table! { shares (account, holder) { account -> Integer, holder -> Text, percent -> Integer, version -> BigInt, } }

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = settings, primary_key(name))]
struct Setting {
    name: String,
    value: Option<String>,
}

#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq)]
#[diesel(table_name = shares)]
struct Share {
    #[model(key)]
    account: i32,
    #[model(key)]
    holder: String,
    percent: i32,
    #[model(version)]
    version: i64,
}

const SCHEMA: &str = "\
    CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT); \
    CREATE TABLE shares (account INTEGER NOT NULL, holder TEXT NOT NULL, percent INTEGER NOT NULL, \
        version BIGINT NOT NULL, PRIMARY KEY (account, holder))";

fn open(name: &str) -> Bank {
    let bank = Bank::open(name);
    bank.outside().batch_execute(SCHEMA).expect("they are not there yet");
    bank
}

#[test]
fn a_generated_key_comes_back_with_the_insert() -> aludel::Result<()> {
    let bank = Bank::open("generated");
    let mut session = bank.engine.session();
    bank.watch_statements(&mut session);
    let cid = session.add(Account::new("Cid", 0));
    let dan = session.add(Account {
        id: 77,
        ..Account::new("Dan", 0)
    });
    session.commit()?;
    assert_eq!((session[cid].id, session[cid].version, session[dan].id), (3, 1, 77));
    assert_eq!(
        bank.statements(),
        [
            // A key that is known is not asked for.
            "INSERT INTO \"accounts\" (\"owner\", \"balance\", \"version\") VALUES ($1, $2, $3) RETURNING \"id\"",
            "INSERT INTO \"accounts\" (\"id\", \"owner\", \"balance\", \"version\") VALUES ($1, $2, $3, $4)",
        ]
    );
    Ok(())
}

#[test]
fn an_update_sends_the_changed_columns_and_the_version() -> aludel::Result<()> {
    let bank = Bank::open("changed");
    let mut session = bank.engine.session();
    let ann = session.get_one::<Account>(ANN)?;
    let bob = session.get_one::<Account>(BOB)?;
    bank.watch_statements(&mut session);
    session[ann].balance -= 100;
    session[ann].balance -= 100;
    session[bob].balance += 0; // touched, and nothing differs
    session.flush()?;
    session.flush()?;
    session.commit()?;
    assert_eq!(
        bank.statements(),
        ["UPDATE \"accounts\" SET \"balance\" = $1, \"version\" = $2 WHERE \"id\" = $3 AND \"version\" = $4"]
    );
    assert_eq!((session.read(ann)?.version, session.read(bob)?.version), (2, 1));
    Ok(())
}

#[test]
fn updates_go_out_in_the_order_of_keys() -> aludel::Result<()> {
    let bank = Bank::open("order");
    let mut session = bank.engine.session();
    let (bob, ann) = (session.get_one::<Account>(BOB)?, session.get_one::<Account>(ANN)?);
    session[bob].owner = "second".to_owned();
    session[ann].balance = 1;
    bank.watch_statements(&mut session);
    session.commit()?;
    let statements = bank.statements();
    assert!(
        statements[0].contains("\"balance\"") && statements[1].contains("\"owner\""),
        "{statements:?}"
    );
    Ok(())
}

#[test]
fn a_version_conflict_names_model_key_expected_and_found() -> aludel::Result<()> {
    let bank = Bank::open("conflict");
    let mut session = bank.engine.session();
    let ann = session.get_one::<Account>(ANN)?;
    bank.outside()
        .batch_execute("UPDATE accounts SET balance = 1, version = 5 WHERE id = 1")?;
    session[ann].balance -= 100;
    let error = session.commit().unwrap_err();
    assert!(error.is_version_conflict() && error.is_retryable());
    assert_eq!(
        error.to_string(),
        "Account 1 was changed by somebody else: expected version 1, found 5 \
         [rolled back, nothing was written]; run the whole transaction again: `#[retry]` does so by itself"
    );
    // Reading it again is all that is needed.
    session.edit(ann)?.balance += 1;
    session.commit()?;
    assert_eq!((bank.books().0, session.read(ann)?.version), (2, 6));
    drop(session);
    bank.expect_whole_pool();
    Ok(())
}

#[test]
fn a_conflict_with_a_row_that_is_gone_says_so() -> aludel::Result<()> {
    let bank = open("gone");
    let mut session = bank.engine.session();
    session.add(Setting {
        name: "theme".to_owned(),
        value: None,
    });
    session.commit()?;
    let (ann, theme) = (session.get_one::<Account>(ANN)?, session.get_one::<Setting>("theme")?);
    bank.outside()
        .batch_execute("DELETE FROM accounts WHERE id = 1; DELETE FROM settings")?;

    session[ann].balance = 0;
    let error = session.flush().unwrap_err();
    let text = "Account 1 was deleted by somebody else: expected version 1, found none";
    assert!(error.to_string().starts_with(text), "{error}");
    session.rollback()?;
    let error = session.edit(theme).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::NotFound, "there is no Setting with key \"theme\"")
    );
    assert!(session.read(theme).unwrap_err().is_stale_entity());
    Ok(())
}

#[test]
fn a_model_without_a_version_notices_a_row_that_is_gone_at_flush() -> aludel::Result<()> {
    let bank = open("unversioned");
    let mut session = bank.engine.session();
    let theme = session.add(Setting {
        name: "theme".to_owned(),
        value: None,
    });
    session.commit()?;
    session.edit(theme)?.value = Some("dark".to_owned());
    bank.outside().batch_execute("DELETE FROM settings")?;
    let error = session.commit().unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    assert!(
        error.to_string().starts_with("Setting \"theme\" is not there any more"),
        "{error}"
    );
    Ok(())
}

#[test]
fn delete_asks_for_the_version_that_was_read() -> aludel::Result<()> {
    let bank = Bank::open("delete");
    let mut session = bank.engine.session();
    let bob = session.get_one::<Account>(BOB)?;
    bank.watch_statements(&mut session);
    session.delete(bob)?;
    assert!(session.get::<Account>(BOB)?.is_none()); // marked is gone, for those who ask
    session.commit()?;
    assert_eq!(
        bank.statements(),
        ["DELETE FROM \"accounts\" WHERE \"id\" IN ($1) AND (\"id\", \"version\") IN (($2, $3))"]
    );
    assert!(session.read(bob).unwrap_err().is_stale_entity());

    let ann = session.get_one::<Account>(ANN)?;
    bank.outside().batch_execute("UPDATE accounts SET version = 9")?;
    session.delete(ann)?;
    let error = session.commit().unwrap_err();
    assert!(error.is_version_conflict(), "{error}");
    assert_eq!(session.get_one::<Account>(ANN)?, ann);
    Ok(())
}

#[test]
fn text_keys_and_composite_keys() -> aludel::Result<()> {
    let bank = open("keys");
    let mut session = bank.engine.session();
    let theme = session.add(Setting {
        name: "theme".to_owned(),
        value: Some("dark".to_owned()),
    });
    let share = session.add(Share {
        account: ANN,
        holder: "Bob".to_owned(),
        percent: 50,
        version: 0,
    });
    session.commit()?;
    assert_eq!(session.get_one::<Setting>("theme")?, theme);
    assert_eq!(session.get_one::<Share>((ANN, "Bob".to_owned()))?, share);
    assert!(session.get::<Share>((BOB, "Bob".to_owned()))?.is_none());

    session.edit(theme)?.value = None;
    session.edit(share)?.percent = 60;
    session.commit()?;
    let mut other = bank.engine.session();
    let theirs = other.get_one::<Setting>("theme")?;
    assert_eq!(other[theirs].value, None);
    let theirs = other.get_one::<Share>((ANN, "Bob".to_owned()))?;
    assert_eq!((other[theirs].percent, other[theirs].version), (60, 2));

    other.edit(theirs)?.percent = 70;
    other.commit()?;
    session.rollback()?;
    session.read(share)?;
    bank.outside().batch_execute("UPDATE shares SET version = 8")?;
    session[share].percent = 0;
    let text = session.commit().unwrap_err().to_string();
    assert!(
        text.starts_with("Share (1, \"Bob\") was changed by somebody else: expected version 3, found 8"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_changed_key_is_written_and_followed() -> aludel::Result<()> {
    let bank = open("changed_key");
    let mut session = bank.engine.session();
    let ann = session.get_one::<Account>(ANN)?;
    bank.watch_statements(&mut session);
    session[ann].id = 9;
    session.flush()?;
    let update = "UPDATE \"accounts\" SET \"id\" = $1, \"version\" = $2 WHERE \"id\" = $3 AND \"version\" = $4";
    assert_eq!(bank.statements(), [update]);
    assert_eq!(
        (session.get::<Account>(9)?, session.get::<Account>(ANN)?),
        (Some(ann), None)
    );
    session.rollback()?;
    assert_eq!(session.get::<Account>(ANN)?, Some(ann));
    session[ann].id = 9;
    session.commit()?;
    assert_eq!(session.read(ann)?.id, 9);
    Ok(())
}

#[test]
fn nothing_is_sent_for_objects_that_are_only_read() -> aludel::Result<()> {
    let bank = Bank::open("identity");
    let mut session = bank.engine.session();
    let ann = session.get_one::<Account>(ANN)?;
    bank.watch_statements(&mut session);
    assert_eq!(session.get_one::<Account>(ANN)?, ann);
    assert_eq!(session.read(ann)?.owner, "Ann");
    pay(&mut session, ANN, -1)?; // behind the map's back: nothing to flush
    session.commit()?;
    assert_eq!(bank.statements().len(), 1);
    Ok(())
}
