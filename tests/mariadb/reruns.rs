//! When a transaction runs again, by what goes by on the wire.

use aludel_tests::rerun_stories;
use diesel::MysqlConnection;

rerun_stories!(MysqlConnection);
rerun_stories! {
    MysqlConnection:
    a_deadlock_of_two,
    a_connection_that_is_killed,
    a_crowd_is_charged_once_each,
}
