//! Retries that wait for a host that is down.

aludel_tests::waiting_stories!(diesel::SqliteConnection);
