// A session is not dropped while a value is borrowed from it.

use aludel::prelude::*;

fn key<C: Dialect, M: Persist<C::Backend>>(
    mut session: Session<C>,
    entity: Entity<M>,
) -> aludel::Result<Option<M::Key>> {
    let value = session.read(entity)?;
    drop(session);
    Ok(value.key())
}

fn main() {}
