//! How a program is made.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::program::{Change, Deed, Leave, Look, Make, Pick, Plan, Program, Step, Way, Which};

/// Steps of a program; with those in savepoints there are some more. More of them find what takes more to come about, and cost
/// as much time as more programs.
const STEPS: std::ops::Range<usize> = 1..36;
/// Steps in a savepoint.
const INNER: std::ops::Range<usize> = 1..7;
/// Objects that are added at once.
const AT_ONCE: std::ops::Range<u8> = 1..31;

/// A strategy for proptest.
pub(super) fn programs() -> impl Strategy<Value = Program> {
    let options = (prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    (vec(step(outermost(), 2), STEPS), options).prop_map(|(steps, (keeps, sparing))| Program { steps, keeps, sparing })
}

fn step(deed: impl Strategy<Value = Deed> + 'static, depth: u32) -> BoxedStrategy<Step> {
    let deed = if depth == 0 {
        deed.boxed()
    } else {
        let nested =
            (vec(step(inside(), depth - 1), INNER), leave()).prop_map(|(steps, leave)| Deed::Nested(steps, leave));
        prop_oneof![9 => deed, 1 => nested].boxed()
    };
    (deed, look()).prop_map(|(deed, look)| Step { deed, look }).boxed()
}

fn leave() -> impl Strategy<Value = Leave> {
    prop_oneof![3 => Just(Leave::Ok), 2 => Just(Leave::Err)]
}

fn look() -> impl Strategy<Value = Look> {
    prop_oneof![
        14 => Just(Look::Away),
        3 => pick().prop_map(Look::One),
        1 => Just(Look::All),
        1 => Just(Look::Rows),
    ]
}

/// What can be done where a root may end.
fn outermost() -> impl Strategy<Value = Deed> {
    prop_oneof![
        30 => inside(),
        4 => Just(Deed::Commit),
        2 => Just(Deed::Rollback),
        1 => any::<bool>().prop_map(Deed::CutCommit),
        2 => plan().prop_map(Deed::Rival),
    ]
}

fn inside() -> impl Strategy<Value = Deed> {
    prop_oneof![
        30 => adds(),
        30 => edits(),
        18 => leaves(),
        24 => finds(),
        8 => (plan(), way()).prop_map(|(plan, way)| Deed::Plain(plan, way)),
        4 => (plan(), way()).prop_map(|(plan, way)| Deed::Quietly(plan, way)),
        6 => Just(Deed::Flush),
        1 => Just(Deed::Kill),
        2 => any::<u8>().prop_map(Deed::Conflict),
    ]
}

fn adds() -> impl Strategy<Value = Deed> {
    let one = (
        which(),
        any::<u8>(),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.1),
    );
    prop_oneof![
        6 => one.prop_map(|(which, with, keyed, wrong)| Deed::Add(Make { which, with, keyed, wrong })),
        2 => (which(), AT_ONCE).prop_map(|(which, count)| Deed::AddMany(which, count)),
        3 => any::<u8>().prop_map(Deed::AddTo),
        2 => any::<u8>().prop_map(Deed::Answer),
        2 => (pick(), any::<u8>()).prop_map(|(pick, with)| Deed::Merge(pick, with)),
    ]
}

fn edits() -> impl Strategy<Value = Deed> {
    let change = prop_oneof![
        4 => any::<u8>().prop_map(Change::Grade),
        2 => any::<u8>().prop_map(Change::Name),
        2 => any::<u8>().prop_map(Change::Writer),
        2 => which().prop_map(Change::Equal),
        3 => any::<u8>().prop_map(Change::Weight),
        3 => any::<u8>().prop_map(Change::Title),
        1 => prop::bool::weighted(0.7).prop_map(Change::Note),
        3 => any::<u8>().prop_map(Change::Text),
        2 => any::<u8>().prop_map(Change::WriterId),
    ];
    prop_oneof![
        8 => (any::<u8>(), change).prop_map(|(which, change)| Deed::Edit(which, change)),
        1 => (which(), any::<u8>(), any::<u8>()).prop_map(|(which, a, b)| Deed::Swap(which, a, b)),
        1 => (which(), any::<u8>()).prop_map(|(which, with)| Deed::EditAll(which, with)),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(child, parent)| Deed::SetWriter(child, parent)),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(child, parent)| Deed::SetReply(child, parent)),
        1 => any::<u8>().prop_map(Deed::ClearWriter),
        1 => any::<u8>().prop_map(Deed::ClearReply),
    ]
}

fn leaves() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => pick().prop_map(Deed::Delete),
        1 => pick().prop_map(Deed::Expunge),
        1 => pick().prop_map(Deed::Detach),
        2 => pick().prop_map(Deed::Expire),
        1 => Just(Deed::ExpireAll),
        2 => pick().prop_map(Deed::Refresh),
    ]
}

fn finds() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => pick().prop_map(Deed::Read),
        5 => pick().prop_map(Deed::Get),
        2 => (which(), any::<u8>()).prop_map(|(which, first)| Deed::GetMany(which, first)),
        3 => (which(), any::<bool>()).prop_map(|(which, all)| Deed::Query(which, all)),
        1 => any::<u8>().prop_map(Deed::Parents),
        1 => any::<u8>().prop_map(Deed::Letters),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let two = || (any::<u8>(), any::<u8>());
    prop_oneof![
        3 => two().prop_map(|(a, b)| Plan::Grade(a, b)),
        1 => any::<u8>().prop_map(Plan::Bump),
        1 => two().prop_map(|(a, b)| Plan::Rename(a, b)),
        1 => any::<u8>().prop_map(Plan::AddWriter),
        1 => any::<u8>().prop_map(Plan::RemoveWriter),
        2 => two().prop_map(|(a, b)| Plan::Weight(a, b)),
        1 => any::<u8>().prop_map(Plan::WeightAll),
        2 => two().prop_map(|(a, b)| Plan::Retitle(a, b)),
        2 => any::<u8>().prop_map(Plan::AddTopic),
        2 => any::<u8>().prop_map(Plan::RemoveTopic),
        2 => two().prop_map(|(a, b)| Plan::Text(a, b)),
        1 => two().prop_map(|(a, b)| Plan::Give(a, b)),
        2 => any::<u8>().prop_map(Plan::RemoveLetter),
    ]
}

fn way() -> impl Strategy<Value = Way> {
    select(vec![Way::Typed, Way::Typed, Way::Text, Way::Batch])
}

fn pick() -> impl Strategy<Value = Pick> {
    (which(), any::<u8>()).prop_map(|(which, index)| Pick(which, index))
}

fn which() -> impl Strategy<Value = Which> {
    select(vec![Which::Writer, Which::Topic, Which::Letter])
}
