//! What `#[retry]` costs where nothing fails: beside `engine.begin` with the same body, a SELECT by key.
//!
//! Run by `tests/bench retry`. The allocator counts, on both sides alike. To count instructions instead of nanoseconds, run
//! one side alone under a profiler: `valgrind --tool=callgrind <this program> --bench loop retry 1000`.

mod sides;

use std::hint::black_box;

use aludel::Dialect;
use aludel::prelude::*;
use aludel_tests::figures::{Cores, Turns, alternate, comment, count, figure};
use aludel_tests::proxy::Proxy;
use aludel_tests::{mariadb, postgres};
use diesel::connection::SimpleConnection;
use diesel::{MysqlConnection, PgConnection, SqliteConnection};

use sides::{Select, Sides};

/// More rounds steady the median, and make the run longer. It is two in a hundred that is looked for, hence many.
const ROUNDS: usize = 41;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // What cargo passes to a benchmark, and not when it builds benchmarks as tests.
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("a benchmark: run it with tests/bench retry");
        return;
    }
    let rest: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let Some(place) = rest.iter().position(|argument| *argument == "loop") {
        return one_side(rest[place + 1], rest[place + 2].parse().expect("how many times"));
    }
    comment("a transaction with one SELECT by key, as #[retry] and with engine.begin; nothing fails; compare figures");
    let sqlite = Sides::<SqliteConnection>::open("sqlite://:memory:");
    compare("retry.idle", Turns::HERE, &sqlite);
    count_allocations(&sqlite);
    let cores = Cores::all();
    let database = cores.apart(mariadb::server).database("retry");
    let mariadb = Sides::<MysqlConnection>::open(database.url());
    compare("retry.idle.mariadb", Turns::ON_A_SERVER, &mariadb);
    let database = cores.apart(postgres::server).database("retry");
    let postgres = Sides::<PgConnection>::open(database.url());
    compare("retry.idle.postgres", Turns::ON_A_SERVER, &postgres);
    count_round_trips::<MysqlConnection>(
        "mariadb",
        &Proxy::mysql(mariadb::server().port()),
        mariadb::server().database("round_trips").url(),
    );
    count_round_trips::<PgConnection>(
        "postgres",
        &Proxy::postgres(postgres::server().port()),
        postgres::server().database("round_trips").url(),
    );
}

fn compare<C>(name: &str, turns: Turns, sides: &Sides<C>)
where
    C: Dialect,
    Session<C>: Select + SimpleConnection,
{
    let rounds = alternate(
        ROUNDS,
        &mut [
            &mut || turns.microseconds(|| drop(black_box(sides.begin()))),
            &mut || turns.microseconds(|| drop(black_box(sides.retry()))),
            &mut || turns.microseconds(|| drop(black_box(sides.retry_until()))),
        ],
    );
    let [begin, retry, until] = [0, 1, 2];
    figure(&format!("{name}.cost_over_begin"), rounds.ratio(retry, begin));
    comment(format!(
        "{name}: begin {:.2} µs, #[retry] {:.2} µs, #[retry(deadline = \"10s\")] {:.3} of begin",
        rounds.of(begin),
        rounds.of(retry),
        rounds.ratio(until, begin),
    ));
}

/// Exact, so one look is enough, once everything is prepared.
fn count_allocations(sides: &Sides<SqliteConnection>) {
    let allocations = |turn: &dyn Fn()| {
        turn();
        allocation_counter::measure(turn).count_total
    };
    let begin = allocations(&|| drop(black_box(sides.begin())));
    let retry = allocations(&|| drop(black_box(sides.retry())));
    count("retry.allocations", retry.saturating_sub(begin));
    comment(format!(
        "retry.allocations: {retry} in all, of which begin makes {begin} as well"
    ));
}

/// With a deadline that was said, the server is told of it, which may cost round trips.
fn count_round_trips<C>(server: &str, proxy: &Proxy, url: &str)
where
    C: Dialect,
    Session<C>: Select + SimpleConnection,
{
    let sides = Sides::<C>::open(&proxy.url(url));
    let counted = |turn: &dyn Fn()| {
        turn();
        proxy.reset_round_trips();
        turn();
        proxy.round_trips()
    };
    count(
        &format!("retry.roundtrips.{server}"),
        counted(&|| drop(black_box(sides.retry()))),
    );
    count(
        &format!("retry.roundtrips.{server}_with_deadline"),
        counted(&|| drop(black_box(sides.retry_until()))),
    );
}

/// For profilers: what one side does on a database in memory, and nothing else.
fn one_side(side: &str, times: u32) {
    let sides = Sides::<SqliteConnection>::open("sqlite://:memory:");
    for _ in 0..times {
        match side {
            "begin" => drop(black_box(sides.begin())),
            "retry" => drop(black_box(sides.retry())),
            "retry_until" => drop(black_box(sides.retry_until())),
            other => panic!("there is no side {other}"),
        }
    }
}
