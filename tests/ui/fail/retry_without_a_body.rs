// What runs again has a body.

use aludel::prelude::*;
use diesel::SqliteConnection;

trait Transfer {
    #[retry]
    fn run(&self, session: &mut Session<SqliteConnection>) -> aludel::Result<()>;
}

fn main() {}
