//! Ambient sessions: what is lent, to whom, and what is said where it is not.

aludel_tests::ambient_stories!(diesel::SqliteConnection);
