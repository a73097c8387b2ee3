// A hook that waits for the commit does not use its session; one of its own is for what comes afterwards.

use aludel::prelude::*;
use diesel::prelude::*;

fn audit(session: &mut Session<SqliteConnection>) {
    let engine = session.engine().clone();
    session.on_commit(move || {
        let asked = diesel::sql_query("SELECT 1").execute(&mut engine.session());
        assert!(asked.is_ok());
    });
}

fn main() -> aludel::Result<()> {
    Engine::new("sqlite://?mode=memory&cache=shared")?.begin(|session| {
        audit(session);
        diesel::sql_query("SELECT 1").execute(session)?;
        Ok(())
    })
}
