//! Ambient sessions, on this database, and on two at once.

aludel_tests::ambient_stories!(diesel::MysqlConnection);

/// A function has its transaction on the one that it names; what it does to the other one is nobody's until somebody commits it.
#[cfg(feature = "sqlite")]
#[test]
fn two_databases_at_once() -> aludel::Result<()> {
    use aludel::prelude::*;
    use aludel_tests::stage::{Stage, Staged};
    use diesel::{MysqlConnection, SqliteConnection};

    fn take<C: Staged>(amount: i64) -> aludel::Result<()> {
        aludel::current(|session: &mut Session<C>| Ok(C::withdraw(session, 1, amount).map(drop)?))
    }

    #[transactional(connection = MysqlConnection)]
    fn books() -> aludel::Result<()> {
        take::<MysqlConnection>(1)?;
        cache()?;
        take::<MysqlConnection>(1000)
    }

    #[transactional(connection = SqliteConnection)]
    fn cache() -> aludel::Result<()> {
        take::<SqliteConnection>(10)
    }

    let server = Stage::<MysqlConnection>::open("ambient_two");
    let file = Stage::<SqliteConnection>::open("ambient_two");
    let run = || books().unwrap_err();
    for refused in [
        server.engine.scope(|| file.engine.scope(run)),
        file.engine.scope(|| server.engine.scope(run)),
    ] {
        assert!(refused.to_string().contains("CONSTRAINT"), "{refused}");
    }
    // What the one has committed is none of the other's business.
    assert_eq!((server.balances(), file.balances()), (vec![500, 0], vec![480, 0]));
    server.assert_whole();
    file.assert_whole();
    Ok(())
}
