//! Where the stories take place: a database, the way to it, and what goes by there.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use aludel::clock::Clock;
use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::{Dialect, EngineBuilder, Phase};
use diesel::result::DatabaseErrorKind;

use super::databases::{Damage, Grounds, SCHEMA, Words};
use super::told::Told;
use crate::proxy::{Fault, Proxy, Refusal, Trigger};
use crate::wire::rules::{Again, Step};
use crate::wire::{Line, Recorder};

/// A database with a table of steps.
pub struct Ground<C: Dialect> {
    url: String,
    outside: Engine<C>,
    proxy: Option<Proxy>,
    calls: AtomicU32,
    _kept: Box<dyn Any>,
}

impl<C: Grounds> Ground<C> {
    /// An empty one.
    ///
    /// # Panics
    ///
    /// If there is none to be had.
    pub fn open(name: &str) -> Self {
        let (url, kept) = C::place(name);
        let outside = Engine::<C>::new(url.as_str()).expect("the URL of a test is sound");
        let mut raw = outside.raw_connection().expect("the database is there");
        for sql in SCHEMA {
            raw.batch_execute(sql).expect("the database is empty");
        }
        drop(raw);
        outside.create_commit_table().expect("it may be made");
        Self {
            url,
            outside,
            proxy: C::proxy(),
            calls: AtomicU32::new(0),
            _kept: kept,
        }
    }

    /// An engine of its own, whose clock stands still: a pause before a rerun costs no time.
    ///
    /// # Panics
    ///
    /// If it cannot be built.
    pub fn scene(&self) -> Scene<'_, C> {
        self.scene_with(|builder| builder)
    }

    /// The same with other options.
    ///
    /// # Panics
    ///
    /// If it cannot be built.
    pub fn scene_with(&self, options: impl FnOnce(EngineBuilder<C>) -> EngineBuilder<C>) -> Scene<'_, C> {
        let (script, recorder) = (FaultScript::new(), Recorder::default());
        let builder = match &self.proxy {
            Some(proxy) => {
                proxy.take_wire();
                Engine::<C>::builder(proxy.url(&self.url))
            }
            None => recorder.on(Engine::<C>::builder(self.url.as_str())),
        };
        let builder = options(builder.clock(Clock::test().0).faults(script.clone()));
        Scene {
            engine: builder.build().expect("the options fit together"),
            ground: self,
            call: self.numbers(1),
            script,
            recorder,
            commits: RefCell::default(),
        }
    }

    /// The first of so many numbers for calls that nobody else has.
    pub(super) fn numbers(&self, calls: usize) -> u32 {
        let calls = u32::try_from(calls).expect("they are few");
        self.calls.fetch_add(calls, Ordering::Relaxed) + 1
    }

    /// A connection that is none of an engine's under test.
    ///
    /// # Panics
    ///
    /// If the database is not there any more.
    pub fn outside(&self) -> aludel::pool::Checkout<C> {
        self.outside.raw_connection().expect("the database is there")
    }

    /// The steps that are there.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = C::steps(&mut self.outside());
        steps.sort();
        steps
    }
}

impl<C: Dialect> fmt::Debug for Ground<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ground")
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}

/// One engine, from its first connection to its last.
pub struct Scene<'g, C: Dialect> {
    /// It goes through the proxy, or obeys the script.
    pub engine: Engine<C>,
    ground: &'g Ground<C>,
    call: u32,
    script: FaultScript,
    recorder: Recorder,
    /// What the script has for the COMMITs to come.
    commits: RefCell<VecDeque<Option<Damage>>>,
}

impl<C: Grounds> Scene<'_, C> {
    /// The next statement of this phase meets this; a statement is one that writes a step. Whether it can happen here.
    pub fn strike(&self, phase: Phase, damage: Damage) -> bool {
        let happens = damage.cuts() || C::words(damage).is_some();
        if happens {
            match &self.ground.proxy {
                Some(proxy) => proxy.when(trigger(phase)).then(fault::<C>(damage)),
                None => self.queue(phase, damage),
            }
        }
        happens
    }

    /// From now on the COMMITs of those who write steps meet these in turn, and then from the start again; `None` lets one go
    /// by. Who is about to send one says so, since a script has to be told.
    pub(super) fn strike_commits(&self, in_turn: &[Option<Damage>]) {
        match &self.ground.proxy {
            Some(proxy) => {
                let commits = proxy.when(Trigger::Commit).writing("INTO steps").always();
                commits.then_in_turn(in_turn.iter().map(|damage| damage.map(fault::<C>)));
            }
            None => self.commits.replace(in_turn.iter().copied().collect()).clear(),
        }
    }

    /// The same for all COMMITs there are, with the next ones of whoever finds out about them.
    pub(super) fn strike_all_commits(&self, in_turn: &[Option<Damage>]) {
        match &self.ground.proxy {
            Some(proxy) => {
                let commits = proxy.when(Trigger::Commit).always();
                commits.then_in_turn(in_turn.iter().map(|damage| damage.map(fault::<C>)));
            }
            None => self.strike_commits(in_turn),
        }
    }

    /// A COMMIT of somebody who has written steps comes next.
    pub(super) fn about_to_commit(&self) {
        let mut commits = self.commits.borrow_mut();
        if let Some(Some(damage)) = commits.front().copied() {
            self.queue(Phase::Commit, damage);
        }
        let turn = usize::from(!commits.is_empty());
        commits.rotate_left(turn);
    }

    /// The number of its call, where it has only one.
    pub fn call(&self) -> u32 {
        self.call
    }

    fn queue(&self, phase: Phase, damage: Damage) {
        let closed = DatabaseErrorKind::ClosedConnection;
        match damage {
            Damage::CutBefore => self.script.fail_before(phase, closed, Recorder::NEVER_ARRIVED),
            Damage::CutAfter | Damage::Reset => self.script.fail_after(phase, closed, Recorder::ANSWER_LOST),
            _ => {
                let text = C::words(damage).map_or("", |words| words.2);
                self.script.fail_before(phase, DatabaseErrorKind::Unknown, text);
            }
        }
    }

    /// Right before the next COMMIT is sent.
    pub(super) fn before_commit(&self, act: impl FnOnce() + Send + 'static) {
        self.script.call_before(Phase::Commit, act);
    }

    /// What is not due yet never happens.
    fn behave(&self) {
        if let Some(proxy) = &self.ground.proxy {
            proxy.behave();
        }
    }

    /// What went by, once everything is at its end.
    ///
    /// # Panics
    ///
    /// If the engine has lost count of its connections, or one of them does not end.
    pub fn end(self) -> Vec<Line> {
        self.behave();
        let pool = self.engine.pool();
        pool.assert_invariants();
        assert_eq!(pool.checkedout(), 0, "{}", pool.status());
        self.engine.dispose();
        match &self.ground.proxy {
            Some(proxy) => {
                proxy.wait_until_all_have_ended();
                proxy.take_wire()
            }
            None => self.recorder.take(),
        }
    }

    /// Holds the rules against what went by, and the books of the wire against those of the database. `again` says which
    /// calls may run again.
    ///
    /// # Panics
    ///
    /// If a rule was broken.
    #[track_caller]
    pub fn end_by_the_rules(self, again: impl Fn(u32) -> Again) -> Told {
        match self.try_end(again) {
            Ok(told) => told,
            Err(broken) => panic!("{broken}"),
        }
    }

    /// The same for those who want to know what was broken.
    pub(super) fn try_end(self, again: impl Fn(u32) -> Again) -> Result<Told, String> {
        let ground = self.ground;
        Told::by_the_rules(self.end(), again, &ground.steps())
    }
}

impl<C: Dialect> fmt::Debug for Scene<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scene")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

fn trigger(phase: Phase) -> Trigger {
    match phase {
        Phase::Connect => Trigger::Connect,
        Phase::Begin => Trigger::Begin,
        Phase::Savepoint => Trigger::Savepoint,
        Phase::Release => Trigger::Release,
        Phase::RollbackTo => Trigger::RollbackTo,
        Phase::Commit => Trigger::Commit,
        Phase::Rollback => Trigger::Rollback,
        _ => Trigger::Containing("INTO steps"),
    }
}

fn fault<C: Grounds>(damage: Damage) -> Fault {
    match (damage, C::words(damage)) {
        (Damage::CutBefore, _) => Fault::CutBefore,
        (Damage::Reset, _) => Fault::ResetAfter,
        (_, Some(Words(number, sqlstate, text))) => Fault::Answer(Refusal::mysql(number, sqlstate, text)),
        (_, None) => Fault::CutAfter,
    }
}
