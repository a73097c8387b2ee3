//! What a program may be made of.

use std::time::Duration;

use aludel::pool::{PoolOptions, PrePing, ResetOnReturn};
use proptest::collection::vec;
use proptest::prelude::*;

use super::options_of;

/// All times of a program are multiples of it.
pub(super) const MOMENT: Duration = Duration::from_secs(20);

/// A pool's settings, and what is done with it.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) options: PoolOptions,
    pub(super) steps: Vec<Step>,
}

/// A number stands for one of those that are held, counted round; where none is, the step does nothing.
#[derive(Clone, Debug)]
pub(super) enum Step {
    CheckOut,
    Return(u8),
    /// A transaction is left open.
    Begin(u8),
    /// An isolation level is set.
    Set(u8, u8),
    /// A driver call does not come back.
    Hang(u8),
    /// The driver notices that the connection is dead.
    Break(u8),
    Invalidate(u8),
    /// To be closed on return.
    SoftInvalidate(u8),
    Detach(u8),
    /// One that was detached is dropped.
    DropDetached(u8),
    /// The raw connection is taken out.
    TakeOut(u8),
    /// Reports the current generation, or one that was current some time ago.
    Retire(u8),
    Dispose,
    /// That many times [`MOMENT`] passes.
    Pass(u8),
    /// What the maintenance thread would do now and then.
    Maintain,
    /// The next call of this kind goes wrong.
    Next(Call, Fault),
}

/// What a pool asks of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Connect,
    Ping,
    Reset,
    Hook,
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Fail,
    Panic,
    /// A hook wants another connection; elsewhere it fails.
    Reconnect,
}

pub(super) fn programs() -> impl Strategy<Value = Program> {
    (options(), vec(step(), 1..40)).prop_map(|(options, steps)| Program { options, steps })
}

fn options() -> impl Strategy<Value = PoolOptions> {
    let pre_ping = prop_oneof![
        Just(PrePing::Never),
        Just(PrePing::Always),
        Just(PrePing::IdleFor(2 * MOMENT))
    ];
    let reset = prop_oneof![
        4 => Just(ResetOnReturn::Rollback),
        1 => Just(ResetOnReturn::Commit),
        1 => Just(ResetOnReturn::Full),
        1 => Just(ResetOnReturn::None)
    ];
    let size = (1_usize..4, 0_usize..3, any::<bool>(), 0_usize..4);
    // Recycling, idle time-out, keep-alive; lifetime by tenths, of which the last one is left to chance: no step leads there.
    let times = (some(1..6), some(1..6), some(1..6), some(5..6));
    (size, times, pre_ping, reset).prop_map(
        |(
            (size, overflow, use_lifo, min_idle),
            (pool_recycle, idle_timeout, keepalive, max_lifetime),
            pre_ping,
            reset_on_return,
        )| PoolOptions {
            min_idle,
            idle_timeout,
            keepalive,
            max_lifetime,
            use_lifo,
            pre_ping,
            reset_on_return,
            pool_recycle,
            ..options_of(size, overflow)
        },
    )
}

fn some(moments: std::ops::Range<u32>) -> impl Strategy<Value = Option<Duration>> {
    proptest::option::of(moments.prop_map(|moments| moments * MOMENT))
}

fn step() -> impl Strategy<Value = Step> {
    let call = prop_oneof![
        Just(Call::Connect),
        Just(Call::Ping),
        Just(Call::Reset),
        Just(Call::Hook)
    ];
    let fault = prop_oneof![Just(Fault::Fail), Just(Fault::Panic), Just(Fault::Reconnect)];
    prop_oneof![
        12 => Just(Step::CheckOut),
        10 => any::<u8>().prop_map(Step::Return),
        4 => any::<u8>().prop_map(Step::Begin),
        2 => (any::<u8>(), 0_u8..3).prop_map(|(which, level)| Step::Set(which, level)),
        1 => any::<u8>().prop_map(Step::Hang),
        1 => any::<u8>().prop_map(Step::Break),
        2 => any::<u8>().prop_map(Step::Invalidate),
        2 => any::<u8>().prop_map(Step::SoftInvalidate),
        1 => any::<u8>().prop_map(Step::Detach),
        1 => any::<u8>().prop_map(Step::DropDetached),
        1 => any::<u8>().prop_map(Step::TakeOut),
        2 => (0_u8..3).prop_map(Step::Retire),
        1 => Just(Step::Dispose),
        4 => (1_u8..4).prop_map(Step::Pass),
        5 => Just(Step::Maintain),
        4 => (call, fault).prop_map(|(call, fault)| Step::Next(call, fault)),
    ]
}
