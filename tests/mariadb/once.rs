//! What is done once for a key.

use aludel::prelude::*;
use aludel_tests::proxy::Proxy;
use aludel_tests::verify::{self, Scene, ask};
use aludel_tests::{mariadb, once, once_stories};
use diesel::prelude::*;

fn scene(name: &str) -> Scene<MysqlConnection> {
    let name: String = name.chars().take(20).collect();
    Scene::set(mariadb::server().database(&name).url(), ask)
}

once_stories!(scene);
once_stories!(scene: an_old_snapshot_is_no_reason_to_run_again);

#[test]
fn a_network_that_cuts_commits_is_called_again() {
    let server = mariadb::server();
    let proxy = Proxy::mysql(server.port());
    let scene = verify::behind::<MysqlConnection>(&proxy, server.database("once_proxied").url(), ask);
    once::a_network_that_cuts_commits_is_called_again(&scene, &proxy);
}
