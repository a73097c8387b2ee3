//! A Galera cluster, whose nodes agree on a transaction when it commits (fact D4).

use std::time::Duration;

use aludel::classify::Flavour;
use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::{Phase, RetryPolicy};
use aludel_tests::corpus::Heard;
use aludel_tests::galera::{self, Galera};
use aludel_tests::{EventLog, TestDatabase, poll, stories};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::stories::accounts;

const SOON: Duration = Duration::from_secs(60);

/// A bank on both nodes; the engine is connected to the first one.
struct Story {
    cluster: &'static Galera,
    database: TestDatabase,
    engine: Engine<MysqlConnection>,
    script: FaultScript,
    log: EventLog,
    heard: Heard,
}

impl Story {
    fn new() -> Self {
        let cluster = galera::cluster();
        let database = cluster.nodes[0].database("cluster");
        cluster.nodes[0].execute_in(database.name(), crate::stories::SCHEMA);
        let (script, log, heard) = (FaultScript::new(), EventLog::new(), Heard::new(Flavour::MySql));
        let engine = Engine::builder(database.url())
            .faults(script.clone())
            .listen(stories::outline(&log))
            .handle_error(heard.hook())
            .build()
            .expect("a good URL");
        let story = Self {
            cluster,
            database,
            engine,
            script,
            log,
            heard,
        };
        assert_eq!(story.balances(1), [500, 0], "the second node has it all");
        story
    }

    /// Ann's and Bob's, as a node has them, once it has applied all that the cluster has agreed on.
    fn balances(&self, node: usize) -> Vec<i64> {
        let mut outside = self.outside(node);
        outside
            .batch_execute("SET SESSION wsrep_sync_wait = 1")
            .expect("the node is ready");
        accounts::table
            .order(accounts::id)
            .select(accounts::balance)
            .load(&mut outside)
            .expect("the table is there")
    }

    fn outside(&self, node: usize) -> MysqlConnection {
        MysqlConnection::establish(&self.cluster.nodes[node].url(self.database.name())).expect("the node runs")
    }
}

/// Adds one on the second node, and waits until the first one has it.
fn pay_elsewhere(story_database: &str, cluster: &Galera) {
    let outside =
        |node: usize| MysqlConnection::establish(&cluster.nodes[node].url(story_database)).expect("the node runs");
    let updated = diesel::update(accounts::table.find(1))
        .set(accounts::balance.eq(accounts::balance + 1))
        .execute(&mut outside(1));
    assert_eq!(updated, Ok(1), "nobody is in the way on the second node");
    let mut first = outside(0);
    first
        .batch_execute("SET SESSION wsrep_sync_wait = 1; SELECT 1 FROM accounts")
        .expect("the first node applies it");
}

/// Takes 100 from Ann and gives it to Bob; in the first run somebody is faster on the other node before a phase.
fn transfer(story: &Story, before: Phase) -> aludel::Result<u32> {
    let mut runs = 0;
    story.engine.session().retry(&RetryPolicy::new(), |session| {
        runs += 1;
        diesel::update(accounts::table.find(1))
            .set(accounts::balance.eq(accounts::balance - 100))
            .execute(session)?;
        if runs == 1 {
            let (database, cluster) = (story.database.name().to_owned(), story.cluster);
            story
                .script
                .call_before(before, move || pay_elsewhere(&database, cluster));
        }
        diesel::update(accounts::table.find(2))
            .set(accounts::balance.eq(accounts::balance + 100))
            .execute(session)?;
        Ok(())
    })?;
    Ok(runs)
}

#[test]
fn a_conflict_between_nodes_runs_again_and_a_node_that_cannot_serve_is_left() -> aludel::Result<()> {
    let story = Story::new();
    let deadlock = ["mysql 1213 deadlock", "mysql 1213 deadlock (kind)"];

    // The other node's transaction arrives between our last statement and our COMMIT.
    assert_eq!(transfer(&story, Phase::Commit)?, 2);
    story.heard.expect_any(Phase::Commit, &deadlock);
    story
        .log
        .expect(&["begin", "rollback", "rerun 2 after retry", "begin", "commit"]);
    for node in [0, 1] {
        assert_eq!(story.balances(node), [401, 100]);
    }

    // It arrives between two statements: the second one is told.
    assert_eq!(transfer(&story, Phase::Statement)?, 2);
    story.heard.expect_any(Phase::Statement, &deadlock);
    story
        .log
        .expect(&["begin", "doomed", "rollback", "rerun 2 after retry", "begin", "commit"]);
    for node in [0, 1] {
        assert_eq!(story.balances(node), [302, 200]);
    }

    // The node is taken out of service between our last statement and our COMMIT: nothing was written, and no connection
    // to it is of use.
    let node = &story.cluster.nodes[0];
    let generation = story.engine.pool().generation();
    story
        .script
        .call_before(Phase::Commit, || node.execute("SET GLOBAL wsrep_reject_queries = ALL"));
    let error = story
        .engine
        .begin(|session| {
            diesel::update(accounts::table)
                .set(accounts::balance.eq(0))
                .execute(session)?;
            Ok(())
        })
        .expect_err("the node serves nobody");
    assert_eq!(error.class(), Class::Failover, "{error}");
    assert!(!error.is_commit_unknown() && error.is_retryable(), "{error}");
    story.heard.expect(Phase::Commit, "mysql 1047 wsrep");
    assert_eq!(story.engine.pool().generation(), generation + 1);
    node.execute("SET GLOBAL wsrep_reject_queries = NONE");
    assert_eq!(story.balances(0), [302, 200]);
    story.log.take();

    // The node loses sight of the other one, and with it the majority: it serves nobody until they meet again.
    story.cluster.nodes[1].freeze();
    let serves = || {
        let mut session = story.engine.session();
        let served = session.batch_execute("UPDATE accounts SET balance = balance");
        session.rollback().expect("what is lost is lost");
        served.is_ok()
    };
    poll::until("the node has noticed", SOON, || (!serves()).then_some(()));
    story.heard.forget(); // it may have noticed at any moment of that
    assert!(!serves());
    story.heard.expect(Phase::Begin, "mysql 1047 wsrep");
    story.cluster.nodes[1].thaw();
    story.cluster.wait_until_whole();
    assert_eq!(transfer(&story, Phase::Commit)?, 2);
    assert_eq!(story.balances(1), [203, 300]);
    story.engine.pool().assert_invariants();
    Ok(())
}
