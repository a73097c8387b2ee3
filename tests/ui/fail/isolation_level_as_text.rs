// An isolation level is not text.

use aludel::prelude::*;
use diesel::SqliteConnection;

fn main() {
    let _ = Engine::<SqliteConnection>::builder("sqlite://:memory:").isolation_level("SERIALIZABLE");
}
