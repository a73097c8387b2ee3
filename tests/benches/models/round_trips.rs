//! How often a flush waits for MariaDB, and who writes by hand, counted by a proxy in between, once all is prepared.

use aludel::prelude::*;
use aludel_tests::figures::{comment, count};
use aludel_tests::mariadb;
use aludel_tests::proxy::Proxy;
use diesel::MysqlConnection;

use crate::OBJECTS;
use crate::by_hand::{self, ByHand};
use crate::entry::Entry;
use crate::ours::{self, Loads as _, Ours};
use crate::place::{OnMariaDb, Place};

pub(crate) fn flushes() {
    let server = mariadb::server();
    let (proxy, database) = (Proxy::mysql(server.port()), OnMariaDb(server).empty());
    let ours = Ours::<MysqlConnection>::open(&proxy.url(&database.url));
    let values = Entry::some(OBJECTS, 0);
    let flushed = |session: &mut Session<MysqlConnection>| {
        proxy.reset_round_trips();
        session.flush()?;
        Ok(proxy.round_trips())
    };
    let insert = || {
        let counted = ours.engine().begin(|session| {
            session.get::<Entry>(0)?; // after BEGIN
            ours::add(session, &values);
            flushed(session)
        });
        counted.expect("there is nothing in the way")
    };
    let update = |round| {
        let counted = ours.engine().begin(|session| {
            let entries = MysqlConnection::load_all(session)?;
            ours::edit(session, &entries, round)?;
            flushed(session)
        });
        counted.expect("there is nothing in the way")
    };
    let first = insert();
    let (first_update, updated) = (update(1), update(2));
    count(&format!("roundtrips.mariadb.flush{OBJECTS}"), insert());
    comment(format!(
        "roundtrips.mariadb: {first} the first time; of {OBJECTS} that were changed {updated}, {first_update} the first time"
    ));
    let by_hand = &mut OnMariaDb(server).empty().connect_through::<MysqlConnection>(&proxy);
    for way in MysqlConnection::INSERTS {
        by_hand::insert(by_hand, *way, &values);
        proxy.reset_round_trips();
        by_hand::insert(by_hand, *way, &values);
        comment(format!(
            "roundtrips.mariadb: {way}, with BEGIN and COMMIT: {}",
            proxy.round_trips()
        ));
    }
}
