// A session may be moved to another thread: it belongs to whoever holds it.

use aludel::prelude::*;
use diesel::prelude::*;

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE notes (id INTEGER)").execute(&mut session)?;
    let mut session = std::thread::spawn(move || {
        diesel::sql_query("INSERT INTO notes VALUES (1)")
            .execute(&mut session)
            .map(|_| session)
    })
    .join()
    .expect("the thread does not panic")?;
    session.commit()
}
