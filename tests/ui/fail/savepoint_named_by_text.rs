// A savepoint has no name that a user could give it.

use aludel::prelude::*;
use diesel::SqliteConnection;

fn main() -> aludel::Result<()> {
    let name = "first";
    Engine::<SqliteConnection>::new("sqlite://:memory:")?.begin(|session| session.begin_nested(name, |_| Ok(())))
}
