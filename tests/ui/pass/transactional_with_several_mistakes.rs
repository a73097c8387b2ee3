// A transaction without a mistake.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(mandatory, isolation = Serializable)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() -> aludel::Result<()> {
    let mut session = Engine::new("sqlite://:memory:")?.session();
    assert!(work(&mut session).is_err());
    session.build_transaction().serializable().run(work)
}
