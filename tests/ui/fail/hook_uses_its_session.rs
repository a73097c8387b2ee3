// A hook that waits for the commit does not use its session: what it would write is in no transaction any more.

use aludel::prelude::*;
use diesel::prelude::*;

fn audit(session: &mut Session<SqliteConnection>) {
    session.on_commit(|| {
        let _ = diesel::sql_query("SELECT 1").execute(session);
    });
}

fn main() {}
