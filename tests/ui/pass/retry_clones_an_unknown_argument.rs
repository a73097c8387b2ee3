// `clone(..)` names parameters of the function, also those inside of a pattern.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(clone(text, tag))]
fn work(
    _session: &mut Session<SqliteConnection>,
    text: String,
    (tag, number): (String, i32),
) -> aludel::Result<(Vec<u8>, Vec<u8>, i32)> {
    Ok((text.into_bytes(), tag.into_bytes(), number))
}

fn main() -> aludel::Result<()> {
    let mut session = Engine::new("sqlite://:memory:")?.session();
    let (text, tag, number) = work(&mut session, "a".to_owned(), ("b".to_owned(), 7))?;
    assert_eq!((text, tag, number), (vec![b'a'], vec![b'b'], 7));
    Ok(())
}
