// What runs again is a function, or a method of something else.

use aludel::prelude::*;
use diesel::SqliteConnection;

struct Transfer;

impl Transfer {
    #[retry]
    fn run(&self, session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
        session.flush()
    }
}

fn main() -> aludel::Result<()> {
    Transfer.run(&mut Engine::new("sqlite://:memory:")?.session())
}
