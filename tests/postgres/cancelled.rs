//! Being told to stop, on this database.

aludel_tests::exit_stories!(diesel::PgConnection);
