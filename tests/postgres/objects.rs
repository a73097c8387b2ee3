//! Objects follow their transaction: what a rollback undoes is undone in the session, too.

use aludel::Phase;
use aludel::prelude::*;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;

use crate::bank::{ANN, Account, BOB, Bank, PgSession, another_ann, look, pay};

/// Everything that can happen to an object, in one go: one is added, one deleted, one edited.
fn add_delete_and_edit(session: &mut PgSession) -> aludel::Result<Entity<Account>> {
    let (ann, bob) = (session.get_one::<Account>(ANN)?, session.get_one::<Account>(BOB)?);
    let cid = session.add(Account::new("Cid", 0));
    session.delete(bob)?;
    session.edit(ann)?.balance = 0;
    session.flush()?;
    assert_eq!((session[cid].id, session.get::<Account>(BOB)?), (3, None));
    Ok(cid)
}

/// Ann and Bob are as they were, and nobody else is there.
#[track_caller]
fn all_is_as_it_was(session: &mut PgSession, new: Entity<Account>) -> aludel::Result<()> {
    let gone = session.read(new).err();
    assert!(gone.is_some_and(|error| error.is_stale_entity()));
    assert!(session.get::<Account>(3)?.is_none());
    for account in [ANN, BOB] {
        let entity = session.get_one::<Account>(account)?;
        assert_eq!((session[entity].balance, session[entity].version), (500, 1));
    }
    Ok(())
}

#[test]
fn rollback_to_a_savepoint_restores_objects() -> aludel::Result<()> {
    let bank = Bank::open("savepoint");
    bank.engine.begin(|session| {
        let mut new = None;
        let nested = session.begin_nested(|nested| {
            new = Some(add_delete_and_edit(nested)?);
            Ok(another_ann(nested)?)
        });
        assert!(nested.is_err());
        all_is_as_it_was(session, new.expect("it was added"))
    })?;
    assert_eq!(bank.books(), (500, 500, 0));
    bank.expect_whole_pool();
    Ok(())
}

#[test]
fn rollback_of_the_root_restores_objects() -> aludel::Result<()> {
    let bank = Bank::open("root");
    let mut session = bank.engine.session();
    let new = add_delete_and_edit(&mut session)?;
    session.rollback()?;
    all_is_as_it_was(&mut session, new)
}

#[test]
fn rollback_of_the_root_undoes_what_a_savepoint_had_kept() -> aludel::Result<()> {
    let bank = Bank::open("kept");
    let mut session = bank.engine.session();
    let new = session.begin_nested(add_delete_and_edit)?;
    session.rollback()?;
    all_is_as_it_was(&mut session, new)
}

#[test]
fn diesels_nested_transaction_restores_objects() -> aludel::Result<()> {
    let bank = Bank::open("diesel");
    let mut session = bank.engine.session();
    let mut new = None;
    let answer = session.transaction(|session| {
        session.transaction::<_, aludel::Error, _>(|nested| {
            new = Some(add_delete_and_edit(nested)?);
            Ok(())
        })?;
        Err::<(), _>(diesel::result::Error::RollbackTransaction.into())
    });
    assert!(answer.is_err_and(|error: aludel::Error| !error.is_doomed()));
    all_is_as_it_was(&mut session, new.expect("it was added"))
}

#[test]
fn a_lost_connection_restores_objects() -> aludel::Result<()> {
    let bank = Bank::open("lost");
    let mut session = bank.engine.session();
    let new = add_delete_and_edit(&mut session)?;
    bank.kill(&mut session);
    assert!(look(&mut session).is_err());
    session.rollback()?;
    all_is_as_it_was(&mut session, new)
}

#[test]
fn an_unknown_commit_expires_objects() -> aludel::Result<()> {
    let bank = Bank::open("unknown");
    let mut session = bank.engine.session();
    let ann = session.get_one::<Account>(ANN)?;
    session[ann].balance = 7;
    let lost = "server closed the connection unexpectedly";
    bank.script
        .fail_after(Phase::Commit, DatabaseErrorKind::ClosedConnection, lost);
    assert!(session.commit().unwrap_err().is_commit_unknown());
    assert_eq!(session.read(ann)?.balance, 7); // only the server could say
    Ok(())
}

#[test]
fn an_edit_outside_of_the_savepoint_outlives_it() -> aludel::Result<()> {
    let bank = Bank::open("outside");
    let mut session = bank.engine.session();
    let ann = session.get_one::<Account>(ANN)?;
    session[ann].balance = 400;
    let nested = session.begin_nested(|nested| {
        nested[ann].balance = 300;
        nested.flush()?;
        Ok(another_ann(nested)?)
    });
    assert!(nested.is_err());
    assert_eq!((session.read(ann)?.balance, session.read(ann)?.version), (400, 2));
    session.edit(ann)?.balance -= 1;
    session.commit()?;
    assert_eq!(bank.books().0, 399);
    assert_eq!(session.read(ann)?.version, 3);
    Ok(())
}

#[test]
fn a_row_that_was_replaced_in_a_savepoint_is_the_same_object_again_after_it() -> aludel::Result<()> {
    let bank = Bank::open("replaced");
    let mut session = bank.engine.session();
    let ann = session.get_one::<Account>(ANN)?;
    let nested = session.begin_nested(|nested| {
        nested.delete(ann)?;
        nested.flush()?;
        let replacement = Account {
            id: ANN,
            ..Account::new("Ann the second", 0)
        };
        let second = nested.add(replacement);
        nested.flush()?;
        assert_eq!(nested.get_one::<Account>(ANN)?, second);
        Err::<(), _>(aludel::Error::other("changed my mind"))
    });
    assert!(nested.is_err());
    assert_eq!(session.get_one::<Account>(ANN)?, ann, "one row, one object");
    assert_eq!(session[ann].owner, "Ann");
    Ok(())
}

#[test]
fn what_was_read_before_a_commit_is_read_again_after_it() -> aludel::Result<()> {
    let bank = Bank::open("expired");
    let mut session = bank.engine.session();
    let ann = session.get_one::<Account>(ANN)?;
    session.commit()?;
    assert_eq!(session[ann].balance, 500); // good to look at until the next transaction begins
    pay(&mut bank.outside(), ANN, 1)?;
    look(&mut session)?;
    assert_eq!(session.read(ann)?.balance, 501);
    Ok(())
}

#[test]
#[should_panic(expected = "Account (key 1) may have changed since it was read, in an earlier transaction")]
fn index_never_shows_a_value_from_before_the_last_rollback() {
    let bank = Bank::open("index");
    let mut session = bank.engine.session();
    let ann = session.get_one::<Account>(ANN).expect("there is an Ann");
    session.rollback().expect("as you go");
    let _ = session[ann].balance;
}

#[test]
fn a_handle_of_another_session_is_refused() {
    let bank = Bank::open("foreign");
    let ann = bank.engine.session().get_one::<Account>(ANN).expect("there is an Ann");
    let mut other = bank.engine.session();
    other.get_one::<Account>(ANN).expect("there is an Ann");
    let error = other.read(ann).unwrap_err();
    assert!(error.is_stale_entity());
    assert!(error.to_string().contains("belongs to another session"), "{error}");
}

#[test]
fn hooks_of_a_savepoint_that_was_rolled_back_to_are_forgotten() -> aludel::Result<()> {
    let bank = Bank::open("hooks");
    let mut session = bank.engine.session();
    let tell = |session: &mut PgSession, what: &'static str| {
        let log = bank.log.clone();
        session.on_commit(move || log.push(what));
    };
    tell(&mut session, "told of the root");
    session.begin_nested(|nested| {
        tell(nested, "told of the first");
        Ok(())
    })?;
    let failed = session.begin_nested(|nested| {
        tell(nested, "told of the second");
        Ok(another_ann(nested)?)
    });
    assert!(failed.is_err());
    bank.log.take();
    session.commit()?;
    bank.log.expect(&["commit", "told of the root", "told of the first"]);
    Ok(())
}
