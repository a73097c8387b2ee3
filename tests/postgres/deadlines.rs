//! What this database is told of a retry's deadline.

use std::time::Duration;

use aludel::RetryPolicy;
use aludel::prelude::*;
use aludel_tests::stage::Stage;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

aludel_tests::deadline_stories!(diesel::PgConnection, a_statement_is_cut_short_at_the_deadline);

/// The server stops the statements' clock before it commits: what is checked then takes its time, and is no error.
#[test]
fn a_commit_takes_the_time_that_it_needs() -> aludel::Result<()> {
    let stage = Stage::<PgConnection>::open("deferred");
    stage.outside().batch_execute(
        "CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$; \
         CREATE CONSTRAINT TRIGGER dozes AFTER UPDATE ON accounts DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION doze()",
    )?;
    let policy = RetryPolicy::new().deadline(Duration::from_millis(500));
    let mut session = stage.engine.session();
    session.retry(&policy, |session| {
        Ok(diesel::sql_query("UPDATE accounts SET balance = 0 WHERE id = 1").execute(session)?)
    })?;
    assert_eq!(stage.balances(), [0, 0]);
    stage.assert_whole();
    Ok(())
}
