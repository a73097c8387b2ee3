//! What is shown of sessions on a real server, and what never is.

use crate::stories::{Bank, accounts};

const SCHEME: &str = "mysql";
const SYSTEM: &str = "mysql";

aludel_tests::logging_stories!(MysqlConnection);

fn user(name: &str, password: &str) -> String {
    format!("CREATE USER {name}@'%' IDENTIFIED BY '{password}'; GRANT ALL ON *.* TO {name}@'%'")
}

fn kill(bank: &Bank, id: i64) {
    bank.server.kill(u64::try_from(id).expect("it is positive"));
}

/// MariaDB's client has no other way for a password, so nothing is connected to.
fn behind_diesels_own_function(bank: &Bank) -> aludel::Result<()> {
    let error = bank.engine.begin(|_| Ok(())).expect_err("it would be shown");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(
        error.to_string().contains("aludel::event::set_default_instrumentation"),
        "{error}"
    );
    assert!(
        !format!("{}{error:?}", shown()).contains(bank.server.password()),
        "{error:?}"
    );
    Ok(())
}
