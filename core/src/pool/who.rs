//! Who asks for a connection: a thread and a place in the source, as numbers that cost nothing to note.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::Location;
use std::sync::Weak;

use crate::forkable::Forkable;
use crate::sync::thread_life;
pub(super) use crate::sync::thread_number;

/// A place in the source, as a number: unlike a reference it fits into an atomic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    pub(super) const NOWHERE: Self = Self(u32::MAX);

    /// The number of a place. Mostly it is the one this thread came from last.
    #[inline]
    pub(super) fn of(location: &'static Location<'static>) -> Self {
        thread_local!(static LAST: Cell<(usize, u32)> = const { Cell::new((0, 0)) });
        let address = std::ptr::from_ref(location).addr();
        let known = LAST.try_with(Cell::get).unwrap_or_default();
        if known.0 == address {
            return Self(known.1);
        }
        let Some(number) = places(|places| places.number(location, address)) else {
            return Self::NOWHERE;
        };
        let _ = LAST.try_with(|last| last.set((address, number)));
        Self(number)
    }

    pub(super) fn number(self) -> u32 {
        self.0
    }

    pub(super) fn location(number: u32) -> &'static Location<'static> {
        let known = places(|places| places.all.get(number as usize).copied());
        known.flatten().unwrap_or_else(|| Location::caller())
    }
}

/// Every place that ever asked. There are as many as there are calls in the program's source.
struct Places {
    all: Vec<&'static Location<'static>>,
    numbers: HashMap<usize, u32>,
}

static PLACES: Forkable<Option<Places>> = Forkable::new(None);

/// The places; none in a forked child that has lost them: there, reports name none that are new.
#[cold]
fn places<T>(look: impl FnOnce(&mut Places) -> T) -> Option<T> {
    PLACES.with(|places| {
        look(places.get_or_insert_with(|| Places {
            all: Vec::new(),
            numbers: HashMap::new(),
        }))
    })
}

impl Places {
    fn number(&mut self, location: &'static Location<'static>, address: usize) -> u32 {
        *self.numbers.entry(address).or_insert_with(|| {
            self.all.push(location);
            u32::try_from(self.all.len() - 1).expect("a program has fewer calls than that")
        })
    }
}

/// The number of the thread for which this one works: a helper has its caller's, every other its own.
pub(crate) fn acting_thread() -> u64 {
    match ACTING_FOR.try_with(Cell::get) {
        Ok(0) | Err(_) => thread_number(),
        Ok(caller) => caller,
    }
}

thread_local!(static ACTING_FOR: Cell<u64> = const { Cell::new(0) });

/// Does a piece of work for another thread.
pub(super) fn acting_for<T>(caller: u64, work: impl FnOnce() -> T) -> T {
    let _ = ACTING_FOR.try_with(|acting| acting.set(caller));
    let done = work();
    let _ = ACTING_FOR.try_with(|acting| acting.set(0));
    done
}

/// Dies with its thread: how a pool that keeps a connection for each thread learns that one is nobody's any more.
#[derive(Clone, Debug)]
pub(super) struct Life(Weak<()>);

impl Life {
    /// That of this thread.
    pub(super) fn of_this_thread() -> Self {
        Self(thread_life())
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.strong_count() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_again() {
        let here = Location::caller();
        let place = Place::of(here);
        assert_eq!(place, Place::of(here));
        assert_eq!(Place::location(place.number()), here);
    }

    #[test]
    fn every_thread_has_a_number_and_a_life_of_its_own() {
        let mine = thread_number();
        assert_eq!(mine, thread_number());
        let (theirs, life) = std::thread::spawn(|| (thread_number(), Life::of_this_thread()))
            .join()
            .unwrap();
        assert_ne!(mine, theirs);
        assert!(life.is_over() && !Life::of_this_thread().is_over());
    }
}
