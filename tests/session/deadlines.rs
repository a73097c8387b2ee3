//! What this database is told of a retry's deadline.

aludel_tests::deadline_stories!(diesel::SqliteConnection);
