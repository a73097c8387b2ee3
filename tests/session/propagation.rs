//! The words of a propagation, on this database.

aludel_tests::propagation_stories!(diesel::SqliteConnection);
