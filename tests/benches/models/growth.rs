//! Whether a million objects cost a million times what one does.

use std::time::Instant;

use aludel::prelude::*;
use aludel_tests::figures::{alternate, comment, figure, median};
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;

use crate::entry::{self, Entry};
use crate::ours::{self, Loads as _, Ours};

const FEW: usize = 1_000;
const MANY: usize = 1_000_000;

/// Rounds with a million objects each; more steady the median, and make the run longer.
const ROUNDS: usize = 5;

/// So often in a round with few.
const TIMES: usize = 100;

/// Microseconds an object.
#[derive(Clone, Copy, Debug, Default)]
struct Took {
    insert: f64,
    load: f64,
    update: f64,
}

/// New objects flushed, loaded by another session, one column of each changed, and flushed, on `SQLite` in memory.
pub(crate) fn measure() {
    let (mut few, mut many) = (Vec::new(), Vec::new());
    let rounds = alternate(
        ROUNDS,
        &mut [
            &mut || {
                let all: Vec<Took> = (0..TIMES).map(|_| one(FEW)).collect();
                let of = |part: fn(&Took) -> f64| median(all.iter().map(part).collect());
                few.push(Took {
                    insert: of(|took| took.insert),
                    load: of(|took| took.load),
                    update: of(|took| took.update),
                });
                few.last().map_or(0.0, Took::sum)
            },
            &mut || {
                many.push(one(MANY));
                many.last().map_or(0.0, Took::sum)
            },
        ],
    );
    figure("flush.growth.1k_to_1m", rounds.ratio(1, 0));
    tell("insert", &few, &many, |took| took.insert);
    tell("load", &few, &many, |took| took.load);
    tell("change and flush", &few, &many, |took| took.update);
}

/// One part of it, for people.
fn tell(name: &str, few: &[Took], many: &[Took], part: fn(&Took) -> f64) {
    let of = |all: &[Took]| median(all.iter().map(part).collect());
    let (few, many) = (of(few), of(many));
    comment(format!(
        "flush.growth, {name}: {few:.2} µs an object with {FEW}, {many:.2} with {MANY}, {:.3}",
        many / few
    ));
}

/// With a new database, and an object of the session for each row.
#[expect(clippy::cast_precision_loss, reason = "there are far fewer than 2^52 objects")]
fn one(objects: usize) -> Took {
    let values = Entry::some(objects, 0);
    let ours = Ours::<SqliteConnection>::open("sqlite://:memory:");
    let engine = ours.engine();
    let created = engine.begin(|session| Ok(session.batch_execute(entry::ON_SQLITE)?));
    created.expect("the database is empty");
    let each = |began: Instant| began.elapsed().as_secs_f64() * 1e6 / objects as f64;

    let mut session = engine.session();
    let began = Instant::now();
    ours::add(&mut session, &values);
    session.commit().expect("there is nothing in the way");
    let insert = each(began);
    drop(session);

    let mut session = engine.session();
    let began = Instant::now();
    let entries = SqliteConnection::load_all(&mut session).expect("there is nothing in the way");
    let load = each(began);
    assert_eq!(entries.len(), objects);
    let began = Instant::now();
    let written = ours::edit(&mut session, &entries, 1).and_then(|()| session.commit());
    written.expect("there is nothing in the way");
    let update = each(began);
    Took { insert, load, update }
}

impl Took {
    fn sum(&self) -> f64 {
        self.insert + self.load + self.update
    }
}
