//! What a transaction of ours costs beside one of Diesel's on a bare connection: one statement by key in it.
//!
//! Run by `tests/bench tx`. To count instructions instead of nanoseconds, which no other load disturbs, run one side alone
//! under a profiler: `valgrind --tool=callgrind <this program> --bench loop sqlite_memory.ours 1000`.

mod round_trips;
mod sides;

use std::cell::RefCell;
use std::hint::black_box;

use aludel::prelude::*;
use aludel::{Connection, Dialect};
use aludel_tests::figures::{Cores, Turns, alternate, comment, count, figure};
use aludel_tests::proxy::Proxy;
use aludel_tests::{mariadb, postgres};
use diesel::Connection as _;
use diesel::connection::SimpleConnection;
use diesel::{MysqlConnection, PgConnection, SqliteConnection};

use sides::{Sides, Statements, bare_read, bare_write, kept_read};

/// More rounds steady the median, and make the run longer. Many short ones: what else the machine does then falls on both
/// sides alike.
const ROUNDS: usize = 21;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // What cargo passes to a benchmark, and not when it builds benchmarks as tests.
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("a benchmark: run it with tests/bench tx");
        return;
    }
    let rest: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let Some(place) = rest.iter().position(|argument| *argument == "loop") {
        return one_side(rest[place + 1], rest[place + 2].parse().expect("how many times"));
    }
    comment("one statement by key in a transaction; microseconds are medians over the rounds; compare figures");
    compare("sqlite_memory", Turns::HERE, &RefCell::new(sqlite()));
    let cores = Cores::all();
    let database = cores.apart(mariadb::server).database("tx");
    on_a_server("mariadb", &cores, Sides::<MysqlConnection>::open(database.url(), None));
    let database = cores.apart(postgres::server).database("tx");
    on_a_server("postgres", &cores, Sides::<PgConnection>::open(database.url(), None));
    let (server, database) = (mariadb::server(), mariadb::server().database("round_trips"));
    count_round_trips::<MysqlConnection>("mariadb", &Proxy::mysql(server.port()), database.url());
    let (server, database) = (postgres::server(), postgres::server().database("round_trips"));
    count_round_trips::<PgConnection>("postgres", &Proxy::postgres(server.port()), database.url());
}

/// Exact, so one look is enough.
fn count_round_trips<C>(server: &str, proxy: &Proxy, url: &str)
where
    C: Dialect + Statements + SimpleConnection,
    Session<C>: Statements + SimpleConnection,
{
    let sides = Sides::<C>::open(&proxy.url(url), None);
    let counted = round_trips::count(
        proxy,
        sides.engine(),
        |session| session.select_one().map(drop),
        |raw| raw.select_one().map(drop),
    );
    count(&format!("roundtrips.{server}.tx"), counted.transaction);
    count(&format!("roundtrips.{server}.return"), counted.returned);
    comment(format!(
        "roundtrips.{server}: with a savepoint {}, rolled back {}, with Diesel's own transaction() {}",
        counted.nested, counted.rolled_back, counted.of_diesel
    ));
}

/// Once with a core for each, and once with one for both, where what counts is how much work it is for both.
fn on_a_server<C>(name: &str, cores: &Cores, sides: Sides<C>)
where
    C: Dialect + Statements + SimpleConnection,
    Session<C>: Statements + SimpleConnection,
    Connection<C>: Statements,
{
    let sides = RefCell::new(sides);
    compare(name, Turns::ON_A_SERVER, &sides);
    cores.together(|| compare(&format!("{name}_on_one_core"), Turns::ON_A_SERVER, &sides));
}

/// A database in memory for each side.
fn sqlite() -> Sides<SqliteConnection> {
    let bare = SqliteConnection::establish(":memory:").expect("it is in memory");
    Sides::open("sqlite://:memory:", Some(bare))
}

fn compare<C>(name: &str, turns: Turns, sides: &RefCell<Sides<C>>)
where
    C: Dialect + Statements + SimpleConnection,
    Session<C>: Statements + SimpleConnection,
    Connection<C>: Statements,
{
    let bare = |turn: fn(&mut C)| {
        let mut sides = sides.borrow_mut();
        sides.with_bare(|bare| turns.microseconds(|| turn(bare)))
    };
    let ours = |turn: fn(&Sides<C>)| {
        let sides = sides.borrow();
        turns.microseconds(|| turn(&sides))
    };
    let kept = || {
        let mut kept = sides.borrow().engine().connect();
        turns.microseconds(|| drop(black_box(kept_read(&mut kept))))
    };
    let rounds = alternate(
        ROUNDS,
        &mut [
            &mut || ours(|sides| drop(black_box(sides.ours_read()))),
            &mut || bare(|bare| drop(black_box(bare_read(bare)))),
            &mut || ours(|sides| drop(black_box(sides.ours_read_with_retry()))),
            &mut || ours(Sides::ours_write),
            &mut || bare(bare_write),
            &mut || kept(),
        ],
    );
    let [ours, bare, with_retry, ours_writing, bare_writing, kept] = [0, 1, 2, 3, 4, 5];
    figure(&format!("tx.{name}.speedup_over_diesel"), rounds.ratio(bare, ours));
    figure(&format!("tx.{name}.cost_over_diesel"), rounds.ratio(ours, bare));
    figure(
        &format!("tx_write.{name}.cost_over_diesel"),
        rounds.ratio(ours_writing, bare_writing),
    );
    figure(&format!("tx_kept.{name}.cost_over_diesel"), rounds.ratio(kept, bare));
    comment(format!(
        "tx.{name}: reading, ours {:.1} µs, Diesel's {:.1} µs; writing, ours {:.1} µs, Diesel's {:.1} µs; reading with \
         #[retry] is {:.3} of reading without",
        rounds.of(ours),
        rounds.of(bare),
        rounds.of(ours_writing),
        rounds.of(bare_writing),
        rounds.ratio(with_retry, ours),
    ));
}

/// For profilers: what one side does on a database in memory, and nothing else.
fn one_side(side: &str, times: u32) {
    let mut sides = sqlite();
    for _ in 0..times {
        match side {
            "sqlite_memory.ours" => drop(black_box(sides.ours_read())),
            "sqlite_memory.retry" => drop(black_box(sides.ours_read_with_retry())),
            "sqlite_memory.ambient" => drop(black_box(sides.ambient_read())),
            "sqlite_memory.diesel" => drop(black_box(sides.with_bare(bare_read))),
            "sqlite_memory.ours_write" => sides.ours_write(),
            "sqlite_memory.diesel_write" => sides.with_bare(bare_write),
            other => panic!("there is no side {other}"),
        }
    }
}
