//! COMMITs in a network that fails.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use aludel::prelude::*;
use aludel::verify::{CommitToken, Resolution};
use aludel::{Dialect, Flavour};
use diesel::connection::SimpleConnection as _;

use super::{Ask, CHARGE, PATIENCE, Scene, charge};
use crate::Gate;
use crate::proxy::{Fault, Proxy, Trigger};
use crate::stories::outline;

/// A scene whose engine goes through a proxy; strangers go straight to the server.
///
/// # Panics
///
/// As [`Scene::set`].
pub fn behind<C: Dialect>(proxy: &Proxy, url: &str, ask: Ask<C>) -> Scene<C> {
    let mut scene = Scene::set(url, ask);
    let builder = Engine::<C>::builder(proxy.url(url)).faults(scene.script.clone());
    let builder = builder.listen(outline(&scene.log));
    scene.engine = builder.build().expect("the URL is a good one");
    scene.engine.create_commit_table().expect("it may be made");
    scene
}

/// However the connection ends around a COMMIT, that of the fence included, each charge takes effect once.
///
/// # Panics
///
/// If it is not so.
pub fn a_network_that_cuts_commits_charges_once<C: Dialect>(scene: &Scene<C>, proxy: &Proxy) {
    let cases: [(&[Fault], u32); 6] = [
        (&[Fault::CutBefore], 2),
        (&[Fault::CutAfter], 1),
        (&[Fault::ResetBefore], 2),
        (&[Fault::ResetAfter], 1),
        // The second is the fence's; that of the second run, where PostgreSQL remembers the abort and needs no fence.
        (&[Fault::CutBefore, Fault::CutBefore], 2),
        (&[Fault::CutBefore, Fault::CutAfter], 2),
    ];
    for (charged, (faults, runs_until_then)) in (1..).zip(cases) {
        let fired = proxy.fired();
        for fault in faults {
            proxy.when(Trigger::Commit).then(fault.clone());
        }
        let (runs, told) = (AtomicU32::new(0), Arc::new(AtomicU32::new(0)));
        let run = charge(&mut scene.engine.session(), &runs, &told).expect("in the end it is committed");
        let cut = usize::try_from(proxy.fired() - fired).expect("they are few");
        assert_eq!((told.load(Ordering::Relaxed), cut), (1, faults.len()), "{faults:?}");
        assert!(
            run == runs_until_then || (C::FLAVOUR == Flavour::PostgreSql && cut == 2),
            "{run}, {faults:?}"
        );
        assert_eq!(scene.charged(), charged, "{faults:?}: {:?}", scene.log);
    }
    scene.assert_whole();
}

/// One charge, whose token others know before its COMMIT.
fn charge_and_tell<C: Dialect>(scene: &Scene<C>, given: &Gate, token: &OnceLock<CommitToken>) -> aludel::Result<()> {
    scene.engine.begin(|session| {
        session.batch_execute(CHARGE)?;
        token.set(session.commit_token()?).expect("nobody else sets it");
        given.pass();
        Ok(())
    })
}

/// A COMMIT that gets lost in a network which closes nothing: the server waits for it, and holds the row. It is ended by
/// force; the client, which hears of nothing, learns the same later.
///
/// # Panics
///
/// If it is not so.
pub fn a_commit_in_a_black_hole_is_ended_by_force<C: Dialect>(scene: &Scene<C>, proxy: &Proxy) {
    let (given, token) = (Gate::new("the token is given out"), OnceLock::new());
    proxy.when(Trigger::Commit).then(Fault::SwallowBefore);
    thread::scope(|threads| {
        let client = threads.spawn(|| charge_and_tell(scene, &given, &token));
        given.wait();
        proxy.wait_until_fired(1);
        let token = token.get().expect("it was given out");
        let error = scene
            .stranger()
            .resolve(token, Duration::ZERO)
            .expect_err("it is in flight");
        assert!(error.is_commit_unknown(), "{error}");
        let found = scene.stranger().resolve_by_force(token, PATIENCE);
        assert_eq!(found.expect("it is ended"), Resolution::NotCommitted);
        proxy.release();
        let error = client.join().expect("it does not panic").expect_err("it is cut off");
        assert_eq!(
            (error.is_commit_unknown(), error.commit_token()),
            (true, Some(token)),
            "{error}"
        );
        assert_eq!(scene.resolve(token), Resolution::NotCommitted);
    });
    assert_eq!(scene.charged(), 0);
    scene.assert_whole();
}

/// A COMMIT that is late: as long as it may still arrive nobody is told that it has not happened.
///
/// # Panics
///
/// If it is not so.
pub fn a_late_commit_is_never_called_not_committed<C: Dialect>(scene: &Scene<C>, proxy: &Proxy) {
    let (given, token) = (Gate::new("the token is given out"), OnceLock::new());
    proxy.when(Trigger::Commit).then(Fault::Hold);
    thread::scope(|threads| {
        let client = threads.spawn(|| charge_and_tell(scene, &given, &token));
        given.wait();
        proxy.wait_until_fired(1);
        let token = token.get().expect("it was given out");
        let resolver = threads.spawn(|| scene.resolve(token));
        let error = scene
            .stranger()
            .resolve(token, Duration::ZERO)
            .expect_err("it is in flight");
        assert!(error.is_commit_unknown(), "{error}");
        proxy.release();
        client
            .join()
            .expect("it does not panic")
            .expect("its COMMIT has arrived");
        assert_eq!(resolver.join().expect("it does not panic"), Resolution::Committed);
    });
    assert_eq!(scene.charged(), 1);
    scene.assert_whole();
}
