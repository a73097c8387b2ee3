// A method that runs again does not change its receiver; it answers what its caller may keep.

use aludel::prelude::*;
use diesel::SqliteConnection;

struct Ledger {
    posted: u32,
}

impl Ledger {
    #[retry]
    fn post(&self, _session: &mut Session<SqliteConnection>) -> aludel::Result<u32> {
        Ok(self.posted + 1)
    }
}

fn main() -> aludel::Result<()> {
    let engine = Engine::new("sqlite://:memory:")?;
    let mut ledger = Ledger { posted: 0 };
    ledger.posted = ledger.post(&mut engine.session())?;
    assert_eq!(ledger.posted, 1);
    Ok(())
}
