// An owned `self` cannot be bound anew in each attempt.

use aludel::prelude::*;
use diesel::SqliteConnection;

struct Ledger {
    posted: u32,
}

impl Ledger {
    #[retry]
    fn post(mut self, _session: &mut Session<SqliteConnection>) -> aludel::Result<u32> {
        self.posted += 1;
        Ok(self.posted)
    }
}

fn main() {}
