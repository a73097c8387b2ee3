// What runs again has a body: a method that a trait provides, and one that implements a trait's.

use aludel::prelude::*;
use diesel::SqliteConnection;

trait Transfer {
    fn run(&self, session: &mut Session<SqliteConnection>) -> aludel::Result<()>;

    #[retry]
    fn run_twice(&self, session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
        self.run(session)?;
        self.run(session)
    }
}

impl Transfer for () {
    #[retry]
    fn run(&self, session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
        session.flush()
    }
}

fn main() -> aludel::Result<()> {
    ().run_twice(&mut Engine::new("sqlite://:memory:")?.session())
}
