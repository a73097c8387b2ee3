//! Retries that wait for a host that is down.

use aludel_tests::postgres;
use aludel_tests::waiting::two_wait_for_a_killed_server_and_one_tries;

aludel_tests::waiting_stories!(diesel::PgConnection);

#[test]
fn of_two_who_wait_for_a_killed_server_one_tries() {
    two_wait_for_a_killed_server_and_one_tries::<diesel::PgConnection>(&postgres::private());
}
