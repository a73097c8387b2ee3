//! What a restart of the server costs those who come after it, and those who are in the middle of something.
//!
//! Run by `tests/bench recover`.

mod restart;
mod stale;

use aludel_tests::{mariadb, postgres};

fn main() {
    // What cargo passes to a benchmark, and not when it builds benchmarks as tests.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("a benchmark: run it with tests/bench recover");
        return;
    }
    let (mariadb, postgres) = (mariadb::private(), postgres::private());
    stale::measure(&mariadb, &postgres);
    restart::measure(&mariadb, &postgres);
}
