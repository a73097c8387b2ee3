//! Random programs: objects, savepoints, statements beside the objects, mistakes and lost connections, on a session and in a
//! reference that is too simple to be wrong. After each step both say the same, and an object, a plain query and raw SQL agree
//! about each row.
//!
//! | File | What happens there |
//! |---|---|
//! | `tables` | the tables and models, and what is done with them beside the verbs on objects |
//! | `program` | what a program may be made of |
//! | `strategy` | how one is made |
//! | `reference` | what should be |
//! | `play` | how one is played |
//! | `found` | programs that once found something |
//!
//! A program that fails is made smaller by proptest, and printed with what was done and the seed. The same ones are played in
//! each run; `ALUDEL_PROGRAMS` says how many, and `ALUDEL_PROGRAMS_SEED` which ones.

mod found;
mod play;
mod program;
mod reference;
mod strategy;
mod tables;

pub use found::*;
pub use tables::Library;

use std::any::type_name;

use aludel::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

use crate::random;
use play::Place;
use tables::{Letter, Topic, Writer};

/// More find more; a program takes some milliseconds on a file, and some tens of them on a server.
const PROGRAMS: u32 = 1_000;
/// How many more there are in a long run, which also has other ones each time.
const LONG: u32 = 100;

/// Whatever a program does: session, tables and reference agree after each of its steps.
///
/// # Panics
///
/// If it is not so; with the smallest such program that was found.
pub fn objects_do_as_their_reference<C: Library>()
where
    Writer: Persist<C::Backend>,
    Topic: Persist<C::Backend>,
    Letter: Persist<C::Backend>,
{
    let place = Place::<C>::open("programs");
    let (config, seed) = random::seeded(PROGRAMS, LONG, "ALUDEL_PROGRAMS");
    let mut runner = TestRunner::new(config);
    let result = runner.run(&strategy::programs(), |program| {
        place.play(&program).map_err(TestCaseError::fail)
    });
    if let Err(failure) = result {
        panic!("{failure}\nALUDEL_PROGRAMS_SEED={seed} on {}", type_name::<C>());
    }
}

/// Tests of the programs on one database.
#[macro_export]
macro_rules! programs {
    ($connection:ty: $($story:ident),+ $(,)?) => {
        $(
            #[test]
            fn $story() {
                $crate::models::programs::$story::<$connection>();
            }
        )+
    };
    ($connection:ty) => {
        $crate::programs! {
            $connection:
            objects_do_as_their_reference,
            the_letter_of_a_writer_who_takes_over_a_row_stays,
            a_parent_that_is_written_to_read_its_child_has_a_key,
            what_the_flush_before_a_read_has_deleted_comes_back,
            what_was_read_in_the_place_of_another_leaves_with_the_rollback,
            a_row_that_was_not_read_is_taken_over,
        }
    };
}
