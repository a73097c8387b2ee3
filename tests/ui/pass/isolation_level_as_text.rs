// An isolation level is not text; it is one of five.

use aludel::prelude::*;
use diesel::SqliteConnection;

fn main() {
    let _ = Engine::<SqliteConnection>::builder("sqlite://:memory:").isolation_level(IsolationLevel::Serializable);
}
