//! When a transaction runs again, by what goes by on the wire.

aludel_tests::rerun_stories!(diesel::SqliteConnection);
