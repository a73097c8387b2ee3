//! `ResetAgentTest`, as SQLAlchemy has it: the stories are `tests/support/cases/reset.rs`.

aludel_tests::reset_cases!(aludel_tests::cases::mariadb);

/// What the listeners are told was sent is what the server has counted.
#[test]
fn the_server_has_counted_the_same_rollbacks() -> aludel::Result<()> {
    use aludel::prelude::*;
    use diesel::prelude::*;

    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::Text, column_name = "Value")]
        value: String,
    }
    let stage = aludel_tests::cases::mariadb("counted");
    // One connection, so that the server's numbers for it are those of the whole story.
    let mut told = Vec::new();
    for story in [0, 1, 2, 3] {
        let mut connection = stage.engine.connect();
        aludel_tests::cases::insert(&mut connection, story)?;
        match story {
            0 => connection.close()?,
            1 => connection.rollback()?,
            2 => connection.commit()?,
            _ => drop(connection.begin_nested(|_| Err::<(), _>(aludel::Error::other("no")))),
        }
        drop(connection);
        drop(stage.engine.raw_connection()?); // the pool resets it
        told.push(stage.rollbacks());
    }
    assert_eq!(told, [(2, 0), (2, 0), (1, 0), (2, 1)]);
    let mut raw = stage.engine.pool().checkout()?;
    let mut counted = |name: &str| {
        let rows = diesel::sql_query(format!("SHOW SESSION STATUS LIKE '{name}'")).load::<Count>(&mut *raw);
        rows.expect("anybody may look")[0].value.clone()
    };
    assert_eq!(counted("Com_rollback"), "7");
    assert_eq!(counted("Com_rollback_to_savepoint"), "1");
    assert_eq!(
        stage.engine.pool().opened(),
        2,
        "one for the table, one for the stories"
    );
    Ok(())
}
