//! Money on a `PostgreSQL` that somebody breaks again and again: what was acknowledged is there, and nothing else.

use aludel_tests::chaos;
use diesel::PgConnection;

#[test]
fn chaos_leaves_the_books_in_order() {
    chaos::run::<PgConnection>(&chaos::postgres());
}
