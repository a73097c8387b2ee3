// Where no transaction is begun, there is none to speak of.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[transactional(never, isolation = Serializable)]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

fn main() {}
