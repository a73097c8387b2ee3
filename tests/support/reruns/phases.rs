//! Every kind of failure, in every phase of a transaction.

use aludel::prelude::*;
use aludel::{Flavour, Outcome, Phase};

use super::databases::{Damage, Grounds};
use super::diary::{Diary, happens};
use super::ground::Ground;
use crate::wire::rules::Again;

/// One of everything that a transaction can do.
#[retry(attempts = 3)]
fn work<C: Grounds>(session: &mut Session<C>, diary: &Diary<'_, C>) -> aludel::Result<()> {
    diary.begins();
    diary.step(session, 1)?;
    session.begin_nested(|nested| diary.step(nested, 2))?;
    let undone: aludel::Result<()> = session.begin_nested(|nested| {
        diary.step(nested, 3)?;
        Err(aludel::Error::other("too much"))
    });
    match undone {
        Err(error) if error.to_string().starts_with("too much") => {}
        other => other?,
    }
    diary.step(session, 4)
}

const WORK: [&str; 11] = [
    "BEGIN",
    "step 1",
    "SAVEPOINT",
    "step 2",
    "RELEASE",
    "SAVEPOINT",
    "step 3",
    "ROLLBACK TO",
    "RELEASE",
    "step 4",
    "COMMIT",
];

/// Before which step of the first run the next statement of a phase is struck; before 0 is before the call. And how many
/// of [`WORK`] have been said by then.
const PLACES: [(u32, Phase, usize); 11] = [
    (0, Phase::Begin, 1),
    (1, Phase::Statement, 2),
    (1, Phase::Savepoint, 3),
    (2, Phase::Statement, 4),
    (2, Phase::Release, 5),
    (3, Phase::Statement, 7),
    (3, Phase::RollbackTo, 8),
    (3, Phase::Release, 9),
    (4, Phase::Statement, 10),
    (4, Phase::Commit, 11),
    (4, Phase::Rollback, 0),
];

/// What must come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// It is done, after so many runs of the body.
    Done(u32),
    /// It is not, for good.
    Failed,
    /// Nobody knows.
    Unknown,
}

fn ending<C: Grounds>(phase: Phase, damage: Damage) -> Ending {
    // A database in the same process has no answers that could get lost.
    let unheard = damage.cuts() || damage == Damage::Refused && C::FLAVOUR != Flavour::Sqlite;
    match (phase, damage) {
        // There is none where all goes well.
        _ if phase == Phase::Rollback => Ending::Done(1),
        (Phase::Commit, _) if unheard => Ending::Unknown,
        (_, Damage::Refused) => Ending::Failed,
        // The body has not begun, and BEGIN is said again.
        (Phase::Begin, _) => Ending::Done(1),
        _ => Ending::Done(2),
    }
}

/// A conflict, a lock, a host that takes no writes, a lost connection: whatever is worth another run, in whichever phase,
/// leads to a whole second run after a rollback. What is not worth one fails, and a COMMIT of which nobody knows is the last
/// word.
///
/// # Panics
///
/// If it is not so.
pub fn each_failure_at_each_phase<C: Grounds>() {
    let ground = Ground::<C>::open("phases");
    for (step, phase, said_before) in PLACES {
        for damage in Damage::ALL {
            if !happens::<C>(damage) {
                continue;
            }
            let case = format!("{damage:?} in {phase:?} before step {step}");
            let scene = ground.scene();
            let diary = Diary::new(&scene).struck(step, phase, damage);
            if step == 0 {
                scene.strike(phase, damage);
            }
            let result = work(&mut scene.engine.session(), &diary);
            let runs = diary.runs();
            let told = scene.end_by_the_rules(|_| Again::Known);
            let case = format!("{case}: {result:?}\n{told}");
            let ending = ending::<C>(phase, damage);
            match (ending, result) {
                (Ending::Done(expected), Ok(())) => assert_eq!(runs, expected, "{case}"),
                (Ending::Failed, Err(error)) => {
                    assert!(!error.is_retryable() && !error.is_commit_unknown(), "{case}");
                    assert_ne!(error.outcome(), Some(Outcome::Unknown), "{case}");
                    assert!(runs <= 1, "{case}");
                }
                (Ending::Unknown, Err(error)) => {
                    assert!(error.is_commit_unknown() && runs == 1, "{case}");
                }
                _ => panic!("{ending:?} was expected of {case}"),
            }
            let said = told.said();
            if let Some(before) = said_before.checked_sub(1) {
                assert_eq!(said[..before], WORK[..before], "{case}");
                assert!(
                    said[before].starts_with(WORK[before]) && said[before] != WORK[before],
                    "{case}"
                );
            }
            if matches!(ending, Ending::Done(_)) {
                assert!(said.ends_with(&WORK.map(str::to_owned)), "{case}");
            }
        }
    }
}
