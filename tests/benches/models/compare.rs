//! All sides in turns: the session, each way by hand, and SQLAlchemy by each of its drivers. Each has a database of its own,
//! and shows once that it does what it should.

use std::time::Instant;

use aludel::{Dialect, Persist};
use aludel_tests::figures::{Rounds, alternate, comment, figure};
use diesel::connection::SimpleConnection;

use crate::OBJECTS;
use crate::by_hand::{self, ByHand};
use crate::entry::{Entry, amount};
use crate::ours::{Loads, Ours};
use crate::place::{Database, Place};
use crate::sqlalchemy::SqlAlchemy;

/// More rounds steady the median, and make the run longer.
const ROUNDS: usize = 11;

/// The round that is looked at, before those that are measured.
const CHECKED: u32 = 1;

/// Turns after that one in which caches fill.
const WARM_UP: u32 = 2;

/// Who takes turns.
struct Side<'a> {
    team: Team,
    name: String,
    /// Microseconds an object, in the round with this number.
    turn: Box<dyn FnMut(u32) -> f64 + 'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Team {
    Ours,
    Diesel,
    SqlAlchemy,
}

/// New objects, whose keys the database makes. The tables grow: to empty them would be work that a server does later, in
/// somebody else's turn.
pub(crate) fn inserts<C>(place: &impl Place)
where
    C: Loads + ByHand + SimpleConnection,
    Entry: Persist<C::Backend>,
{
    let values = &Entry::some(OBJECTS, CHECKED);
    let mut sides = Vec::new();

    let (database, name) = (place.empty(), "the session".to_owned());
    let ours = Ours::<C>::open(&database.url);
    check_keys::<C>(&database, values, &ours.insert(values));
    let turn = move |_| {
        let _kept = &database;
        microseconds(|| ours.insert(values))
    };
    sides.push(Side::new(Team::Ours, name, turn));

    for way in C::INSERTS {
        let database = place.empty();
        let mut bare = database.connect::<C>();
        check_keys::<C>(&database, values, &by_hand::insert(&mut bare, *way, values));
        let turn = move |_| {
            let _kept = &database;
            microseconds(|| by_hand::insert(&mut bare, *way, values))
        };
        sides.push(Side::new(Team::Diesel, way.to_string(), turn));
    }

    for driver in 0..place.empty().sqlalchemy.len() {
        let database = place.empty();
        let mut sqlalchemy = SqlAlchemy::start(&database.sqlalchemy[driver]);
        sqlalchemy.turn("insert", CHECKED);
        sqlalchemy.check(CHECKED);
        let name = sqlalchemy.versions.clone();
        let turn = move |round| {
            let _kept = &database;
            sqlalchemy.turn("insert", round)
        };
        sides.push(Side::new(Team::SqlAlchemy, name, turn));
    }
    compare(&format!("flush.insert{OBJECTS}.{}", place.name()), sides);
}

/// All objects of a table, loaded and changed.
pub(crate) fn updates<C>(place: &impl Place)
where
    C: Loads + ByHand + SimpleConnection,
    Entry: Persist<C::Backend>,
{
    let values = &Entry::some(OBJECTS, 0);
    let filled = || {
        let database = place.empty();
        let way = C::INSERTS.last().expect("there are some");
        by_hand::insert(&mut database.connect::<C>(), *way, values);
        database
    };
    let mut sides = Vec::new();

    let (database, name) = (filled(), "the session".to_owned());
    let ours = Ours::<C>::open(&database.url);
    ours.update(CHECKED);
    check_amounts::<C>(&database);
    let turn = move |round| {
        let _kept = &database;
        microseconds(|| ours.update(round))
    };
    sides.push(Side::new(Team::Ours, name, turn));

    for way in C::UPDATES {
        let database = filled();
        let mut bare = database.connect::<C>();
        by_hand::update(&mut bare, *way, CHECKED);
        check_amounts::<C>(&database);
        let turn = move |round| {
            let _kept = &database;
            microseconds(|| by_hand::update(&mut bare, *way, round))
        };
        sides.push(Side::new(Team::Diesel, way.to_string(), turn));
    }

    for driver in 0..place.empty().sqlalchemy.len() {
        let database = filled();
        let mut sqlalchemy = SqlAlchemy::start(&database.sqlalchemy[driver]);
        sqlalchemy.turn("update", CHECKED);
        sqlalchemy.check(CHECKED);
        let name = sqlalchemy.versions.clone();
        let turn = move |round| {
            let _kept = &database;
            sqlalchemy.turn("update", round)
        };
        sides.push(Side::new(Team::SqlAlchemy, name, turn));
    }
    compare(&format!("flush.update{OBJECTS}.{}", place.name()), sides);
}

/// Whether each key is that of its row.
fn check_keys<C: Dialect + ByHand + SimpleConnection>(database: &Database, values: &[Entry], keys: &[i64]) {
    let mut expected: Vec<Entry> = values.to_vec();
    for (entry, key) in expected.iter_mut().zip(keys) {
        entry.id = *key;
    }
    expected.sort_by_key(|entry| entry.id);
    let found = database.connect::<C>().all_rows().expect("the table is there");
    assert!(found == expected, "rows and keys do not belong together");
}

/// Whether each row holds the amount of the round that is looked at.
fn check_amounts<C: Dialect + ByHand + SimpleConnection>(database: &Database) {
    let found = database.connect::<C>().all_rows().expect("the table is there");
    let amounts = found.iter().map(|entry| entry.amount);
    assert!(amounts.eq((0..OBJECTS).map(|number| amount(number, CHECKED))));
}

fn compare(name: &str, mut sides: Vec<Side<'_>>) {
    for side in &mut sides {
        for round in 1..=WARM_UP {
            (side.turn)(CHECKED + round);
        }
    }
    let mut turns: Vec<_> = sides
        .iter_mut()
        .map(|side| {
            let mut round = CHECKED + WARM_UP;
            move || {
                round += 1;
                (side.turn)(round)
            }
        })
        .collect();
    let mut turns: Vec<&mut dyn FnMut() -> f64> = turns.iter_mut().map(|turn| turn as _).collect();
    let rounds = alternate(ROUNDS, &mut turns);
    let best = |team| best(&sides, &rounds, team);
    let (ours, diesel, sqlalchemy) = (best(Team::Ours), best(Team::Diesel), best(Team::SqlAlchemy));
    figure(&format!("{name}.cost_over_diesel"), rounds.ratio(ours, diesel));
    figure(
        &format!("{name}.speedup_over_sqlalchemy"),
        rounds.ratio(sqlalchemy, ours),
    );
    for (number, side) in sides.iter().enumerate() {
        let opponent = if [diesel, sqlalchemy].contains(&number) {
            "; its team's best"
        } else {
            ""
        };
        comment(format!("{name}: {:.2} µs, {}{opponent}", rounds.of(number), side.name));
    }
}

/// The fastest of a team is whom it is judged by.
fn best(sides: &[Side<'_>], rounds: &Rounds, team: Team) -> usize {
    (0..sides.len())
        .filter(|side| sides[*side].team == team)
        .min_by(|one, other| rounds.of(*one).total_cmp(&rounds.of(*other)))
        .expect("each team has a side")
}

/// What an object takes of the time that all take.
#[expect(clippy::cast_precision_loss, reason = "there are far fewer than 2^52 objects")]
fn microseconds<T>(work: impl FnOnce() -> T) -> f64 {
    let began = Instant::now();
    let done = work();
    let took = began.elapsed();
    drop(done);
    took.as_secs_f64() * 1e6 / OBJECTS as f64
}

impl<'a> Side<'a> {
    fn new(team: Team, name: String, turn: impl FnMut(u32) -> f64 + 'a) -> Self {
        Self {
            team,
            name,
            turn: Box::new(turn),
        }
    }
}
