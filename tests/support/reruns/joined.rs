//! A function that runs again, called where somebody else has begun.

use aludel::Phase;
use aludel::prelude::*;
use diesel::connection::SimpleConnection as _;
use diesel::result::Error as DieselError;

use super::databases::{Damage, Grounds};
use super::diary::Diary;
use super::ground::Ground;
use crate::wire::rules::Again;

/// What is between the outermost function and the one that joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    Nothing,
    BeginNested,
    Begin,
    Retry,
    Transactional,
    Diesel,
}

const BETWEEN: [Between; 6] = [
    Between::Nothing,
    Between::BeginNested,
    Between::Begin,
    Between::Retry,
    Between::Transactional,
    Between::Diesel,
];

#[retry(attempts = 3)]
fn joins<C: Grounds>(session: &mut Session<C>, diary: &Diary<'_, C>) -> aludel::Result<()> {
    diary.step(session, 2)
}

#[retry(attempts = 3)]
fn passes_on<C: Grounds>(session: &mut Session<C>, diary: &Diary<'_, C>) -> aludel::Result<()> {
    joins(session, diary)
}

#[transactional]
fn takes_part<C: Grounds>(session: &mut Session<C>, diary: &Diary<'_, C>) -> aludel::Result<()> {
    joins(session, diary)
}

#[retry(attempts = 3)]
fn outermost<C: Grounds>(session: &mut Session<C>, diary: &Diary<'_, C>, between: Between) -> aludel::Result<()> {
    body(session, diary, between)
}

fn body<C: Grounds>(session: &mut Session<C>, diary: &Diary<'_, C>, between: Between) -> aludel::Result<()> {
    diary.begins();
    diary.step(session, 1)?;
    match between {
        Between::Nothing => joins(session, diary)?,
        Between::BeginNested => session.begin_nested(|nested| joins(nested, diary))?,
        Between::Begin => session.begin(|session| joins(session, diary))?,
        Between::Retry => passes_on(session, diary)?,
        Between::Transactional => takes_part(session, diary)?,
        Between::Diesel => through_diesel(session, |session| joins(session, diary))?,
    }
    diary.step(session, 3)
}

/// Diesel's own `transaction()`, as foreign code calls it.
pub(super) fn through_diesel<C: Grounds, E: From<DieselError>>(
    session: &mut Session<C>,
    f: impl FnOnce(&mut Session<C>) -> Result<(), E>,
) -> Result<(), E> {
    let mut failed = None;
    let done = C::diesels_transaction(session, |session| {
        f(session).map_err(|error| {
            failed = Some(error);
            DieselError::RollbackTransaction
        })
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(done?),
    }
}

/// What is said in a run in which all goes well.
fn whole(between: Between) -> Vec<&'static str> {
    match between {
        Between::BeginNested | Between::Diesel => {
            vec!["BEGIN", "step 1", "SAVEPOINT", "step 2", "RELEASE", "step 3", "COMMIT"]
        }
        _ => vec!["BEGIN", "step 1", "step 2", "step 3", "COMMIT"],
    }
}

/// And in one whose second step is struck.
fn struck(between: Between, damage: Damage) -> Vec<&'static str> {
    let nested = matches!(between, Between::BeginNested | Between::Diesel);
    let begun: &[&str] = if nested {
        &["BEGIN", "step 1", "SAVEPOINT"]
    } else {
        &["BEGIN", "step 1"]
    };
    let ended: &[&str] = match damage {
        // There is nobody to talk to.
        Damage::CutBefore => &["step 2 ~"],
        Damage::CutAfter => &["step 2 ?"],
        _ if nested => &["step 2 !", "ROLLBACK TO", "RELEASE", "ROLLBACK"],
        _ => &["step 2 !", "ROLLBACK"],
    };
    [begun, ended].concat()
}

const DAMAGES: [Damage; 3] = [Damage::Conflict, Damage::CutBefore, Damage::CutAfter];

/// The failure of a function that has joined goes up, through whatever is in between, to the outermost one, which runs again
/// after a rollback: as a whole, once, and nothing inside of it by itself.
///
/// # Panics
///
/// If it is not so.
pub fn a_function_that_has_joined_runs_once_in_each_run_of_the_outermost<C: Grounds>() {
    let ground = Ground::<C>::open("joined");
    for between in BETWEEN {
        for damage in DAMAGES {
            let case = format!("{between:?}, {damage:?}");
            let scene = ground.scene();
            let diary = Diary::new(&scene).struck(2, Phase::Statement, damage);
            let done = outermost(&mut scene.engine.session(), &diary, between);
            done.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(diary.runs(), 2, "{case}");
            let told = scene.end_by_the_rules(|_| Again::Known);
            assert_eq!(
                told.said(),
                [struck(between, damage), whole(between)].concat(),
                "{case}\n{told}"
            );
        }
    }
}

/// The same of functions that no session is passed to.
///
/// # Panics
///
/// If it is not so.
pub fn ambient_functions_run_again_as_one<C: Grounds>() {
    #[retry(attempts = 3)]
    fn joins_alone<C: Grounds>(diary: &Diary<'_, C>) -> aludel::Result<()> {
        aludel::current(|session| diary.step(session, 2))
    }
    #[transactional]
    fn takes_part_alone<C: Grounds>(diary: &Diary<'_, C>) -> aludel::Result<()> {
        joins_alone(diary)
    }
    #[retry(attempts = 3)]
    fn outermost_alone<C: Grounds>(diary: &Diary<'_, C>) -> aludel::Result<()> {
        diary.begins();
        aludel::current(|session| diary.step(session, 1))?;
        takes_part_alone(diary)?;
        aludel::current(|session| diary.step(session, 3))
    }
    let ground = Ground::<C>::open("ambient");
    for damage in DAMAGES {
        let scene = ground.scene();
        let diary = Diary::new(&scene).struck(2, Phase::Statement, damage);
        let done = scene.engine.scope(|| outermost_alone(&diary));
        done.unwrap_or_else(|error| panic!("{damage:?}: {error}"));
        assert_eq!(diary.runs(), 2, "{damage:?}");
        let told = scene.end_by_the_rules(|_| Again::Known);
        let between = Between::Transactional;
        assert_eq!(
            told.said(),
            [struck(between, damage), whole(between)].concat(),
            "{damage:?}\n{told}"
        );
    }
}

/// Who has begun it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Around {
    Begin,
    Diesel,
    Raw,
    Transactional,
}

#[transactional]
fn transactional<C: Grounds>(session: &mut Session<C>, diary: &Diary<'_, C>, between: Between) -> aludel::Result<()> {
    body(session, diary, between)
}

/// Where nobody runs the outermost one again, the function runs once, and its failure is the caller's, rolled back.
///
/// # Panics
///
/// If it is not so.
pub fn a_function_that_has_joined_fails_with_a_transaction_that_nobody_runs_again<C: Grounds>() {
    let ground = Ground::<C>::open("alone");
    for around in [Around::Begin, Around::Diesel, Around::Raw, Around::Transactional] {
        for between in BETWEEN {
            for damage in DAMAGES {
                let case = format!("{around:?}, {between:?}, {damage:?}");
                let scene = ground.scene();
                let diary = Diary::new(&scene).struck(2, Phase::Statement, damage);
                let mut session = scene.engine.session();
                let failed = match around {
                    Around::Begin => session.begin(|session| body(session, &diary, between)),
                    Around::Diesel => through_diesel(&mut session, |session| body(session, &diary, between)),
                    Around::Raw => in_raw_sql(&mut session, |session| body(session, &diary, between)),
                    Around::Transactional => transactional(&mut session, &diary, between),
                };
                drop(session);
                let error = failed.expect_err("nobody runs it again");
                assert!(error.is_retryable(), "{case}: {error}");
                assert_eq!(diary.runs(), 1, "{case}");
                let told = scene.end_by_the_rules(|_| Again::Never);
                assert_eq!(told.said(), struck(between, damage), "{case}\n{told}");
            }
        }
    }
}

/// BEGIN, COMMIT and ROLLBACK as raw SQL.
pub(super) fn in_raw_sql<C: Grounds, E: From<DieselError>>(
    session: &mut Session<C>,
    f: impl FnOnce(&mut Session<C>) -> Result<(), E>,
) -> Result<(), E> {
    session.batch_execute("BEGIN")?;
    match f(session) {
        Ok(()) => Ok(session.batch_execute("COMMIT")?),
        Err(error) => {
            session.batch_execute("ROLLBACK")?;
            Err(error)
        }
    }
}
