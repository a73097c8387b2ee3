// `#[retry(..)]` knows its keys: `attempts`, `deadline`, `commit`, `clone`, `rerun_sees`, `session`.

use aludel::prelude::*;
use diesel::SqliteConnection;

type Lent<'a> = &'a mut Session<SqliteConnection>;

#[retry(attempts = 3, deadline = "1m 30s", commit = "fail")]
fn work(session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
    session.flush()
}

#[retry(session = inner, clone(text), rerun_sees(count))]
fn more(inner: &mut Session<SqliteConnection>, text: String, count: &mut usize) -> aludel::Result<()> {
    *count += text.into_bytes().len();
    inner.flush()
}

fn main() -> aludel::Result<()> {
    let engine = Engine::new("sqlite://:memory:")?;
    let session: Lent<'_> = &mut engine.session();
    work(session)?;
    more(session, "hello".to_owned(), &mut 0)
}
