//! What is shown of sessions on a real server, and what never is.

use crate::bank::{Bank, accounts};

const SCHEME: &str = "postgres";
const SYSTEM: &str = "postgresql";

aludel_tests::logging_stories!(PgConnection);

fn user(name: &str, password: &str) -> String {
    format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'")
}

fn kill(bank: &Bank, id: i64) {
    bank.server.terminate(i32::try_from(id).expect("it is a process"));
}

/// libpq reads the password from a file, so it is connected to all the same.
fn behind_diesels_own_function(bank: &Bank) -> aludel::Result<()> {
    // So our URL has a file in its place, which libpq reads.
    bank.engine.begin(|session| Ok(session.batch_execute("SELECT 1")?))?;
    let seen = shown();
    assert!(
        seen.contains("StartEstablishConnection") && seen.contains("passfile="),
        "{seen}"
    );
    assert!(!seen.contains(bank.server.password()), "{seen}");
    // What cannot be put into a file is not shown either.
    let url = bank.database.url_with("sslpassword", "hunter2");
    let error = Engine::<PgConnection>::new(&url)?
        .raw_connection()
        .expect_err("it would be shown");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(
        error.to_string().contains("aludel::event::set_default_instrumentation"),
        "{error}"
    );
    assert_eq!(shown(), "");
    Ok(())
}
