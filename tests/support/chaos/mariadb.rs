//! Chaos on `MariaDB`.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::mysql::MysqlConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Unsigned};

use super::books::ACCOUNTS;
use super::nemesis::{Deed, pause};
use super::site::Site;
use super::wire;
use crate::TestDatabase;
use crate::mariadb::MariaDb;
use crate::proxy::Proxy;

/// Whose connections are hurt. Without the right to write on a server that is read-only.
const CLERK: &str = "clerk";

/// How long somebody is looked for who is where he is to be killed. COMMIT is over in a fraction of a millisecond, so without
/// help most looks are in vain; with the help of a lock the first one that is made finds somebody.
const GLANCE: Duration = Duration::from_millis(100);

/// The same, where somebody must come.
const LOOK: Duration = Duration::from_secs(20);

/// How long the server stands still, in milliseconds.
const FREEZE_MS: std::ops::Range<u64> = 100..500;

/// How long nothing can be written, or nobody gets in, in milliseconds.
const REFUSE_MS: std::ops::Range<u64> = 100..400;

/// A little longer than `innodb_lock_wait_timeout` below.
const LOCKED: Duration = Duration::from_millis(1_200);

/// The least that `max_connections` can be.
const FEW: usize = 10;

#[derive(Debug)]
struct OnMariaDb {
    /// Before the server, so that it is gone first.
    proxy: Proxy,
    server: MariaDb,
    database: TestDatabase,
}

/// A server for one run alone.
///
/// # Panics
///
/// As [`private`](crate::mariadb::private).
pub fn mariadb() -> impl Site {
    let server = crate::mariadb::private();
    let database = server.database("chaos");
    for host in ["127.0.0.1", "localhost"] {
        server.execute(&format!(
            "CREATE USER '{CLERK}'@'{host}' IDENTIFIED BY '{}'; GRANT ALL ON `{}`.* TO '{CLERK}'@'{host}'",
            server.password(),
            database.name()
        ));
    }
    OnMariaDb {
        proxy: Proxy::mysql(server.port()),
        server,
        database,
    }
}

impl OnMariaDb {
    /// Kills one of them.
    fn kill(&self, random: &mut fastrand::Rng, in_commit: bool, within: Duration) -> bool {
        let mut root = self.server.connect();
        let begun = Instant::now();
        while begun.elapsed() < within {
            let victims = victims(&mut root, in_commit);
            if !victims.is_empty() {
                let victim = victims[random.usize(..victims.len())];
                // It may have gone by itself.
                return root.batch_execute(&format!("KILL CONNECTION {victim}")).is_ok();
            }
        }
        false
    }

    /// Kills one while a backup keeps all of them in COMMIT.
    fn kill_in_held_commit(&self, random: &mut fastrand::Rng) -> bool {
        let mut root = self.server.connect();
        // Not FLUSH TABLES WITH READ LOCK, which stops them at the statements before.
        for stage in ["START", "FLUSH", "BLOCK_DDL", "BLOCK_COMMIT"] {
            root.batch_execute(&format!("BACKUP STAGE {stage}"))
                .expect("root may make a backup");
        }
        let killed = self.kill(random, true, LOOK);
        root.batch_execute("BACKUP STAGE END")
            .expect("root may end what it began");
        killed
    }

    fn no_room(&self, lasts: Duration) -> bool {
        let mut root = self.server.connect();
        root.batch_execute(&format!("SET GLOBAL max_connections = {FEW}"))
            .expect("root may set it");
        kill_all(&mut root);
        let url = self.database.url();
        let held: Vec<_> = (0..2 * FEW)
            .map_while(|_| MysqlConnection::establish(url).ok())
            .collect();
        pause(lasts);
        drop(held);
        root.batch_execute("SET GLOBAL max_connections = 500")
            .expect("root may set it");
        true
    }

    /// One lock alone: who waits for several can be in a deadlock, and is the one who is refused.
    fn hold_lock(&self, account: i64) -> bool {
        let mut root = self.server.connect();
        root.batch_execute("SET innodb_lock_wait_timeout = 5; BEGIN")
            .expect("root may begin");
        let locked = root
            .batch_execute(&format!(
                "UPDATE `{}`.chaos_accounts SET version = version WHERE id = {account}",
                self.database.name()
            ))
            .is_ok();
        if locked {
            pause(LOCKED);
        }
        root.batch_execute("ROLLBACK").expect("root may end what it began");
        locked
    }
}

/// The clerks' connections; of those in COMMIT only, if so asked.
fn victims(root: &mut MysqlConnection, in_commit: bool) -> Vec<u64> {
    let condition = if in_commit { "AND info = 'COMMIT'" } else { "" };
    let rows: Vec<Process> = diesel::sql_query(format!(
        "SELECT CAST(id AS UNSIGNED) AS id FROM information_schema.processlist WHERE user = ? {condition} ORDER BY id"
    ))
    .bind::<Text, _>(CLERK)
    .load(root)
    .expect("root may read the process list");
    rows.into_iter().map(|row| row.id).collect()
}

fn kill_all(root: &mut MysqlConnection) -> bool {
    root.batch_execute(&format!("KILL CONNECTION USER {CLERK}")).is_ok()
}

#[derive(QueryableByName)]
struct Process {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
}

impl Site for OnMariaDb {
    fn name(&self) -> String {
        let version: String = diesel::select(diesel::dsl::sql::<Text>("VERSION()"))
            .get_result(&mut self.server.connect())
            .expect("the server knows its version");
        format!("MariaDB {version}")
    }

    fn urls(&self) -> Vec<String> {
        let (password, port, name) = (self.server.password(), self.proxy.port(), self.database.name());
        vec![format!("mysql://{CLERK}:{password}@127.0.0.1:{port}/{name}"); 2]
    }

    fn office_url(&self) -> String {
        self.database.url().to_owned()
    }

    fn prepare(&self) -> Option<&'static str> {
        Some("SET SESSION innodb_lock_wait_timeout = 1")
    }

    fn deck(&self) -> Vec<Deed> {
        wire::deck_of_a_server()
    }

    fn strike(&self, deed: Deed, random: &mut fastrand::Rng) -> bool {
        if let Some(hit) = wire::strike(&self.proxy, deed, random) {
            return hit;
        }
        match deed {
            Deed::KillOne => self.kill(random, false, LOOK),
            Deed::KillInCommit => self.kill(random, true, GLANCE) || self.kill_in_held_commit(random),
            Deed::KillAll => kill_all(&mut self.server.connect()),
            Deed::Crash => {
                self.server.kill_9();
                self.server.start();
                true
            }
            Deed::Restart => {
                self.server.restart();
                true
            }
            Deed::Freeze => {
                self.server.freeze();
                pause(Duration::from_millis(random.u64(FREEZE_MS)));
                self.server.thaw();
                true
            }
            Deed::ReadOnly => {
                self.server.execute("SET GLOBAL read_only = 1");
                pause(Duration::from_millis(random.u64(REFUSE_MS)));
                self.server.execute("SET GLOBAL read_only = 0");
                true
            }
            Deed::HoldLocks => self.hold_lock(random.i64(1..=ACCOUNTS)),
            Deed::NoRoom => self.no_room(Duration::from_millis(random.u64(REFUSE_MS))),
            _ => false,
        }
    }

    fn open_transactions(&self) -> Vec<String> {
        let rows: Vec<Busy> = diesel::sql_query(
            "SELECT CONCAT('connection ', p.id, ': ', p.command, ' ', COALESCE(p.info, ''), ' ', \
             COALESCE(t.trx_state, '')) AS what FROM information_schema.processlist p \
             LEFT JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id \
             WHERE p.user = ? AND (t.trx_id IS NOT NULL OR p.command <> 'Sleep')",
        )
        .bind::<Text, _>(CLERK)
        .load(&mut self.server.connect())
        .expect("root may read the process list");
        rows.into_iter().map(|row| row.what).collect()
    }
}

#[derive(QueryableByName)]
struct Busy {
    #[diesel(sql_type = Text)]
    what: String,
}
