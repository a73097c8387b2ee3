//! What objects cost: a flush of 5,000 new ones whose keys are learned, and one of 5,000 that were changed, beside what a good
//! programmer writes with Diesel alone and beside SQLAlchemy's unit of work; and whether it stays so with a million.
//!
//! Run by `tests/bench models`, which makes the Python environment. Two more ways to run it:
//!
//! * `cargo bench -p aludel-tests --all-features --bench models -- pages`: how many rows a statement should have;
//! * `valgrind --tool=callgrind <this program> --bench loop ours.insert 10`: one side alone on SQLite, for a profiler.

mod by_hand;
mod compare;
mod entry;
mod growth;
mod ours;
mod pages;
mod place;
mod round_trips;
mod sqlalchemy;

use std::hint::black_box;

use aludel_tests::figures::{Cores, comment};
use aludel_tests::mariadb;
use diesel::{MysqlConnection, SqliteConnection};

use by_hand::ByHand;
use entry::Entry;
use ours::Ours;
use place::{OnMariaDb, OnSqlite, Place};

/// Objects in a flush.
const OBJECTS: usize = 5000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // What cargo passes to a benchmark, and not when it builds benchmarks as tests.
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("a benchmark: run it with tests/bench models");
        return;
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let Some(at) = words.iter().position(|word| *word == "loop") {
        return one_side(words[at + 1], words[at + 2].parse().expect("how many times"));
    }
    let only_pages = words.contains(&"pages");
    comment(
        "a transaction with 5,000 objects in it; microseconds an object are medians over the rounds; compare figures",
    );
    if only_pages {
        pages::measure::<SqliteConnection>(&OnSqlite);
    } else {
        growth::measure();
        compare::inserts::<SqliteConnection>(&OnSqlite);
        compare::updates::<SqliteConnection>(&OnSqlite);
    }
    let mariadb = OnMariaDb(Cores::all().apart(mariadb::server));
    if only_pages {
        pages::measure::<MysqlConnection>(&mariadb);
    } else {
        compare::inserts::<MysqlConnection>(&mariadb);
        compare::updates::<MysqlConnection>(&mariadb);
        round_trips::flushes();
    }
}

/// For profilers: what one side does on SQLite, and nothing else. Sides: `ours`, or the number of a way by hand, counted from
/// 0; each `.insert` or `.update`.
fn one_side(side: &str, times: u32) {
    let (who, what) = side.split_once('.').expect("<side>.insert or <side>.update");
    let place = OnSqlite.empty();
    let values = Entry::some(OBJECTS, 0);
    let way = || who.parse::<usize>().expect("ours, or the number of a way");
    let bare = &mut place.connect::<SqliteConnection>();
    let ours = Ours::<SqliteConnection>::open(&place.url);
    if what == "update" {
        by_hand::insert(bare, SqliteConnection::INSERTS[0], &values);
    }
    for round in 1..=times {
        match (who, what) {
            ("ours", "insert") => drop(black_box(ours.insert(&values))),
            ("ours", "update") => drop(black_box(ours.update(round))),
            (_, "insert") => drop(black_box(by_hand::insert(
                bare,
                SqliteConnection::INSERTS[way()],
                &values,
            ))),
            (_, "update") => drop(black_box(by_hand::update(
                bare,
                SqliteConnection::UPDATES[way()],
                round,
            ))),
            _ => panic!("there is no side {side}"),
        }
    }
}
