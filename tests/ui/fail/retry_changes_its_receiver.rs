// A method that runs again does not change its receiver.

use aludel::prelude::*;
use diesel::SqliteConnection;

struct Ledger {
    posted: u32,
}

impl Ledger {
    #[retry]
    fn post(&mut self, _session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
        self.posted += 1;
        Ok(())
    }
}

fn main() {}
