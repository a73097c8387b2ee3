//! A COMMIT whose answer never comes.

use aludel::prelude::*;
use aludel::{Outcome, Phase};

use super::databases::{Damage, Grounds};
use super::diary::Diary;
use super::ground::{Ground, Scene};
use super::joined::{in_raw_sql, through_diesel};
use crate::wire::rules::Again;

const CUTS: [Damage; 3] = [Damage::CutBefore, Damage::CutAfter, Damage::Reset];

fn body<C: Grounds>(session: &mut Session<C>, diary: &Diary<'_, C>) -> aludel::Result<()> {
    diary.begins();
    diary.step(session, 1)?;
    diary.step(session, 2)
}

#[retry(attempts = 5)]
fn fails<C: Grounds>(session: &mut Session<C>, diary: &Diary<'_, C>) -> aludel::Result<()> {
    body(session, diary)
}

#[retry(attempts = 5, commit = "verify")]
fn verified<C: Grounds>(session: &mut Session<C>, diary: &Diary<'_, C>) -> aludel::Result<()> {
    body(session, diary)
}

#[retry(attempts = 5, commit = "idempotent")]
fn promised<C: Grounds>(session: &mut Session<C>, diary: &Diary<'_, C>) -> aludel::Result<()> {
    body(session, diary)
}

/// Calls something whose COMMIT is cut, and answers how it ended, how often its body ran, and what went by.
fn cut<C: Grounds>(
    ground: &Ground<C>,
    damage: Damage,
    again: Again,
    call: impl FnOnce(&Scene<'_, C>, &Diary<'_, C>) -> aludel::Result<()>,
) -> (aludel::Result<()>, u32, super::told::Told) {
    let scene = ground.scene();
    let diary = Diary::new(&scene).struck(2, Phase::Commit, damage);
    let result = call(&scene, &diary);
    let runs = diary.runs();
    (result, runs, scene.end_by_the_rules(|_| again))
}

/// How something is called whose COMMIT nobody runs again.
type Call<C> = fn(&Scene<'_, C>, &Diary<'_, C>) -> aludel::Result<()>;

/// By whichever way it was sent: the caller is told that nobody knows, and nothing more is said.
///
/// # Panics
///
/// If it is not so.
pub fn a_commit_that_was_cut_is_the_last_word<C: Grounds>() {
    let ground = Ground::<C>::open("last_word");
    let ways: [(&str, Again, Call<C>); 6] = [
        ("#[retry]", Again::Known, |scene, diary| {
            fails(&mut scene.engine.session(), diary)
        }),
        ("begin", Again::Never, |scene, diary| {
            scene.engine.begin(|session| body(session, diary))
        }),
        (
            "#[retry(commit = \"idempotent\")] in begin",
            Again::Never,
            |scene, diary| scene.engine.begin(|session| promised(session, diary)),
        ),
        (
            "#[retry(commit = \"verify\")] in #[retry]",
            Again::Known,
            |scene, diary| verified_inside(&mut scene.engine.session(), diary),
        ),
        ("Diesel's transaction", Again::Never, |scene, diary| {
            through_diesel(&mut scene.engine.session(), |session| body(session, diary))
        }),
        ("raw SQL", Again::Never, |scene, diary| {
            in_raw_sql(&mut scene.engine.session(), |session| body(session, diary))
        }),
    ];
    for (way, again, call) in ways {
        for damage in CUTS {
            let case = format!("{way}, {damage:?}");
            let (result, runs, told) = cut(&ground, damage, again, call);
            let error = result.expect_err("nobody knows");
            assert!(error.is_commit_unknown() && !error.is_retryable(), "{case}: {error}");
            assert_eq!((error.outcome(), runs), (Some(Outcome::Unknown), 1), "{case}");
            let lost = if damage == Damage::CutBefore {
                "COMMIT ~"
            } else {
                "COMMIT ?"
            };
            assert_eq!(told.said(), ["BEGIN", "step 1", "step 2", lost], "{case}\n{told}");
        }
    }
}

#[retry(attempts = 5)]
fn verified_inside<C: Grounds>(session: &mut Session<C>, diary: &Diary<'_, C>) -> aludel::Result<()> {
    verified(session, diary)
}

/// Where that is asked for it is found out: what is done is not done again, and what is not runs again.
///
/// # Panics
///
/// If it is not so.
pub fn a_commit_that_was_cut_is_found_out<C: Grounds>() {
    let ground = Ground::<C>::open("found_out");
    for damage in CUTS {
        let again = |scene: &Scene<'_, C>, diary: &Diary<'_, C>| verified(&mut scene.engine.session(), diary);
        let (result, runs, told) = cut(&ground, damage, Again::Verified, again);
        result.unwrap_or_else(|error| panic!("{damage:?}: {error}\n{told}"));
        assert_eq!(
            runs,
            if damage == Damage::CutBefore { 2 } else { 1 },
            "{damage:?}\n{told}"
        );
        let times: Vec<usize> = (1..=2).map(|number| told.times(told.call(), number)).collect();
        assert_eq!(times, [runs as usize; 2], "{damage:?}\n{told}");
    }
}

/// Where its author has promised that it does no harm it runs again, whether it was done or not.
///
/// # Panics
///
/// If it is not so.
pub fn a_commit_that_was_cut_is_run_again_where_that_was_promised<C: Grounds>() {
    let ground = Ground::<C>::open("promised");
    for damage in CUTS {
        let again = |scene: &Scene<'_, C>, diary: &Diary<'_, C>| promised(&mut scene.engine.session(), diary);
        let (result, runs, told) = cut(&ground, damage, Again::Promised, again);
        result.unwrap_or_else(|error| panic!("{damage:?}: {error}\n{told}"));
        let (lost, there) = match damage {
            Damage::CutBefore => ("COMMIT ~", 2),
            _ => ("COMMIT ?", 4),
        };
        let run = ["BEGIN", "step 1", "step 2"];
        assert_eq!(
            told.said(),
            [&run[..], &[lost], &run, &["COMMIT"]].concat(),
            "{damage:?}\n{told}"
        );
        assert_eq!((runs, told.committed()), (2, there), "{damage:?}\n{told}");
    }
}

/// A transaction that could not write leaves no doubt: there was nothing to commit. It runs again, and its caller hears of
/// nothing, whatever its author has said about COMMIT.
///
/// # Panics
///
/// If it is not so.
pub fn a_read_only_commit_that_was_cut_leaves_no_doubt<C: Grounds>() {
    #[retry(read_only)]
    fn looks<C: Grounds>(session: &mut Session<C>, diary: &Diary<'_, C>) -> aludel::Result<()> {
        diary.begins();
        Ok(C::look(session)?)
    }
    #[retry(read_only, commit = "verify")]
    fn looks_verified<C: Grounds>(session: &mut Session<C>, diary: &Diary<'_, C>) -> aludel::Result<()> {
        diary.begins();
        Ok(C::look(session)?)
    }
    let ground = Ground::<C>::open("read_only");
    for look in [looks, looks_verified] {
        for damage in CUTS {
            let scene = ground.scene();
            let diary = Diary::new(&scene);
            scene.strike(Phase::Commit, damage);
            let result = look(&mut scene.engine.session(), &diary);
            let runs = diary.runs();
            let told = scene.end_by_the_rules(|_| Again::Known);
            result.unwrap_or_else(|error| panic!("{damage:?}: {error}\n{told}"));
            let lost = if damage == Damage::CutBefore {
                "COMMIT ~"
            } else {
                "COMMIT ?"
            };
            assert_eq!(told.said(), ["BEGIN", lost, "BEGIN", "COMMIT"], "{damage:?}\n{told}");
            assert_eq!(runs, 2, "{damage:?}\n{told}");
        }
    }
}

/// An attempt whose COMMIT was cut may have been committed: where the one after it fails for good, before it has begun or in
/// its body, the caller is not told that nothing was written.
///
/// # Panics
///
/// If it is not so.
pub fn a_failure_after_a_commit_that_was_cut_says_that_nobody_knows<C: Grounds>() {
    #[retry(attempts = 5, commit = "idempotent")]
    fn fails_later<C: Grounds>(session: &mut Session<C>, diary: &Diary<'_, C>, why: Why) -> aludel::Result<()> {
        diary.begins();
        match why {
            Why::Body if diary.runs() == 2 => return Err(aludel::Error::other("no tea")),
            Why::Begin if diary.runs() == 1 => drop(diary.scene.strike(Phase::Begin, Damage::Refused)),
            _ => {}
        }
        diary.step(session, 1)?;
        diary.step(session, 2)
    }
    let ground = Ground::<C>::open("nobody_knows");
    for damage in CUTS {
        for why in [Why::Begin, Why::Body] {
            let call =
                |scene: &Scene<'_, C>, diary: &Diary<'_, C>| fails_later(&mut scene.engine.session(), diary, why);
            let (result, _, told) = cut(&ground, damage, Again::Promised, call);
            let error = result.expect_err("it fails for good");
            let text = error.to_string();
            assert!(error.is_commit_unknown() && !error.is_retryable(), "{text}");
            assert_eq!(error.outcome(), Some(Outcome::Unknown), "{damage:?}, {why:?}: {text}");
            assert!(
                text.contains("nobody knows whether an attempt before it was committed"),
                "{text}"
            );
            assert!(!text.contains("nothing was written"), "{text}");
            assert_eq!(told.times(told.call(), 2), 1, "{told}");
        }
    }
}

/// Why the second attempt fails.
#[derive(Clone, Copy, Debug)]
enum Why {
    Begin,
    Body,
}
