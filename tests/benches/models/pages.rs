//! How many rows a statement should have: every way of writing by hand, with statements of each size, in turns.

use std::time::Instant;

use aludel::Dialect;
use aludel_tests::figures::{alternate, comment};
use diesel::connection::SimpleConnection;

use crate::OBJECTS;
use crate::by_hand::{self, ByHand, Insert, Update, Way};
use crate::entry::Entry;
use crate::place::{Database, Place};

/// More rounds steady the median, and make the run longer.
const ROUNDS: usize = 9;

/// Rows in a statement. `SQLite` takes 32,766 values in one, MariaDB 65,535.
const SIZES: [usize; 8] = [25, 50, 100, 250, 500, 1000, 2000, 5000];

/// Prints microseconds a row, transaction included.
pub(crate) fn measure<C>(place: &impl Place)
where
    C: Dialect + ByHand + SimpleConnection,
{
    let values = &Entry::some(OBJECTS, 0);
    for way in C::INSERTS {
        let turn = |way: Way<Insert<C>>, bare: &mut C, _| {
            by_hand::insert(bare, way, values);
        };
        each_size(
            &format!("{} insert, {}", place.name(), way.name),
            *way,
            || place.empty(),
            turn,
        );
    }
    let filled = || {
        let database = place.empty();
        by_hand::insert(&mut database.connect::<C>(), C::INSERTS[1], values);
        database
    };
    for way in C::UPDATES {
        let turn = |way: Way<Update<C>>, bare: &mut C, round| {
            by_hand::update(bare, way, round);
        };
        each_size(
            &format!("{} load and update, {}", place.name(), way.name),
            *way,
            filled,
            turn,
        );
    }
    let mut bare = filled().connect::<C>();
    let rounds = alternate(ROUNDS, &mut [&mut || microseconds(|| drop(bare.all_rows()))]);
    comment(format!("{} load: {:.2}", place.name(), rounds.of(0)));
}

fn each_size<C, F: Copy>(name: &str, way: Way<F>, database: impl Fn() -> Database, turn: impl Fn(Way<F>, &mut C, u32))
where
    C: Dialect + SimpleConnection,
{
    let sizes = if way.page == 1 { &SIZES[..1] } else { &SIZES[..] };
    let databases: Vec<_> = sizes.iter().map(|_| database()).collect();
    let mut sides: Vec<_> = sizes
        .iter()
        .zip(&databases)
        .map(|(page, database)| {
            let way = Way { page: *page, ..way };
            let (mut bare, mut round) = (database.connect::<C>(), 1);
            turn(way, &mut bare, round);
            let turn = &turn;
            move || {
                round += 1;
                microseconds(|| turn(way, &mut bare, round))
            }
        })
        .collect();
    let mut sides: Vec<&mut dyn FnMut() -> f64> = sides.iter_mut().map(|side| side as _).collect();
    let rounds = alternate(ROUNDS, &mut sides);
    let took: Vec<_> = (0..sizes.len())
        .map(|side| match way.page {
            1 => format!("{:.2}", rounds.of(side)),
            _ => format!("{:.2} with {} rows", rounds.of(side), sizes[side]),
        })
        .collect();
    comment(format!("{name}: {}", took.join(", ")));
}

#[expect(clippy::cast_precision_loss, reason = "there are far fewer than 2^52 rows")]
fn microseconds(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64() * 1e6 / OBJECTS as f64
}
