//! Ambient sessions, on this database.

aludel_tests::ambient_stories!(diesel::MysqlConnection);
