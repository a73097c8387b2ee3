//! Transaction control in raw SQL, on this database.

aludel_tests::raw_control_stories!(diesel::SqliteConnection);
