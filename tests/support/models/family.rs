//! Parents and children, as the session sees them: `OneToManyTest`, `ManyToOneTest`, `HistoryTest`.

use aludel::prelude::*;

use super::{Address, User, expect_sent, session_on};
use crate::cases::Stage;

/// Both directions agree before the flush, after it, after the commit and after a rollback.
pub fn bidirectional<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
    Address: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(User::new("ann"));
    let mail = session.add_to(ann, Address::new("ann@a"))?;
    assert_eq!(session.parent(mail, Address::USER_ID)?, Some(ann));
    let alone = session.no_autoflush(|session| session.children(ann, Address::USER_ID))?;
    assert_eq!(alone, [mail]);
    expect_sent(stage, &[]);
    session.assert_invariants();
    assert_eq!(session.children(ann, Address::USER_ID)?, [mail]);
    expect_sent(stage, &["INSERT users", "INSERT addresses", "SELECT addresses"]);
    assert_eq!(session.parent(mail, Address::USER_ID)?, Some(ann));
    session.commit()?;
    assert_eq!(session.children(ann, Address::USER_ID)?, [mail]);
    assert_eq!(session.parent(mail, Address::USER_ID)?, Some(ann));

    let bob = session.add(User::new("bob"));
    session.set_parent(mail, Address::USER_ID, bob)?;
    assert_eq!(session.parent(mail, Address::USER_ID)?, Some(bob));
    session.flush()?;
    session.rollback()?;
    assert_eq!(session.parent(mail, Address::USER_ID)?, Some(ann));
    assert_eq!(session.children(ann, Address::USER_ID)?, [mail]);
    session.assert_invariants();
    session.rollback()
}

/// To another parent, and the first one deleted in the same flush.
pub fn child_move<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
    Address: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let (ann, bob) = (session.add(User::new("ann")), session.add(User::new("bob")));
    let mail = session.add_to(ann, Address::new("ann@a"))?;
    session.commit()?;
    session.read(ann)?;
    session.read(bob)?;
    session.read(mail)?;
    stage.sent.clear();
    session.set_parent(mail, Address::USER_ID, bob)?;
    assert_eq!(
        session[mail].user_id,
        Some(2),
        "its key is known, and stands there at once"
    );
    session.delete(ann)?;
    session.commit()?;
    expect_sent(stage, &["UPDATE addresses", "DELETE users"]);
    assert_eq!(session.children(bob, Address::USER_ID)?, [mail]);
    session.rollback()
}

/// What has changed of a child that was given to somebody new.
pub fn backref<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
    Address: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let mail = session.add(Address::new("ann@a"));
    session.flush()?;
    let ann = session.add(User::new("ann"));
    session.set_parent(mail, Address::USER_ID, ann)?;
    assert_eq!(session.changes(mail)?, ["user_id"]);
    assert!(session.is_modified(mail));
    session.flush()?;
    assert!(session.changes(mail)?.is_empty());
    session.clear_parent(mail, Address::USER_ID)?;
    assert_eq!(session.changes(mail)?, ["user_id"]);
    session.assert_invariants();
    session.rollback()
}

/// Set, written, cleared, written; and given to somebody who is never written.
pub fn many_to_one<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
    Address: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let mail = session.add(Address::new("ann@a"));
    let ann = session.add(User::new("ann"));
    session.set_parent(mail, Address::USER_ID, ann)?;
    session.clear_parent(mail, Address::USER_ID)?;
    session.flush()?;
    assert_eq!(session[mail].user_id, None);
    session.set_parent(mail, Address::USER_ID, ann)?;
    session.flush()?;
    assert_eq!(session[mail].user_id, Some(1));
    session.clear_parent(mail, Address::USER_ID)?;
    assert_eq!(session.parent(mail, Address::USER_ID)?, None);
    session.commit()?;
    assert_eq!(session.read(mail)?.user_id, None);

    // Given to one that a savepoint takes away.
    let failed: aludel::Result<()> = session.begin_nested(|nested| {
        let bob = nested.add(User::new("bob"));
        nested.set_parent(mail, Address::USER_ID, bob)?;
        Err(aludel::Error::other("no"))
    });
    assert!(failed.is_err());
    session.assert_invariants();
    assert_eq!(session.parent(mail, Address::USER_ID)?, None);
    session.rollback()
}

/// The children of many parents with one SELECT.
pub fn children_of<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
    Address: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let users = session.add_all(["ann", "bob", "carol"].map(User::new));
    let mails = [
        session.add_to(users[2], Address::new("carol@c"))?,
        session.add_to(users[0], Address::new("ann@a"))?,
        session.add_to(users[0], Address::new("ann@b"))?,
    ];
    session.commit()?;
    stage.sent.clear();
    let families = session.children_of(&[users[0], users[1], users[2], users[0]], Address::USER_ID)?;
    expect_sent(stage, &["SELECT addresses"]);
    assert_eq!(
        families,
        [
            vec![mails[1], mails[2]],
            vec![],
            vec![mails[0]],
            vec![mails[1], mails[2]]
        ]
    );
    assert!(session.children_of::<Address, User>(&[], Address::USER_ID)?.is_empty());
    session.rollback()
}

/// A child cannot be written whose parent has left before.
pub fn a_parent_that_leaves<C: Dialect>(stage: &Stage<C>) -> aludel::Result<()>
where
    User: Persist<C::Backend>,
    Address: Persist<C::Backend>,
{
    let mut session = session_on(stage)?;
    let ann = session.add(User::new("ann"));
    let mail = session.add_to(ann, Address::new("ann@a"))?;
    session.expunge(ann)?;
    assert_eq!(session.parent(mail, Address::USER_ID)?, None);
    let refused = session.flush().expect_err("its parent is gone");
    let text = refused.to_string();
    assert!(text.contains("Address") && text.contains("User"), "{text}");
    session.rollback()?;
    session.assert_invariants();
    session.commit()
}
