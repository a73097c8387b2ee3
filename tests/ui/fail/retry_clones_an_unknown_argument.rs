// `clone(..)` and `rerun_sees(..)` name parameters of the function.

use aludel::prelude::*;
use diesel::SqliteConnection;

#[retry(clone(txt))]
fn work(_session: &mut Session<SqliteConnection>, text: String) -> aludel::Result<Vec<u8>> {
    Ok(text.into_bytes())
}

fn main() {}
