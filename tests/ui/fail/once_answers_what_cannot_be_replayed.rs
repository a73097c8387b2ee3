// What is done once for a key is answered again later: a result that cannot be kept as text is refused.
use aludel::prelude::*;
use diesel::SqliteConnection;

struct Receipt;

#[retry(once = format!("order-{order}"))]
fn charge(session: &mut Session<SqliteConnection>, order: i32) -> aludel::Result<Receipt> {
    let _ = (session, order);
    Ok(Receipt)
}

fn main() {}
