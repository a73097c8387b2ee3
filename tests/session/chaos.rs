//! Money in a `SQLite` file that somebody locks, and whose connections are lost again and again: what was acknowledged is
//! there, and nothing else.

use aludel_tests::chaos;
use diesel::SqliteConnection;

#[test]
fn chaos_leaves_the_books_in_order() {
    chaos::run::<SqliteConnection>(&chaos::sqlite());
}
