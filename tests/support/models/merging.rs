//! `merge`.

use aludel::prelude::*;

use super::{Share, User, expect_sent, session_on};
use crate::account::Account;
use crate::cases::Stage;

/// Into what is loaded, into what is not, and where there is no row.
pub fn merge<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
    Share: Persist<C::Backend>,
{
    let user = |name: &str| User {
        id: 1,
        ..User::new(name)
    };
    let mut session = session_on(stage)?;
    let ann = session.add(User::new("ann"));
    session.commit()?;
    session.read(ann)?;
    stage.sent.clear();
    assert_eq!(session.merge(user("ann"))?, ann);
    session.flush()?;
    expect_sent(stage, &[]);
    session.edit(ann)?.name = "overwritten".into();
    assert_eq!(session.merge(user("anna"))?, ann);
    session.commit()?;
    expect_sent(stage, &["UPDATE users"]);

    session.expunge_all();
    let ann = session.merge(user("annabel"))?;
    expect_sent(stage, &["SELECT users"]);
    assert_eq!(session.changes(ann)?, ["name"]);
    let new = session.merge(User::new("bob"))?;
    assert_eq!(session.pending::<User>(), [new]);
    expect_sent(stage, &[]);
    let one = session.merge(Share::new("ann", "TEA", 1))?;
    let two = session.merge(Share::new("ann", "TEA", 2))?;
    assert_eq!(
        (one == two, session[one].amount),
        (true, 2),
        "it was pending, and is one row"
    );
    session.commit()?;
    assert_eq!(session.read(one)?.amount, 2);
    assert_eq!(session.read(ann)?.name, "annabel");

    // Onto the key of one that is deleted.
    session.delete(ann)?;
    let again = session.merge(user("again"))?;
    assert_ne!(again, ann);
    session.commit()?;
    assert_eq!(session.read(again)?.name, "again");
    session.assert_invariants();
    session.rollback()
}

/// A version that says nothing is merged into whatever there is.
pub fn merge_no_version<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(Account::new("ann", 5));
    session.commit()?;
    session.edit(ann)?.balance = 6;
    session.commit()?;
    let value = Account {
        id: 1,
        ..Account::new("ann", 7)
    };
    session.merge(value)?;
    session.commit()?;
    assert_eq!((session.read(ann)?.balance, session.read(ann)?.version), (7, 3));
    let loaded = session[ann].clone();
    session.merge(Account { balance: 8, ..loaded })?; // `merge_correct_version`
    session.commit()?;
    assert_eq!((session.read(ann)?.balance, session.read(ann)?.version), (8, 4));
    session.rollback()
}

pub fn merge_incorrect_version<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    Account: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(Account::new("ann", 5));
    session.commit()?;
    let old = session.read(ann)?.clone();
    session.edit(ann)?.balance = 6;
    session.commit()?;
    let refused = session
        .merge(Account { balance: 7, ..old })
        .expect_err("it was read before");
    assert!(refused.is_version_conflict() && refused.is_retryable(), "{refused}");
    let text = refused.to_string();
    assert!(
        text.contains("Account 1") && text.contains("expected version 1, found 2"),
        "{text}"
    );
    assert_eq!(session.read(ann)?.balance, 6);
    session.assert_invariants();
    session.rollback()
}
