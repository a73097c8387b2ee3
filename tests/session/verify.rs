//! A COMMIT on `SQLite` whose answer never comes.

use aludel_tests::sqlite::{self, TempDatabase};
use aludel_tests::verify::Scene;
use aludel_tests::verify_stories;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

struct File(
    Scene<SqliteConnection>,
    #[expect(dead_code, reason = "it goes with the scene")] TempDatabase,
);

impl std::ops::Deref for File {
    type Target = Scene<SqliteConnection>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

fn scene(_: &str) -> File {
    let file = sqlite::file();
    File(Scene::set(file.url(), ask), file)
}

fn ask(connection: &mut SqliteConnection, query: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        value: i64,
    }
    let row: Row = diesel::sql_query(query)
        .get_result(connection)
        .expect("it is a good query");
    row.value
}

verify_stories!(scene);
