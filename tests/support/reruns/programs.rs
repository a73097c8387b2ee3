//! Random programs: calls in calls, with failures at random places. Whatever happens, the rules hold, and what a caller was
//! told is what is there. One that fails is made smaller by proptest, and printed.

use aludel::Flavour;
use aludel::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

use super::databases::Grounds;
use super::ground::Ground;
use super::play::Play;
use super::program::{Program, programs};
use crate::random;

/// More find more; a program takes some milliseconds on a file, and some tens of them on a server.
const ON_A_FILE: u32 = 400;
const ON_A_SERVER: u32 = 60;
/// How many more there are in a long run, which also has other ones each time.
const LONG: u32 = 25;

/// Whatever a program does and whatever happens to it: no rule is broken, and everybody is told the truth.
///
/// # Panics
///
/// If it is not so; with the smallest such program that was found.
pub fn random_programs_obey_the_rules<C: Grounds>() {
    let ground = Ground::<C>::open("programs");
    let cases = match C::FLAVOUR {
        Flavour::Sqlite => ON_A_FILE,
        _ => ON_A_SERVER,
    };
    let mut runner = TestRunner::new(random::config(cases, LONG));
    let result = runner.run(&programs(), |program| {
        play(&ground, &program).map_err(TestCaseError::fail)
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

fn play<C: Grounds>(ground: &Ground<C>, program: &Program) -> Result<(), String> {
    let scene = ground.scene();
    let first = ground.numbers(program.calls.len());
    let mut session = scene.engine.session();
    let mut answers = Vec::new();
    for (number, call) in (first..).zip(&program.calls) {
        if program.fresh {
            session = scene.engine.session();
        }
        answers.push(Play::play(&scene, &mut session, number, call));
        if session.in_transaction() {
            return Err(format!("call {number} has left its transaction open"));
        }
    }
    drop(session);
    let again = |call: u32| answers[(call - first) as usize].again();
    let wire = scene.try_end(again)?;
    answers.iter().try_for_each(|answer| answer.compare(&wire))
}
