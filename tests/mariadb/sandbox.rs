//! Work that is never committed, on this database.

aludel_tests::sandbox_stories!(aludel_tests::cases::mariadb);
