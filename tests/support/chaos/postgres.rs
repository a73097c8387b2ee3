//! Chaos on `PostgreSQL`.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};

use super::books::ACCOUNTS;
use super::nemesis::{Deed, pause};
use super::site::Site;
use super::wire;
use crate::TestDatabase;
use crate::postgres::Postgres;
use crate::proxy::Proxy;

/// Whose connections are hurt.
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

/// A little longer than `lock_timeout` below.
const LOCKED: Duration = Duration::from_millis(700);

#[derive(Debug)]
struct OnPostgres {
    /// Before the server, so that it is gone first.
    proxy: Proxy,
    server: Postgres,
    database: TestDatabase,
}

/// A server for one run alone.
///
/// # Panics
///
/// As [`private`](crate::postgres::private).
pub fn postgres() -> impl Site {
    let server = crate::postgres::private();
    let database = server.database("chaos");
    server.execute(&format!("CREATE ROLE {CLERK} LOGIN PASSWORD '{}'", server.password()));
    // The office makes the tables, and the clerks work on them.
    server.execute_in(
        database.name(),
        &format!("ALTER DEFAULT PRIVILEGES FOR ROLE aludel GRANT ALL ON TABLES TO {CLERK}"),
    );
    OnPostgres {
        proxy: Proxy::postgres(server.port()),
        server,
        database,
    }
}

impl OnPostgres {
    /// Kills one of the clerks' connections; of those in COMMIT only, if so asked.
    fn kill(&self, random: &mut fastrand::Rng, in_commit: bool, within: Duration) -> bool {
        let mut superuser = self.superuser();
        let begun = Instant::now();
        while begun.elapsed() < within {
            let victims = victims(&mut superuser, in_commit);
            if !victims.is_empty() {
                let victim = victims[random.usize(..victims.len())];
                let killed = superuser.batch_execute(&format!("SELECT pg_terminate_backend({victim})"));
                return killed.is_ok();
            }
        }
        false
    }

    /// Kills one while all of them wait in COMMIT for a standby that is not there: their work is committed already, and
    /// nobody can tell them so.
    fn kill_in_held_commit(&self, random: &mut fastrand::Rng) -> bool {
        self.set("synchronous_standby_names", "'nobody'");
        let killed = self.kill(random, true, LOOK);
        self.set("synchronous_standby_names", "''");
        killed
    }

    /// Sets it for all, from the next statement on.
    fn set(&self, setting: &str, value: &str) {
        let mut superuser = self.superuser();
        for statement in [
            &format!("ALTER SYSTEM SET {setting} = {value}"),
            "SELECT pg_reload_conf()",
        ] {
            superuser
                .batch_execute(statement)
                .expect("the superuser may set it, on a server that is read-only as well");
        }
    }

    /// There is room for as many as it has, or less.
    fn no_room(&self, lasts: Duration) -> bool {
        let mut superuser = self.superuser();
        superuser
            .batch_execute(&format!("ALTER ROLE {CLERK} CONNECTION LIMIT 1"))
            .expect("the superuser may set it");
        kill_all(&mut superuser);
        pause(lasts);
        superuser
            .batch_execute(&format!("ALTER ROLE {CLERK} CONNECTION LIMIT -1"))
            .expect("the superuser may set it");
        true
    }

    /// One lock alone: who waits for several can be in a deadlock, and is the one who is refused.
    fn hold_lock(&self, account: i64) -> bool {
        let mut office = PgConnection::establish(self.database.url()).expect("the server takes the office");
        let locked = office
            .batch_execute(&format!(
                "SET lock_timeout = '5s'; BEGIN; UPDATE chaos_accounts SET version = version WHERE id = {account}"
            ))
            .is_ok();
        if locked {
            pause(LOCKED);
        }
        office.batch_execute("ROLLBACK").expect("it may end what it began");
        locked
    }

    /// One that neither waits for a standby nor is read-only.
    fn superuser(&self) -> PgConnection {
        let mut superuser = self.server.connect();
        superuser
            .batch_execute("SET default_transaction_read_only = off; SET synchronous_commit = local")
            .expect("anybody may set it");
        superuser
    }
}

fn victims(superuser: &mut PgConnection, in_commit: bool) -> Vec<i32> {
    let condition = if in_commit {
        "AND state = 'active' AND query = 'COMMIT'"
    } else {
        ""
    };
    let rows: Vec<Backend> = diesel::sql_query(format!(
        "SELECT pid FROM pg_stat_activity WHERE usename = $1 {condition} ORDER BY pid"
    ))
    .bind::<Text, _>(CLERK)
    .load(superuser)
    .expect("the superuser may read the activity");
    rows.into_iter().map(|row| row.pid).collect()
}

fn kill_all(superuser: &mut PgConnection) -> bool {
    superuser
        .batch_execute(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{CLERK}'"
        ))
        .is_ok()
}

#[derive(QueryableByName)]
struct Backend {
    #[diesel(sql_type = Integer)]
    pid: i32,
}

#[derive(QueryableByName)]
struct Busy {
    #[diesel(sql_type = Text)]
    what: String,
}

impl Site for OnPostgres {
    fn name(&self) -> String {
        let version: String = diesel::select(diesel::dsl::sql::<Text>("current_setting('server_version')"))
            .get_result(&mut self.superuser())
            .expect("the server knows its version");
        format!("PostgreSQL {version}")
    }

    fn urls(&self) -> Vec<String> {
        let (password, port, name) = (self.server.password(), self.proxy.port(), self.database.name());
        vec![format!("postgres://{CLERK}:{password}@127.0.0.1:{port}/{name}"); 2]
    }

    fn office_url(&self) -> String {
        self.database.url().to_owned()
    }

    fn prepare(&self) -> Option<&'static str> {
        Some("SET lock_timeout = '500ms'")
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
            Deed::KillAll => kill_all(&mut self.superuser()),
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
                self.set("default_transaction_read_only", "on");
                pause(Duration::from_millis(random.u64(REFUSE_MS)));
                self.set("default_transaction_read_only", "off");
                true
            }
            Deed::HoldLocks => self.hold_lock(random.i64(1..=ACCOUNTS)),
            Deed::NoRoom => self.no_room(Duration::from_millis(random.u64(REFUSE_MS))),
            _ => false,
        }
    }

    fn open_transactions(&self) -> Vec<String> {
        let rows: Vec<Busy> = diesel::sql_query(
            "SELECT 'backend ' || pid || ': ' || state || ' ' || query AS what FROM pg_stat_activity \
             WHERE usename = $1 AND state <> 'idle'",
        )
        .bind::<Text, _>(CLERK)
        .load(&mut self.superuser())
        .expect("the superuser may read the activity");
        rows.into_iter().map(|row| row.what).collect()
    }
}
