//! The threads that carry out orders, and what they remember.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aludel::prelude::*;
use aludel::verify::CommitToken;

use super::audit::Fate;
use super::books::{Account, Books, Line, Order};
use super::resolve;
use super::tally::Tally;
use super::transfer::{self, Answer, Gambit, Way};

/// How long an unknown transfer is looked for while the chaos goes on; what is left is resolved when it is over.
const RESOLVE_WITHIN: Duration = Duration::from_secs(20);

/// What all clerks of a run share.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) begun: Instant,
    pub(super) over: AtomicBool,
    pub(super) somebody_died: AtomicBool,
    next_order: AtomicI64,
    /// How many transfers each clerk has had acknowledged.
    acknowledged: Vec<AtomicU64>,
}

/// One order, and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Deal {
    pub(super) order: Order,
    pub(super) way: Way,
    pub(super) fate: Fate,
    /// What an unknown one can be asked for with, if it was verified.
    pub(super) token: Option<CommitToken>,
    /// Since the run began.
    pub(super) answered: Duration,
}

impl Course {
    pub(super) fn new(clerks: usize) -> Self {
        Self {
            begun: Instant::now(),
            over: AtomicBool::new(false),
            somebody_died: AtomicBool::new(false),
            next_order: AtomicI64::new(1),
            acknowledged: (0..clerks).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// How many transfers the least successful clerk has had acknowledged so far, and all together.
    pub(super) fn acknowledged(&self) -> Vec<u64> {
        self.acknowledged
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect()
    }
}

/// Carries out orders until the day is over.
pub(super) fn work<C>(
    number: usize,
    seed: u64,
    course: &Course,
    engine: &Engine<C>,
    office: &Engine<C>,
    tally: &Tally,
) -> Vec<Deal>
where
    C: Dialect<Backend: Books>,
    Account: Persist<C::Backend>,
    Line: Persist<C::Backend>,
{
    let mut random = fastrand::Rng::with_seed(seed);
    let mut kept = engine.session();
    let mut deals = Vec::new();
    while !course.over.load(Ordering::Relaxed) {
        let order = Order::random(course.next_order.fetch_add(1, Ordering::Relaxed), &mut random);
        let way = Way::ALL[random.usize(..Way::ALL.len())];
        let gambit = match random.u8(..4) {
            0 => Gambit::Refusal,
            1 => Gambit::Collision,
            _ => Gambit::None,
        };
        let mut token = None;
        let fate = match transfer::carry_out(way, engine, &mut kept, &order, gambit) {
            Answer::Done => {
                course.acknowledged[number].fetch_add(1, Ordering::Relaxed);
                Fate::Acknowledged
            }
            Answer::Refused(error) => {
                tally.note_refusal(way, &error);
                Fate::Refused
            }
            Answer::Unknown(error) => {
                tally.note_refusal(way, &error);
                token = error.commit_token().copied();
                Fate::Unknown(resolve::resolve(office, &order, token.as_ref(), RESOLVE_WITHIN).ok())
            }
        };
        deals.push(Deal {
            order,
            way,
            fate,
            token,
            answered: course.begun.elapsed(),
        });
    }
    deals
}
