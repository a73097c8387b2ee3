//! An engine that a forked child makes for itself, in a program whose parent has had one.

use std::time::Duration;

use aludel::prelude::*;
use aludel_tests::fork::{self, child};
use aludel_tests::{poll, sqlite};
use diesel::SqliteConnection;

const SOON: Duration = Duration::from_secs(30);

#[test]
fn its_time_goes_on() {
    let file = sqlite::file();
    fork::stage(
        its_time_goes_on,
        || file.url().to_owned(),
        |url| {
            let engine = || {
                let builder = Engine::<SqliteConnection>::builder(url).pool_recycle(Duration::from_millis(200));
                builder.build().expect("the URL is a good one")
            };
            let parents = engine();
            drop(parents.raw_connection().expect("the file can be made"));
            child(|| {
                let own = engine();
                poll::until("its connection is too old", SOON, || {
                    (own.raw_connection().expect("there is one").id() > 1).then_some(())
                });
            })
            .expect_success();
        },
    );
}
