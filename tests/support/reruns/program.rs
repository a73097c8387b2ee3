//! What a random program is, and how one is made.

use aludel::Phase;
use proptest::prelude::*;

use super::databases::Damage;
use super::swallowed::Treatment;
use crate::wire::rules::Again;

/// Calls on one session, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) calls: Vec<Call>,
    /// Each call has a session of its own.
    pub(super) fresh: bool,
}

/// A whole transaction.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) around: Around,
    /// Where it is a function of ours it runs on an ambient session.
    pub(super) ambient: bool,
    pub(super) body: Body,
}

/// Who begins it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Around {
    Begin,
    Diesel,
    Raw,
    Transactional,
    Retry,
    /// `Session::retry` with a closure, and errors of ours.
    Closure,
    Verified,
    Promised,
}

/// What it does: its parts, and then it may fail because it wants to.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) parts: Vec<Part>,
    pub(super) fails: bool,
}

/// One of its parts, and what is made of an error of it.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) what: What,
    pub(super) treatment: Treatment,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// Writes a step. Numbers are given once the program is complete.
    Step(u32),
    /// A statement that the database refuses by itself.
    Mistake,
    /// The next statement of this phase meets this: once, however often this runs.
    Strike(u32, Phase, Damage),
    /// A part with an end of its own.
    Scope(Inner, Body),
}

/// What a part with an end of its own is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inner {
    Nested,
    Begin,
    Diesel,
    Transactional,
    /// `#[transactional(nested)]`.
    Part,
    Retry,
    Verified,
    Promised,
}

impl Around {
    /// When a call may run again.
    pub(super) fn again(self) -> Again {
        match self {
            Self::Begin | Self::Diesel | Self::Raw | Self::Transactional => Again::Never,
            Self::Retry | Self::Closure => Again::Known,
            Self::Verified => Again::Verified,
            Self::Promised => Again::Promised,
        }
    }
}

const PHASES: [Phase; 8] = [
    Phase::Begin,
    Phase::Statement,
    Phase::Savepoint,
    Phase::Release,
    Phase::RollbackTo,
    Phase::Rollback,
    Phase::Commit,
    Phase::Commit,
];

/// More parts take longer, and find what takes more to come about.
const PARTS: std::ops::Range<usize> = 1..5;

/// A strategy for proptest.
pub(super) fn programs() -> impl Strategy<Value = Program> {
    let around = prop::sample::select(vec![
        Around::Begin,
        Around::Diesel,
        Around::Raw,
        Around::Transactional,
        Around::Retry,
        Around::Retry,
        Around::Closure,
        Around::Verified,
        Around::Promised,
    ]);
    let call = (around, any::<bool>(), body(part()));
    let call = call.prop_map(|(around, ambient, body)| Call { around, ambient, body });
    (prop::collection::vec(call, 1..4), any::<bool>()).prop_map(|(calls, fresh)| {
        let mut program = Program { calls, fresh };
        let mut last = 0;
        for call in &mut program.calls {
            number(&mut call.body, &mut last);
        }
        program
    })
}

fn body(part: impl Strategy<Value = Part>) -> impl Strategy<Value = Body> {
    let fails = prop::bool::weighted(0.1);
    (prop::collection::vec(part, PARTS), fails).prop_map(|(parts, fails)| Body { parts, fails })
}

fn part() -> impl Strategy<Value = Part> {
    let phases = prop::sample::select(PHASES.to_vec());
    let damages = prop::sample::select(Damage::ALL.to_vec());
    let plain = prop_oneof![
        6 => Just(What::Step(0)),
        1 => Just(What::Mistake),
        3 => (phases, damages).prop_map(|(phase, damage)| What::Strike(0, phase, damage)),
    ];
    let plain = (plain, treatments()).prop_map(|(what, treatment)| Part { what, treatment });
    plain.prop_recursive(3, 16, 4, |part| {
        let inner = prop::sample::select(vec![
            Inner::Nested,
            Inner::Nested,
            Inner::Begin,
            Inner::Diesel,
            Inner::Transactional,
            Inner::Part,
            Inner::Retry,
            Inner::Verified,
            Inner::Promised,
        ]);
        let scope = (inner, body(part)).prop_map(|(inner, body)| What::Scope(inner, body));
        (scope, treatments()).prop_map(|(what, treatment)| Part { what, treatment })
    })
}

/// Most programs pass errors on.
fn treatments() -> impl Strategy<Value = Treatment> {
    prop_oneof![
        5 => Just(Treatment::Passed),
        1 => Just(Treatment::Wrapped),
        1 => Just(Treatment::Text),
        1 => Just(Treatment::Swallowed),
    ]
}

/// Each step and each blow has a number of its own, and the same one in every run.
fn number(body: &mut Body, last: &mut u32) {
    for part in &mut body.parts {
        match &mut part.what {
            What::Step(number) | What::Strike(number, ..) => {
                *last += 1;
                *number = *last;
            }
            What::Mistake => {}
            What::Scope(_, body) => number(body, last),
        }
    }
}
