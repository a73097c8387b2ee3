//! Money on a `MariaDB` that somebody breaks again and again: what was acknowledged is there, and nothing else.

use aludel_tests::chaos;
use diesel::MysqlConnection;

#[test]
fn chaos_leaves_the_books_in_order() {
    chaos::run::<MysqlConnection>(&chaos::mariadb());
}
