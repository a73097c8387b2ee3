//! A COMMIT whose answer never comes.

use std::thread;
use std::time::Duration;

use aludel::prelude::*;
use aludel::verify::{CommitToken, Resolution};
use aludel_tests::proxy::Proxy;
use aludel_tests::verify::{self, Scene, ask};
use aludel_tests::{Meeting, fork, poll, postgres, verify_stories};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

pub(crate) fn scene(name: &str) -> Scene<PgConnection> {
    let name: String = name.chars().take(20).collect();
    Scene::set(postgres::server().database(&name).url(), ask)
}

verify_stories!(scene);
verify_stories! {
    scene:
    a_transaction_in_flight_is_ended_by_force,
    a_transaction_that_was_fenced_off_is_refused,
    a_purge_that_overtakes_a_resolver_leaves_nothing_to_claim,
}

fn kill(id: i64) {
    postgres::server().terminate(i32::try_from(id).expect("a process number fits"));
}

#[test]
fn a_charge_whose_connection_is_killed_at_commit_takes_effect_once() {
    verify::a_charge_whose_connection_is_killed_at_commit_takes_effect_once(&scene("killed_at_commit"), kill);
}

#[test]
fn another_process_finds_out() {
    let note = || verify::note_of_a_crash(postgres::server().database("crash").url());
    fork::stage(another_process_finds_out, note, |note| {
        verify::another_process_finds_out::<PgConnection>(note, ask);
    });
}

const PATIENCE: Duration = Duration::from_mins(1);

/// Under SERIALIZABLE a resolver and what it resolves are each other's conflicts only if something is wrong.
mod serializable {
    use super::*;

    fn scene(name: &str) -> Scene<PgConnection> {
        let name: String = name.chars().rev().take(20).collect();
        let level =
            |builder: aludel::EngineBuilder<PgConnection>| builder.isolation_level(IsolationLevel::Serializable);
        Scene::set_with(postgres::server().database(&name).url(), ask, level)
    }

    verify_stories! {
        scene:
        a_lost_answer_is_resolved_as_committed,
        a_charge_whose_commit_is_lost_takes_effect_once,
        a_resolver_waits_for_a_transaction_in_flight_that_commits,
        a_resolver_waits_for_a_transaction_in_flight_that_rolls_back,
        a_fence_whose_answer_is_lost_is_resolved_like_any_commit,
    }

    #[test]
    fn verified_transactions_do_not_conflict_for_their_tokens() {
        let scene = scene("no_conflicts");
        scene.engine.create_commit_table().expect("it may be made");
        let written = Meeting::new("both have written, and none has committed", 2);
        thread::scope(|threads| {
            for _ in 0..2 {
                threads.spawn(|| {
                    let charged = scene.engine.begin(|session| {
                        session.batch_execute("INSERT INTO charges VALUES (1)")?;
                        let token = session.commit_token()?;
                        written.meet();
                        Ok(token)
                    });
                    charged.expect("nothing was read that the other one writes");
                });
            }
        });
        assert_eq!((scene.charged(), scene.tokens("committed")), (2, 2));
    }
}

/// A token of a transaction that was rolled back.
fn rolled_back(scene: &Scene<PgConnection>) -> CommitToken {
    scene.engine.create_commit_table().expect("it may be made");
    let mut token = None;
    let refused = scene.engine.begin(|session| {
        token = Some(session.commit_token()?);
        Err::<(), _>(aludel::Error::other("no"))
    });
    refused.expect_err("it said so");
    token.expect("it was given out")
}

#[test]
fn a_server_that_remembers_the_abort_needs_no_fence() {
    let scene = scene("remembers");
    let token = rolled_back(&scene);
    let found = scene.engine.resolve(&token, PATIENCE).expect("the server is there");
    assert_eq!((found, scene.tokens("fenced")), (Resolution::NotCommitted, 0));
}

#[test]
fn a_number_of_another_timeline_or_server_says_nothing() {
    let scene = scene("elsewhere");
    for (part, other) in [(5, "1"), (7, "4711")] {
        let token = rolled_back(&scene).to_string();
        let mut parts: Vec<&str> = token.split('-').collect();
        parts[part] = other;
        let token = parts.join("-").parse().expect("it has the form of one");
        let fences = scene.tokens("fenced");
        let found = scene.engine.resolve(&token, PATIENCE).expect("the server is there");
        assert_eq!((found, scene.tokens("fenced")), (Resolution::NotCommitted, fences + 1));
    }
}

#[test]
fn a_number_that_was_given_out_again_is_not_believed() {
    let scene = scene("reused");
    let committed = scene.engine.begin(Session::commit_token).expect("it is committed");
    // As after a crash before which nothing of ours had reached the disk: the number is somebody else's, who committed.
    let ours = rolled_back(&scene).to_string();
    let theirs = committed.to_string();
    let (mut parts, number): (Vec<&str>, _) = (ours.split('-').collect(), theirs.split('-').nth(6));
    parts[6] = number.expect("PostgreSQL has numbers");
    let token = parts.join("-").parse().expect("it has the form of one");
    let found = scene.engine.resolve(&token, PATIENCE).expect("the server is there");
    assert_eq!(found, Resolution::NotCommitted);
}

/// What is committed on this server and waits for another one that must have it as well is in flight: it is neither
/// visible nor can it be fenced off. Terminated, it has happened.
#[test]
fn a_commit_that_waits_for_a_standby_has_happened_when_it_is_cut() {
    let server = postgres::private();
    let scene = Scene::<PgConnection>::set(server.database("standby").url(), ask);
    scene.engine.create_commit_table().expect("it may be made");
    let wait_for = |standby: &str| {
        server.execute(&format!("ALTER SYSTEM SET synchronous_standby_names = '{standby}'"));
        server.execute("SELECT pg_reload_conf()");
    };
    wait_for("nobody");
    let set =
        "SELECT CASE WHEN current_setting('synchronous_standby_names') = 'nobody' THEN 1 ELSE 0 END::bigint AS value";
    poll::until("the server waits for a standby", PATIENCE, || {
        (scene.ask(set) == 1).then_some(())
    });
    let error = thread::scope(|threads| {
        let mut session = scene.engine.session();
        session
            .batch_execute("INSERT INTO charges VALUES (1)")
            .expect("the table is there");
        session.commit_token().expect("the table is there");
        let backend = session.backend_id().expect("it answers").expect("it has one");
        let commit = threads.spawn(move || session.commit());
        let waits =
            format!("SELECT count(*) AS value FROM pg_stat_activity WHERE pid = {backend} AND wait_event = 'SyncRep'");
        poll::until("COMMIT waits for the standby", PATIENCE, || {
            (scene.ask(&waits) == 1).then_some(())
        });
        server.terminate(i32::try_from(backend).expect("a process number fits"));
        commit
            .join()
            .expect("it does not panic")
            .expect_err("its connection was ended")
    });
    wait_for("");
    let token = error.commit_token().expect("it has one");
    let found = scene.stranger().resolve(token, PATIENCE).expect("the server is there");
    assert_eq!((found, scene.charged()), (Resolution::Committed, 1), "{error}");
}

/// Who may not make the table is told so before anything has begun, with what to do.
#[test]
fn a_table_that_may_not_be_made_is_told_before_the_transaction() {
    let server = postgres::server();
    let database = server.database("not_allowed");
    server.execute_in(
        database.name(),
        "CREATE SCHEMA theirs; CREATE TABLE theirs.charges (amount BIGINT NOT NULL); \
         GRANT USAGE ON SCHEMA theirs TO PUBLIC; GRANT ALL ON theirs.charges TO PUBLIC",
    );
    let url = database.url_with("search_path", "theirs");
    let engine = Engine::<PgConnection>::new(url.as_str()).expect("the URL is a good one");
    let mut session = engine.session();
    let builder = session.build_transaction().verified();
    let error = builder
        .run(|session| Ok(session.batch_execute("INSERT INTO charges VALUES (1)")?))
        .expect_err("there is no table of tokens");
    assert_eq!(error.outcome(), Some(aludel::Outcome::NotBegun), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("permission denied for schema theirs"), "{text}");
    assert!(text.contains("make it by migration (CommitTable::sql)"), "{text}");

    // As a migration would.
    let sql = aludel::verify::CommitTable::sql(aludel::Flavour::PostgreSql);
    let grant = "GRANT SELECT, INSERT, DELETE ON aludel_commits TO PUBLIC";
    server.execute_in(database.name(), &format!("SET search_path = theirs; {sql}{grant}"));
    session
        .build_transaction()
        .verified()
        .run(|session| Ok(session.batch_execute("INSERT INTO charges VALUES (1)")?))
        .expect("it is there now");
}

/// What the network does to a COMMIT.
mod through_a_proxy {
    use super::*;

    fn told(story: fn(&Scene<PgConnection>, &Proxy)) {
        let server = postgres::server();
        let proxy = Proxy::postgres(server.port());
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
