//! A COMMIT whose answer never comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aludel::prelude::*;
use aludel::verify::Resolution;
use aludel::{CommitPolicy, Outcome, RetryPolicy};
use aludel_tests::proxy::Proxy;
use aludel_tests::verify::{self, Scene, ask};
use aludel_tests::{fork, galera, mariadb, poll, verify_stories};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

pub(crate) fn scene(name: &str) -> Scene<MysqlConnection> {
    let name: String = name.chars().take(20).collect();
    Scene::set(mariadb::server().database(&name).url(), ask)
}

verify_stories!(scene);
verify_stories! {
    scene:
    a_transaction_in_flight_is_ended_by_force,
    a_transaction_that_was_fenced_off_is_refused,
    a_purge_that_overtakes_a_resolver_leaves_nothing_to_claim,
}

fn kill(id: i64) {
    mariadb::server().kill(u64::try_from(id).expect("it is not negative"));
}

#[test]
fn a_charge_whose_connection_is_killed_at_commit_takes_effect_once() {
    verify::a_charge_whose_connection_is_killed_at_commit_takes_effect_once(&scene("killed_at_commit"), kill);
}

#[test]
fn another_process_finds_out() {
    let note = || verify::note_of_a_crash(mariadb::server().database("crash").url());
    fork::stage(another_process_finds_out, note, |note| {
        verify::another_process_finds_out::<MysqlConnection>(note, ask);
    });
}

/// The server's default is REPEATABLE READ; here every plain SELECT locks what it reads.
mod serializable {
    use super::*;

    fn scene(name: &str) -> Scene<MysqlConnection> {
        let name: String = name.chars().rev().take(20).collect();
        let level =
            |builder: aludel::EngineBuilder<MysqlConnection>| builder.isolation_level(IsolationLevel::Serializable);
        Scene::set_with(mariadb::server().database(&name).url(), ask, level)
    }

    verify_stories! {
        scene:
        a_lost_answer_is_resolved_as_committed,
        a_charge_whose_commit_is_lost_takes_effect_once,
        a_resolver_waits_for_a_transaction_in_flight_that_commits,
        a_resolver_waits_for_a_transaction_in_flight_that_rolls_back,
    }
}

/// DDL commits what came before it, the token included: nobody may take the rest for committed.
#[test]
fn a_token_that_a_definition_has_committed_ends_its_transaction() {
    let scene = scene("definition");
    scene.engine.create_commit_table().expect("it may be made");
    let mut token = None;
    let error = scene
        .engine
        .begin(|session| {
            session.batch_execute("INSERT INTO charges VALUES (1)")?;
            token = Some(session.commit_token()?);
            session.batch_execute("CREATE TABLE t (a INT)")?;
            session.batch_execute("INSERT INTO charges VALUES (2)")?;
            Ok(())
        })
        .expect_err("the token would say that all of it is committed");
    assert_eq!(error.outcome(), Some(Outcome::Committed), "{error}");
    assert!(
        error.to_string().contains("with the commit token that was given out"),
        "{error}"
    );
    let found = scene
        .stranger()
        .resolve(&token.expect("it was given out"), Duration::from_mins(1));
    assert_eq!(
        (found.expect("the server is there"), scene.charged()),
        (Resolution::Committed, 1)
    );
}

/// A token would say "not committed, it may run again" of a transaction whose first part is there: so there is none.
#[test]
fn a_transaction_that_a_definition_has_cut_in_two_has_no_token() {
    let scene = scene("cut_in_two");
    scene.engine.create_commit_table().expect("it may be made");
    let cut = |session: &mut Session<MysqlConnection>| {
        session.batch_execute("INSERT INTO charges VALUES (1)")?;
        session.batch_execute("CREATE OR REPLACE TABLE t (a INT)")?;
        Ok(session.batch_execute("INSERT INTO charges VALUES (2)")?)
    };
    let error = scene
        .engine
        .begin(|session| {
            cut(session)?;
            session.commit_token()
        })
        .expect_err("it could speak for the rest alone");
    assert!(error.to_string().starts_with("commit_token() after"), "{error}");
    assert_eq!((error.outcome(), scene.charged()), (Some(Outcome::Committed), 1));

    scene.lose_the_commit();
    let mut session = scene.engine.session();
    let told = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&told);
    session.on_commit(move || tell.store(true, Ordering::Relaxed));
    let error = session
        .build_transaction()
        .verified()
        .run(cut)
        .expect_err("its COMMIT is cut");
    assert!(error.is_commit_unknown() && error.commit_token().is_none(), "{error}");
    assert_eq!(scene.charged(), 2);
    session
        .begin(|session| Ok(session.batch_execute("INSERT INTO charges VALUES (3)")?))
        .expect("it is another one");
    assert!(
        !told.load(Ordering::Relaxed),
        "after a COMMIT of unknown outcome no hook runs"
    );

    // Whoever may find out at once still does.
    let policy = RetryPolicy::new().commit(CommitPolicy::Verify);
    scene.lose_the_answer();
    session.retry(&policy, cut).expect("all of it is committed");
    assert_eq!(scene.charged(), 5);
    scene.lose_the_commit();
    let error = session.retry(&policy, cut).expect_err("the rest is not committed");
    assert_eq!(
        (error.outcome(), scene.charged()),
        (Some(Outcome::Committed), 6),
        "{error}"
    );
    scene.assert_whole();
}

/// After a restart connections are counted anew: whoever has the number now is left alone, even where it holds the row.
#[test]
fn a_strangers_connection_with_the_same_number_is_not_ended_by_force() {
    let server = mariadb::private();
    let scene = Scene::<MysqlConnection>::set(server.database("same_number").url(), ask);
    scene.engine.create_commit_table().expect("it may be made");
    for _ in 0..20 {
        drop(server.connect());
    }
    scene.lose_the_commit();
    let token = scene.charge_and_be_cut();
    server.restart();
    let mut stranger = poll::until("a connection has the same number", Duration::from_mins(1), || {
        let mut connection = scene.stranger().raw_connection().expect("the server is there");
        let number = i64::try_from(mariadb::connection_id(&mut *connection)).expect("it is a small one");
        assert!(Some(number) <= token.backend(), "{number} came after {token:?}");
        (Some(number) == token.backend()).then_some(connection)
    });
    let fence = format!(
        "BEGIN; INSERT INTO aludel_commits (token, outcome, created_at) VALUES ('{}', 'fenced', 0)",
        token.key()
    );
    stranger.batch_execute(&fence).expect("nobody else has the row");
    let error = scene
        .stranger()
        .resolve_by_force(&token, Duration::from_secs(2))
        .expect_err("the row is the stranger's");
    assert!(error.is_commit_unknown(), "{error}");
    stranger.batch_execute("ROLLBACK").expect("nobody has ended it");
    let found = scene.stranger().resolve(&token, Duration::from_mins(1));
    assert_eq!(found.expect("the server is there"), Resolution::NotCommitted);
}

/// A row that stays when its transaction is rolled back would say that it is committed.
#[test]
fn a_table_that_cannot_roll_back_is_refused() {
    let scene = scene("myisam");
    let table = "CREATE TABLE aludel_commits (token VARCHAR(64) PRIMARY KEY, outcome VARCHAR(32) NOT NULL, \
                 created_at BIGINT NOT NULL) ENGINE=MyISAM; \
                 INSERT INTO aludel_commits VALUES ('identity', '1', 0)";
    let mut outside = scene.engine.raw_connection().expect("the server is there");
    outside.batch_execute(table).expect("there is none yet");
    drop(outside);
    for error in [
        scene.engine.create_commit_table().expect_err("there is a bad one"),
        scene
            .engine
            .begin(Session::commit_token)
            .expect_err("it could not be relied on"),
    ] {
        assert!(error.to_string().contains("ENGINE=InnoDB"), "{error}");
    }
}

/// A resolver leaves the next borrower of its connection nothing of its own time-outs.
#[test]
fn the_lock_wait_timeout_is_put_back() {
    let scene = scene("put_back");
    scene.engine.create_commit_table().expect("it may be made");
    let waits = || {
        let query = "SELECT CAST(@@innodb_lock_wait_timeout * 100000000 + @@lock_wait_timeout AS SIGNED) AS value";
        ask(&mut *scene.engine.raw_connection().expect("the server is there"), query)
    };
    let before = waits();
    let token = scene.engine.begin(Session::commit_token).expect("it is committed");
    let opened = scene.engine.pool().opened();
    scene
        .engine
        .resolve(&token, Duration::from_mins(1))
        .expect("the server is there");
    assert_eq!(
        (waits(), scene.engine.pool().opened()),
        (before, opened),
        "on the same connection"
    );
}

/// What the network does to a COMMIT.
mod through_a_proxy {
    use super::*;

    fn told(story: fn(&Scene<MysqlConnection>, &Proxy)) {
        let server = mariadb::server();
        let proxy = Proxy::mysql(server.port());
        story(&verify::behind(&proxy, server.database("proxied").url(), ask), &proxy);
    }

    #[test]
    fn a_network_that_cuts_commits_charges_once() {
        told(verify::a_network_that_cuts_commits_charges_once);
    }

    #[test]
    fn a_commit_in_a_black_hole_is_ended_by_force() {
        told(verify::a_commit_in_a_black_hole_is_ended_by_force);
    }

    #[test]
    fn a_late_commit_is_never_called_not_committed() {
        told(verify::a_late_commit_is_never_called_not_committed);
    }
}

#[test]
fn another_node_of_a_cluster_finds_out() {
    let cluster = galera::private();
    let database = cluster.nodes[0].database("verified");
    let scene = Scene::<MysqlConnection>::set(database.url(), ask);
    let elsewhere = Engine::new(cluster.nodes[1].url(database.name())).expect("the URL is a good one");
    verify::another_node_finds_out(&scene, &elsewhere);
}
