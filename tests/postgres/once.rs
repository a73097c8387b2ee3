//! What is done once for a key.

use aludel_tests::proxy::Proxy;
use aludel_tests::verify::{self, ask};
use aludel_tests::{once, once_stories, postgres};
use diesel::prelude::*;

use crate::verify::scene;

once_stories!(scene);
once_stories! {
    scene:
    an_old_snapshot_is_no_reason_to_run_again,
}

#[test]
fn a_network_that_cuts_commits_is_called_again() {
    let server = postgres::server();
    let proxy = Proxy::postgres(server.port());
    let scene = verify::behind::<PgConnection>(&proxy, server.database("once_proxied").url(), ask);
    once::a_network_that_cuts_commits_is_called_again(&scene, &proxy);
}
