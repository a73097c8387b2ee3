//! How a random program is played, and what its caller is told.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;

use aludel::prelude::*;
use aludel::{Error, Outcome, RetryPolicy};

use super::databases::Grounds;
use super::functions;
use super::ground::Scene;
use super::joined::{in_raw_sql, through_diesel};
use super::program::{Around, Body, Call, Inner, Part, What};
use super::swallowed::Trouble;
use super::told::{Told as Wire, write};
use crate::wire::rules::{Again, Step};

/// More than the blows of a program.
const ATTEMPTS: u32 = 20;

/// One call of a program.
pub(super) struct Play<'s, C: Grounds> {
    scene: &'s Scene<'s, C>,
    call: u32,
    run: Cell<u32>,
    /// The steps that are to stay, as far as the body knows: those of the outermost, then of each part in it that has not
    /// ended.
    kept: RefCell<Vec<Vec<Step>>>,
    /// Blows that were dealt.
    dealt: RefCell<BTreeSet<u32>>,
}

/// What the caller knows when it is over.
pub(super) struct Answer {
    call: u32,
    around: Around,
    told: Told,
    /// The steps of the last run that must be there if it was committed.
    kept: Vec<Step>,
    last_run: u32,
}

enum Told {
    Done,
    Failed(Trouble),
    Unknown,
}

impl<'s, C: Grounds> Play<'s, C> {
    /// Plays a call, whose number is this.
    pub(super) fn play(scene: &'s Scene<'s, C>, session: &mut Session<C>, number: u32, call: &Call) -> Answer {
        let play = Self {
            scene,
            call: number,
            run: Cell::new(0),
            kept: RefCell::default(),
            dealt: RefCell::default(),
        };
        let result = play.outermost(session, call);
        let told = match result {
            Ok(()) => Told::Done,
            Err(trouble) if trouble.ours().is_some_and(Error::is_commit_unknown) => Told::Unknown,
            Err(trouble) => Told::Failed(trouble),
        };
        let mut kept = play.kept.take().into_iter().flatten().collect::<Vec<_>>();
        kept.sort();
        Answer {
            call: number,
            around: call.around,
            told,
            kept,
            last_run: play.run.get(),
        }
    }

    fn outermost(&self, session: &mut Session<C>, Call { around, ambient, body }: &Call) -> Result<(), Trouble> {
        let run = |session: &mut Session<C>| self.run(&mut Hand::Lent(session), body);
        let alone = || self.run(&mut Hand::Ambient, body);
        match (around, ambient) {
            (Around::Begin, _) => session.begin_with(run),
            (Around::Diesel, _) => through_diesel(session, run),
            (Around::Raw, _) => in_raw_sql(session, run),
            (Around::Closure, _) => {
                let policy = RetryPolicy::new().attempts(ATTEMPTS);
                let ours = |trouble| match trouble {
                    Trouble::Ours(error) => error,
                    other => Error::other(other.to_string()),
                };
                Ok(session.retry(&policy, |session| run(session).map_err(ours))?)
            }
            (Around::Transactional, false) => functions::transactional(session, &run),
            (Around::Retry, false) => functions::known(session, &run),
            (Around::Verified, false) => functions::verified(session, &run),
            (Around::Promised, false) => functions::promised(session, &run),
            (around, true) => self.scene.engine.scope(|| match around {
                Around::Transactional => functions::ambient_transactional(&alone),
                Around::Verified => functions::ambient_verified(&alone),
                Around::Promised => functions::ambient_promised(&alone),
                _ => functions::ambient_known(&alone),
            }),
        }
    }

    /// One run of the outermost body.
    fn run(&self, hand: &mut Hand<'_, C>, body: &Body) -> Result<(), Trouble> {
        self.run.set(self.run.get() + 1);
        self.kept.replace(vec![Vec::new()]);
        self.body(hand, body)
    }

    fn body(&self, hand: &mut Hand<'_, C>, body: &Body) -> Result<(), Trouble> {
        for part in &body.parts {
            part.treatment.of(self.part(hand, part))?;
        }
        if body.fails {
            Err(Trouble::Text("on purpose".to_owned()))
        } else {
            Ok(())
        }
    }

    fn part(&self, hand: &mut Hand<'_, C>, part: &Part) -> Result<(), Trouble> {
        match &part.what {
            What::Step(number) => {
                let step = Step {
                    call: self.call,
                    run: self.run.get(),
                    number: *number,
                };
                hand.with(|session| Ok(write(session, step, number.is_multiple_of(2))?))?;
                self.kept
                    .borrow_mut()
                    .last_mut()
                    .expect("the call has begun")
                    .push(step);
                Ok(())
            }
            What::Mistake => hand.with(|session| {
                C::execute(session, "INSERT INTO steps VALUES (0, 0, NULL)")?;
                Ok(())
            }),
            What::Strike(number, phase, damage) => {
                if self.dealt.borrow_mut().insert(*number) {
                    self.scene.strike(*phase, *damage);
                }
                Ok(())
            }
            What::Scope(inner, body) => {
                self.kept.borrow_mut().push(Vec::new());
                let result = self.scope(hand, *inner, body);
                let mut kept = self.kept.borrow_mut();
                let steps = kept.pop().expect("it was pushed");
                if result.is_ok() {
                    kept.last_mut().expect("the call has begun").extend(steps);
                }
                result
            }
        }
    }

    fn scope(&self, hand: &mut Hand<'_, C>, inner: Inner, body: &Body) -> Result<(), Trouble> {
        let run = |session: &mut Session<C>| self.body(&mut Hand::Lent(session), body);
        let alone = || self.body(&mut Hand::Ambient, body);
        let lent = match (&mut *hand, inner) {
            (Hand::Ambient, Inner::Transactional) => return functions::ambient_transactional(&alone),
            (Hand::Ambient, Inner::Part) => return functions::ambient_part(&alone),
            (Hand::Ambient, Inner::Retry) => return functions::ambient_known(&alone),
            (Hand::Ambient, Inner::Verified) => return functions::ambient_verified(&alone),
            (Hand::Ambient, Inner::Promised) => return functions::ambient_promised(&alone),
            _ => hand,
        };
        lent.with(|session| match inner {
            Inner::Nested => session.begin_nested_with(run),
            Inner::Begin => session.begin_with(run),
            Inner::Diesel => through_diesel(session, run),
            Inner::Transactional => functions::transactional(session, &run),
            Inner::Part => functions::part(session, &run),
            Inner::Retry => functions::known(session, &run),
            Inner::Verified => functions::verified(session, &run),
            Inner::Promised => functions::promised(session, &run),
        })
    }
}

/// How a body reaches its session.
enum Hand<'h, C: Grounds> {
    Lent(&'h mut Session<C>),
    Ambient,
}

impl<C: Grounds> Hand<'_, C> {
    fn with(&mut self, f: impl FnOnce(&mut Session<C>) -> Result<(), Trouble>) -> Result<(), Trouble> {
        match self {
            Self::Lent(session) => f(session),
            Self::Ambient => aludel::current_with(f),
        }
    }
}

impl Answer {
    /// When the call may run again.
    pub(super) fn again(&self) -> Again {
        self.around.again()
    }

    /// What the caller was told is what is there: all of the last run, or nothing, once.
    pub(super) fn compare(&self, wire: &Wire) -> Result<(), String> {
        let there = wire.of_call(self.call);
        let (last, earlier): (Vec<Step>, Vec<Step>) = there.into_iter().partition(|step| step.run == self.last_run);
        // Of a run that was given up something may be there only where its author has promised that it does no harm.
        let promised = self.again() == Again::Promised;
        let right = match &self.told {
            Told::Done => last == self.kept,
            Told::Failed(trouble) if promised => {
                let lies = |error: &Error| matches!(error.outcome(), Some(Outcome::RolledBack | Outcome::NotBegun));
                let nothing = last.is_empty() && earlier.is_empty();
                nothing || !trouble.ours().is_some_and(lies) && (last.is_empty() || last == self.kept)
            }
            Told::Failed(_) => last.is_empty(),
            Told::Unknown => last.is_empty() || last == self.kept,
        };
        if right && (earlier.is_empty() || promised) {
            Ok(())
        } else {
            Err(format!(
                "{self}, and there is {last:?} of run {}, and of earlier ones {earlier:?}\n{wire}",
                self.last_run
            ))
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, kept, .. } = self;
        match &self.told {
            Told::Done => write!(f, "call {call} is done, with {kept:?}"),
            Told::Failed(trouble) => write!(f, "call {call} has failed: {trouble}"),
            Told::Unknown => write!(f, "nobody knows of call {call}, with {kept:?}"),
        }
    }
}
