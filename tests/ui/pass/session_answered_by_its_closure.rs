// A session that a closure was lent is not what the closure answers; what was done with it is.

use aludel::prelude::*;
use diesel::SqliteConnection;

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let begun = engine.begin(|session| Ok(session.in_transaction()))?;
    assert!(begun);
    Ok(())
}
