//! Panics, on this database.

aludel_tests::panic_stories!(diesel::MysqlConnection);
