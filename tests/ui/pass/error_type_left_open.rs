// A closure of `begin_with` says what its error type is; one of `begin` has no need to.

use aludel::prelude::*;
use diesel::SqliteConnection;

fn work<C: Dialect>(session: &mut Session<C>) -> bool {
    let one = session.begin(|session| Ok(session.in_transaction()));
    let other = session.begin_with(|session| Ok::<_, aludel::Error>(session.in_transaction()));
    one.is_ok_and(|begun| begun) && other.is_ok_and(|begun| begun)
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    assert!(work(&mut engine.session()));
    Ok(())
}
