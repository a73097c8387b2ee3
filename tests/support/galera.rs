//! A Galera cluster of our own: real certification, real loss of a quorum.
//!
//! [`cluster`] is shared by a test binary and started when it is first asked for, which takes about fifteen seconds. A node is a
//! [`MariaDb`] like any other. Two nodes are the least that can conflict, and enough to lose a quorum: one of two that
//! does not hear the other any more is not the majority.

use crate::mariadb::{self, MariaDb};
use crate::{poll, ports, program};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

const PACKAGE: &str = "galera-4";

/// How long a node may take to join: a full copy of the first one, with rsync.
const JOIN_DEADLINE: Duration = Duration::from_secs(90);

/// Two nodes that are one database.
#[derive(Debug)]
pub struct Galera {
    /// The nodes.
    pub nodes: [MariaDb; 2],
}

/// The cluster of this test binary.
///
/// # Panics
///
/// If Galera or rsync is not installed, or the cluster does not come up.
pub fn cluster() -> &'static Galera {
    static CLUSTER: LazyLock<Galera> = LazyLock::new(Galera::start);
    &CLUSTER
}

/// A cluster for one test alone.
///
/// # Panics
///
/// As [`cluster`].
pub fn private() -> Galera {
    Galera::start()
}

impl Galera {
    fn start() -> Self {
        let provider = provider();
        program::find("rsync", "rsync", &[PathBuf::from("/usr/bin")]);
        let bases = [ports::free(), ports::free()];
        let address = format!("gcomm://127.0.0.1:{},127.0.0.1:{}", bases[0], bases[1]);
        let node = |number: usize| {
            let (base, transfer, incremental) = (bases[number], ports::free(), ports::free());
            let options = [
                "--binlog-format=ROW".to_owned(),
                "--default-storage-engine=InnoDB".to_owned(),
                "--innodb-autoinc-lock-mode=2".to_owned(),
                "--wsrep-on=ON".to_owned(),
                // Numbers are to be the same as on a server that is alone.
                "--wsrep-auto-increment-control=OFF".to_owned(),
                format!("--wsrep-provider={provider}"),
                "--wsrep-cluster-name=aludel".to_owned(),
                format!("--wsrep-cluster-address={address}"),
                format!("--wsrep-node-name=n{number}"),
                format!("--wsrep-node-address=127.0.0.1:{base}"),
                format!(
                    "--wsrep-provider-options=base_port={base};gmcast.listen_addr=tcp://127.0.0.1:{base};\
                     ist.recv_addr=127.0.0.1:{incremental};gcache.size=16M;evs.keepalive_period=PT0.3S;\
                     evs.suspect_timeout=PT1S;evs.inactive_timeout=PT3S"
                ),
                "--wsrep-sst-method=rsync".to_owned(),
                format!("--wsrep-sst-receive-address=127.0.0.1:{transfer}"),
            ];
            options.to_vec()
        };
        let mut first = node(0);
        first.push("--wsrep-new-cluster".to_owned());
        let first = mariadb::private_with(&first.iter().map(String::as_str).collect::<Vec<_>>());
        let second = node(1);
        let second = first.joined_by(&second.iter().map(String::as_str).collect::<Vec<_>>());
        let cluster = Self { nodes: [first, second] };
        cluster.wait_until_whole();
        cluster
    }

    /// Waits until each node counts two and is in step.
    ///
    /// # Panics
    ///
    /// If that takes longer than a minute and a half.
    #[track_caller]
    pub fn wait_until_whole(&self) {
        for node in &self.nodes {
            poll::until("the node is in step with the other one", JOIN_DEADLINE, || {
                let ready = status(node, "wsrep_ready")? == "ON" && status(node, "wsrep_cluster_size")? == "2";
                ready.then_some(())
            });
        }
    }
}

/// A node that is not ready says nothing.
fn status(node: &MariaDb, variable: &str) -> Option<String> {
    let mut root = node.try_connect("").ok()?;
    diesel::select(sql::<Text>(&format!(
        "(SELECT variable_value FROM information_schema.global_status WHERE variable_name = '{variable}')"
    )))
    .get_result(&mut root)
    .ok()
}

fn provider() -> String {
    let folders = [
        "/usr/lib/galera",
        "/usr/lib",
        "/usr/lib64/galera",
        "/usr/lib64/galera-4",
    ];
    let found = folders.iter().map(|folder| format!("{folder}/libgalera_smm.so"));
    let found = found.into_iter().find(|path| PathBuf::from(path).exists());
    found.unwrap_or_else(|| panic!("libgalera_smm.so is not installed; Debian's package is {PACKAGE}"))
}
