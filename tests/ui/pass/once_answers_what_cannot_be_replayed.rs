use std::error::Error;

use aludel::once::Replay;
use aludel::prelude::*;
use diesel::SqliteConnection;

struct Receipt;

impl Replay for Receipt {
    fn keep(&self) -> Result<String, Box<dyn Error + Send + Sync>> {
        ().keep()
    }

    fn replay(text: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        <()>::replay(text).map(|()| Self)
    }
}

#[retry(once = format!("order-{order}"))]
fn charge(session: &mut Session<SqliteConnection>, order: i32) -> aludel::Result<Receipt> {
    let _ = (session, order);
    Ok(Receipt)
}

fn main() {
    let _ = charge;
}
