//! Bind values stay between the program and its database.

use aludel_tests::mariadb;

aludel_tests::hidden_values!(MysqlConnection);

fn url() -> String {
    let database = mariadb::server().database("hidden");
    mariadb::server().execute_in(
        database.name(),
        "CREATE TABLE vault (id INTEGER AUTO_INCREMENT PRIMARY KEY, word VARCHAR(64) CHARACTER SET utf8mb4 NOT NULL UNIQUE, \
         number BIGINT NOT NULL CHECK (number >= 0), bytes VARBINARY(1000) NOT NULL) ENGINE=InnoDB",
    );
    database.url().to_owned()
}
