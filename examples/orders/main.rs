//! A shop: orders, stock, payments, and letters to its customers, on many threads and in rough weather. Each function says
//! what it needs of a transaction in one line above it; what those lines save is in `README.md` beside this file.
//!
//! ```text
//! cargo run --example orders
//! cargo run --example orders -- --threads 8 --orders 500
//! cargo run --example orders -- --fair
//! ```
//!
//! Unless the weather is `--fair`, the database is locked now and then, connections are lost, and the answers to some COMMITs
//! never come. At the end the books are checked. Exit code 0: they balance; 1: they do not; 2: the shop could not open.
//!
//! | File | What happens there |
//! |---|---|
//! | `shop` | **the service**: what a customer can ask for |
//! | `stock`, `payments`, `outbox` | its parts, each with its table |
//! | `schema` | the tables |
//! | `weather` | what goes wrong, on purpose |
//! | `audit` | the books, checked |

#![forbid(unsafe_code)]

use std::panic::resume_unwind;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use aludel::RetryBudget;
use aludel::prelude::*;
use aludel::testing::FaultScript;
use clap::Parser;
use diesel::SqliteConnection;

mod audit;
mod outbox;
mod payments;
mod schema;
mod shop;
mod stock;
mod weather;

use audit::Books;
use outbox::Mailbox;
use shop::Refusal;
use weather::Log;

/// The one place where a database is named.
type Db = Session<SqliteConnection>;

/// A shop that places orders on many threads while its database misbehaves, and the books checked at the end.
#[derive(Parser)]
#[command(name = "orders")]
struct Options {
    /// Threads that place orders
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// Orders in all
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    orders: u32,
    /// Nothing goes wrong but what customers do
    #[arg(long)]
    fair: bool,
}

impl Options {
    /// How much of each product there is in the morning: not quite enough of the one that most people want.
    fn of_each(&self) -> i64 {
        i64::from(self.orders) * 3 / 4
    }
}

fn main() -> ExitCode {
    match open_the_shop(&Options::parse()) {
        Ok(books) if books.balance() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("orders: {error}");
            ExitCode::from(2)
        }
    }
}

/// One day: opens, serves, closes, and counts.
fn open_the_shop(options: &Options) -> aludel::Result<Books> {
    let folder = tempfile::tempdir().map_err(aludel::Error::other)?;
    let file = folder.path().join("shop.db");
    let (faults, log) = (FaultScript::new(), Arc::new(Log::default()));
    let engine = Engine::<SqliteConnection>::builder(format!("sqlite://{}?busy_timeout=5000", file.display()))
        .retry_budget(RetryBudget::UNLIMITED) // one rerun in four orders is more than any budget is made for
        .faults(faults.clone())
        .listen({
            let log = Arc::clone(&log);
            move |event| log.note(event)
        })
        .build()?; // connects to nothing yet
    engine.begin(schema::create)?;
    engine.begin(|db| {
        stock::fill(db, options.of_each());
        Ok(())
    })?;

    let (mailbox, tally, closed) = (Mailbox::default(), Tally::default(), AtomicBool::new(false));
    thread::scope(|threads| {
        let sender = threads.spawn(|| outbox::send_all(&engine, &mailbox, &closed));
        let (engine, faults, tally) = (&engine, &faults, &tally);
        let clerks: Vec<_> = (0..options.threads)
            .map(|clerk| threads.spawn(move || serve(engine, options, clerk, faults, tally)))
            .collect();
        let served = clerks.into_iter().try_for_each(finished);
        closed.store(true, Ordering::Release);
        outbox::ring();
        served.and(finished(sender))
    })?;

    let books = audit::check(&engine, options.of_each(), &mailbox, &tally, &log)?;
    books.print();
    Ok(books)
}

fn finished<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// What customers were told.
#[derive(Default)]
struct Tally {
    placed: AtomicU32,
    sold_out: AtomicU32,
    declined: AtomicU32,
}

/// One clerk, who takes every `threads`-th order. `scope` gives the thread its ambient session.
fn serve(
    engine: &Engine<SqliteConnection>,
    options: &Options,
    clerk: u32,
    faults: &FaultScript,
    tally: &Tally,
) -> aludel::Result<()> {
    engine.scope(|| {
        for number in (clerk..options.orders).step_by(options.threads as usize) {
            if !options.fair {
                weather::changes(faults, number);
            }
            let customer = format!("customer {}", number % 7);
            let (product, quantity) = (
                1 + i32::from(number % 5 == 0) + i32::from(number % 2 == 0),
                i64::from(1 + number % 3),
            );
            let voucher = (number % 11 == 0).then(|| format!("WELCOME-{}", number % 7));
            let told = match shop::place_order(&customer, product, quantity, voucher.as_deref()) {
                Ok(_) => &tally.placed,
                Err(Refusal::SoldOut { .. }) => &tally.sold_out,
                Err(Refusal::Declined { .. }) => &tally.declined,
                Err(Refusal::Database(error)) => return Err(error),
            };
            told.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_books_balance_in_rough_weather() {
        let options = Options {
            threads: 4,
            orders: 120,
            fair: false,
        };
        let books = open_the_shop(&options).expect("the shop opens, and no order fails for the database's sake");
        assert!(books.balance());
    }

    /// README.md shows parts of the source; this keeps it from showing others.
    #[test]
    fn the_readme_shows_lines_that_are_there() {
        let sources = [
            include_str!("shop.rs"),
            include_str!("stock.rs"),
            include_str!("payments.rs"),
            include_str!("outbox.rs"),
            include_str!("main.rs"),
            include_str!("audit.rs"),
        ];
        let readme = include_str!("README.md");
        let shown = readme
            .split("```")
            .skip(1)
            .step_by(2)
            .filter_map(|block| block.strip_prefix("rust\n"));
        let mut lines = 0;
        for line in shown
            .flat_map(str::lines)
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            lines += 1;
            let found = sources
                .iter()
                .any(|source| source.lines().any(|other| other.trim() == line));
            assert!(
                found,
                "README.md shows a line that no file of this example has:\n{line}"
            );
        }
        assert!(lines > 10, "README.md shows the code that it speaks of");
    }
}
