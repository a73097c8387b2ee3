//! A COMMIT whose answer never comes.

use aludel_tests::verify::Scene;
use aludel_tests::{postgres, verify_stories};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

fn scene(name: &str) -> Scene<PgConnection> {
    let name: String = name.chars().take(20).collect();
    Scene::set(postgres::server().database(&name).url(), ask)
}

fn ask(connection: &mut PgConnection, query: &str) -> i64 {
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
