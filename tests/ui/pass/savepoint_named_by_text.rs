// A savepoint has no name that a user could give it: it is named after its depth.

use aludel::prelude::*;
use diesel::SqliteConnection;

fn main() -> aludel::Result<()> {
    Engine::<SqliteConnection>::new("sqlite://:memory:")?.begin(|session| session.begin_nested(|_| Ok(())))
}
