// A method that runs again changes a clone of its receiver.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[derive(Clone)]
struct Ledger {
    posted: u32,
}

impl Ledger {
    #[retry]
    fn post(&self, _session: &mut Session<SqliteConnection>) -> aludel::Result<u32> {
        let mut this = self.clone();
        this.posted += 1;
        Ok(this.posted)
    }
}

fn main() -> aludel::Result<()> {
    let mut session = Engine::new("sqlite://:memory:")?.session();
    assert_eq!(Ledger { posted: 1 }.post(&mut session)?, 2);
    Ok(())
}
