//! Programs that once found something, each as small as it was found.

use aludel::prelude::*;

use super::play::Place;
use super::program::{Deed, Look, Make, Pick, Program, Step, Which};
use super::tables::{Letter, Library, Topic, Writer};

/// A letter is written, and is looked for among the children of the deleted writer, whose key the new one has: it is none
/// of them.
///
/// # Panics
///
/// If it is deleted with them.
pub fn the_letter_of_a_writer_who_takes_over_a_row_stays<C: Library>()
where
    Writer: Persist<C::Backend>,
    Topic: Persist<C::Backend>,
    Letter: Persist<C::Backend>,
{
    let again = Make {
        keyed: true,
        ..make(Which::Writer)
    };
    played::<C>(
        "taken",
        [
            Deed::Add(make(Which::Writer)),
            Deed::Flush,
            Deed::Delete(Pick(Which::Writer, 1)),
            Deed::Add(again),
            Deed::AddTo(1),
            Deed::Flush,
        ],
    );
}

/// The letter is read before it is given, and for that the writer is written: its key is known by then.
///
/// # Panics
///
/// If the letter does not have it.
pub fn a_parent_that_is_written_to_read_its_child_has_a_key<C: Library>()
where
    Writer: Persist<C::Backend>,
    Topic: Persist<C::Backend>,
    Letter: Persist<C::Backend>,
{
    played::<C>(
        "given",
        [
            Deed::Add(make(Which::Letter)),
            Deed::Commit,
            Deed::Add(make(Which::Writer)),
            Deed::SetWriter(1, 1),
        ],
    );
}

/// The letter is to be read, and goes with its writer in the flush before: that is no row that somebody else has deleted, and
/// the rollback brings it back.
///
/// # Panics
///
/// If the letter does not come back.
pub fn what_the_flush_before_a_read_has_deleted_comes_back<C: Library>()
where
    Writer: Persist<C::Backend>,
    Topic: Persist<C::Backend>,
    Letter: Persist<C::Backend>,
{
    for verb in [
        Deed::ClearWriter(1),
        Deed::Read(Pick(Which::Letter, 1)),
        Deed::Get(Pick(Which::Letter, 1)),
        Deed::Refresh(Pick(Which::Letter, 1)),
    ] {
        played::<C>(
            "deleted",
            [
                Deed::Add(make(Which::Writer)),
                Deed::AddTo(1),
                Deed::Commit,
                Deed::Delete(Pick(Which::Writer, 1)),
                verb,
                Deed::Rollback,
                Deed::Read(Pick(Which::Letter, 1)),
            ],
        );
    }
}

/// A letter is deleted, another one takes over its key and is taken out of the session, and the row is read again: into an object
/// that is none after the rollback, since the first one is back.
///
/// # Panics
///
/// If there are two objects of one row, or one of none.
pub fn what_was_read_in_the_place_of_another_leaves_with_the_rollback<C: Library>()
where
    Writer: Persist<C::Backend>,
    Topic: Persist<C::Backend>,
    Letter: Persist<C::Backend>,
{
    let again = Make {
        keyed: true,
        ..make(Which::Letter)
    };
    for end in [Deed::Commit, Deed::Flush] {
        played::<C>(
            "place",
            [
                Deed::Add(make(Which::Letter)),
                end,
                Deed::Delete(Pick(Which::Letter, 1)),
                Deed::Flush,
                Deed::Add(again),
                Deed::Flush,
                Deed::Detach(Pick(Which::Letter, 1)),
                Deed::Get(Pick(Which::Letter, 0)),
                Deed::Rollback,
                Deed::Get(Pick(Which::Letter, 0)),
            ],
        );
    }
}

/// Nobody has read the deleted row in this transaction, and the new object takes it over all the same.
///
/// # Panics
///
/// If both are written one after the other.
pub fn a_row_that_was_not_read_is_taken_over<C: Library>()
where
    Writer: Persist<C::Backend>,
    Topic: Persist<C::Backend>,
    Letter: Persist<C::Backend>,
{
    for which in [Which::Writer, Which::Topic, Which::Letter] {
        let again = Make {
            keyed: true,
            ..make(which)
        };
        played::<C>(
            "unread",
            [
                Deed::Add(make(which)),
                Deed::Commit,
                Deed::Delete(Pick(which, 1)),
                Deed::Add(again),
                Deed::Commit,
            ],
        );
    }
}

fn make(which: Which) -> Make {
    Make {
        which,
        with: 0,
        keyed: false,
        wrong: false,
    }
}

fn played<C: Library>(name: &str, deeds: impl IntoIterator<Item = Deed>)
where
    Writer: Persist<C::Backend>,
    Topic: Persist<C::Backend>,
    Letter: Persist<C::Backend>,
{
    let steps = deeds.into_iter().map(|deed| Step { deed, look: Look::All });
    let program = Program {
        steps: steps.collect(),
        keeps: false,
        sparing: false,
    };
    if let Err(failure) = Place::<C>::open(name).play(&program) {
        panic!("{failure}");
    }
}
