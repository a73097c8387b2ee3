//! Bind values stay between the program and its database.

use aludel_tests::postgres;

aludel_tests::hidden_values!(PgConnection);

fn url() -> String {
    let database = postgres::server().database("hidden");
    postgres::server().execute_in(
        database.name(),
        "CREATE TABLE vault (id SERIAL PRIMARY KEY, word VARCHAR(64) NOT NULL UNIQUE, \
         number BIGINT NOT NULL CHECK (number >= 0), bytes BYTEA NOT NULL); \
         ALTER TABLE vault OWNER TO aludel",
    );
    database.url().to_owned()
}
