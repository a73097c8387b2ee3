//! A pool whose connections have died.

use aludel::prelude::*;
use aludel_tests::mariadb;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};

use crate::bank::{ANN, Bank, pay};
use crate::scene::{Scene, Told};

pub(crate) const SCENE: Scene = Scene {
    title: "the dead pool",
    story: "MariaDB. The three connections of a pool are killed while they are idle, as a failover, a firewall or \
            wait_timeout does it. Then there are fifty payments of 1 to Ann. Neither pool tests a connection before it is \
            lent: a ping is one more round trip for each transaction. (r2d2 does by default, Aludel does not.)",
    diesel,
    aludel,
};

const CALLS: usize = 50;

fn kill_all(bank: &Bank<MysqlConnection>) -> usize {
    let server = mariadb::server();
    let connections = server.connections(bank.database.name());
    for connection in &connections {
        server.kill(*connection);
    }
    connections.len()
}

fn diesel() -> Told {
    let (bank, mut told) = (Bank::<MysqlConnection>::open("dead_diesel"), Told::new());
    let pool = Pool::builder()
        .max_size(3)
        .test_on_check_out(false)
        .build(ConnectionManager::<MysqlConnection>::new(bank.database.url()))
        .expect("the server runs");
    told.note(format!("{} connections were killed", kill_all(&bank)));
    let mut failed = 0;
    for call in 1..=CALLS {
        let mut connection = pool.get().expect("there are connections");
        let answer: QueryResult<()> = connection.transaction(|connection| pay(connection, ANN, 1));
        failed += usize::from(answer.is_err());
        if call == 1 || call == CALLS {
            told.answered(&format!("payment {call}"), &answer);
        }
    }
    // "Server has gone away" is no kind of Diesel's, so nothing tells r2d2 that the connection is broken.
    told.ends(
        format!("{failed} of {CALLS} payments failed"),
        bank.balances(),
        failed == 0,
    )
}

fn aludel() -> Told {
    let (bank, mut told) = (Bank::<MysqlConnection>::open("dead_aludel"), Told::new());
    let engine = Engine::<MysqlConnection>::builder(bank.database.url())
        .pool_size(3)
        .build()
        .expect("the URL of a test is sound");
    let three = [(); 3].map(|()| engine.raw_connection().expect("the server runs"));
    drop(three); // back into the pool
    told.note(format!("{} connections were killed", kill_all(&bank)));
    let mut failed = 0;
    for call in 1..=CALLS {
        let answer = engine.begin(|session| Ok(pay(session, ANN, 1)?));
        failed += usize::from(answer.is_err());
        if call == 1 || call == CALLS {
            told.answered(&format!("payment {call}"), &answer);
        }
    }
    let found = bank.balances();
    let sound = failed == 0 && found == "Ann 550, Bob 0, Cid 0";
    told.ends(format!("{failed} of {CALLS} payments failed"), found, sound)
}
