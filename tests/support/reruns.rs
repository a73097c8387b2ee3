//! When a transaction runs again, and when it does not: stories told on each database, and random programs, of which all that
//! counts is what went by on the [wire](crate::wire). [`rerun_stories!`](crate::rerun_stories) makes tests of them.

mod databases;
mod diary;
mod exactly_once;
mod functions;
mod ground;
mod joined;
mod phases;
mod play;
mod program;
mod programs;
mod real;
mod swallowed;
mod told;
mod unknown;

pub use databases::{Damage, Grounds, Words};
pub use exactly_once::*;
pub use ground::{Ground, Scene};
pub use joined::*;
pub use phases::*;
pub use programs::*;
pub use real::*;
pub use swallowed::*;
pub use told::Told;
pub use unknown::*;

/// Tests of all these stories on one database.
#[macro_export]
macro_rules! rerun_stories {
    ($connection:ty: $($story:ident),+ $(,)?) => {
        $(
            #[test]
            fn $story() {
                $crate::reruns::$story::<$connection>();
            }
        )+
    };
    ($connection:ty) => {
        $crate::rerun_stories! {
            $connection:
            a_function_that_has_joined_runs_once_in_each_run_of_the_outermost,
            ambient_functions_run_again_as_one,
            a_function_that_has_joined_fails_with_a_transaction_that_nobody_runs_again,
            each_failure_at_each_phase,
            a_commit_that_was_cut_is_the_last_word,
            a_commit_that_was_cut_is_found_out,
            a_commit_that_was_cut_is_run_again_where_that_was_promised,
            a_read_only_commit_that_was_cut_leaves_no_doubt,
            a_failure_after_a_commit_that_was_cut_says_that_nobody_knows,
            whatever_becomes_of_an_error_its_transaction_runs_again,
            a_swallowed_error_is_never_committed_over,
            a_lock_that_is_not_had_in_time,
            a_row_that_somebody_else_has_changed,
            random_programs_obey_the_rules,
            verified_charges_take_effect_once,
            verified_charges_take_effect_once_whatever_becomes_of_those_who_find_out,
            charges_that_may_fail_are_never_sent_again,
            charges_that_are_promised_to_do_no_harm_are_made_again,
        }
    };
}
