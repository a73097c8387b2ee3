//! Many threads move money between a few accounts, in random order, on any of the three databases. With `--chaos` the
//! program's own connections are killed while they work: idle in the pool, in a statement, in COMMIT. Then the books
//! are checked: every transfer that was acknowledged is recorded once, and every balance follows from the records.
//!
//! ```text
//! cargo run --release --example bank -- sqlite://bank.db
//! cargo run --release --example bank --features mysql -- mysql://app:secret@127.0.0.1/bank --seconds 30 --chaos
//! cargo run --release --example bank --features postgres -- postgres://app:secret@127.0.0.1/bank --chaos
//! cargo run --release --example bank --features mysql -- mysql://app:secret@127.0.0.1/bank --chaos --plain
//! ```
//!
//! `--plain` makes the same transfers with Diesel and r2d2 alone, as their guides have it, and counts what its callers
//! are told. The features `mysql` and `postgres` need a client library (Debian: `libmariadb-dev`, `libpq-dev`).
//!
//! The tables `aludel_bank_accounts` and `aludel_bank_transfers` are made anew in the database that the URL names, and
//! stay for a look. Exit code 0: the books balance and no call failed; 1: not so; 2: it could not start.
//!
//! | File | What happens there |
//! |---|---|
//! | `ledger` | the tables, and each statement, once for all databases |
//! | `transfer` | **the transfer**: with Aludel, and with Diesel and r2d2 alone |
//! | `chaos` | which connections are ours, and their end |
//! | `work` | the threads, the progress bar |
//! | `tally` | what the engine tells its listener, counted |
//! | `audit` | the books, checked |
//! | `report` | the tables at the end |

#![forbid(unsafe_code)]
// Without a backend there is nothing to run; it should compile nevertheless.
#![cfg_attr(
    not(any(feature = "sqlite", feature = "mysql", feature = "postgres")),
    allow(dead_code, unused)
)]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aludel::prelude::*;
use aludel::{Error, Url};
use clap::Parser;
use diesel::r2d2::{ConnectionManager, Pool};

mod audit;
mod chaos;
mod ledger;
mod report;
mod tally;
mod transfer;
mod work;

use chaos::{Branch, Enrol};
use ledger::{Account, Ledger, Transfer};
use tally::Tally;

/// Transfers between accounts, from many threads, and the books checked at the end.
#[derive(Parser)]
#[command(name = "bank")]
struct Options {
    /// The database: `sqlite://…`, `mysql://…`, `mariadb://…`, `postgres://…`
    url: String,
    /// Threads that make transfers
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..))]
    threads: u8,
    /// For how long
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Accounts between which money moves; fewer of them make more deadlocks
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(i64).range(2..=100_000))]
    accounts: i64,
    /// Kill our own connections while they work; on SQLite, hold the write lock instead
    #[arg(long)]
    chaos: bool,
    /// Diesel and r2d2 alone, without Aludel
    #[arg(long)]
    plain: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match choose(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bank: {error}");
            ExitCode::from(2)
        }
    }
}

/// The one place where a connection type is named.
fn choose(options: &Options) -> aludel::Result<bool> {
    let url = Url::parse(&options.url)?;
    match url.scheme() {
        #[cfg(feature = "sqlite")]
        "sqlite" => run::<diesel::SqliteConnection>(options),
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => run::<diesel::MysqlConnection>(options),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => run::<diesel::PgConnection>(options),
        other => Err(not_compiled_in(other)),
    }
}

fn not_compiled_in(scheme: &str) -> Error {
    let (feature, library) = match scheme {
        "sqlite" => ("sqlite", "a C compiler"),
        "mysql" | "mariadb" => ("mysql", "a client library; Debian: libmariadb-dev"),
        "postgres" | "postgresql" => ("postgres", "a client library; Debian: libpq-dev"),
        other => {
            return Error::configuration(format!(
                "no database goes by `{other}://`; there are sqlite://, mysql://, mariadb:// and postgres://"
            ));
        }
    };
    Error::configuration(format!(
        "a URL with {scheme}:// needs the feature `{feature}`, without which this program was compiled. Try\n\n    \
         cargo run --release --example bank --features {feature} -- <URL>\n\n(it needs {library})"
    ))
}

/// Opens the bank, makes transfers, and checks the books; answers whether all was well.
fn run<C>(options: &Options) -> aludel::Result<bool>
where
    C: Dialect<Backend: Ledger>,
    Account: Persist<C::Backend>,
    Transfer: Persist<C::Backend>,
{
    let url = chaos::check(&options.url, options.chaos)?;
    let branch = Arc::new(Branch::new());
    let tally = Arc::new(Tally::default());
    // Keeps the books, in either case, and has connections of its own, which nobody kills.
    let office = Engine::<C>::builder(&options.url).logging_name("office").build()?;
    ledger::open(&office, options.accounts)?;
    println!(
        "{} threads, {} accounts, {} s on {}",
        options.threads,
        options.accounts,
        options.seconds,
        office.url()
    );

    let trouble = |stop: &AtomicBool| {
        if options.chaos {
            chaos::rage(&branch, &office, stop)
        } else {
            Ok(())
        }
    };
    let news = || {
        let reruns = tally.reruns.load(Ordering::Relaxed);
        format!(", {reruns} run again, {} strikes", branch.strikes())
    };
    let day = if options.plain {
        let pool = plain_pool::<C>(&office, options, &branch)?;
        work::day(&pool, options, trouble, news)?
    } else {
        let engine = engine::<C>(&url, options, &branch, &tally)?;
        work::day(&engine, options, trouble, news)?
    };

    let audit = audit::audit(&office, options.accounts, &day)?;
    report::day(options, &day);
    report::below(options, &branch, &tally);
    report::books(&audit, &day);
    Ok(audit.balances() && audit.unacknowledged == 0 && day.failures() == 0)
}

/// A few more connections than threads, so that some are always idle.
fn pool_size(options: &Options) -> u8 {
    options.threads.saturating_add(4)
}

fn engine<C: Dialect>(
    url: &str,
    options: &Options,
    branch: &Arc<Branch>,
    tally: &Arc<Tally>,
) -> aludel::Result<Engine<C>> {
    let (branch, tally) = (Arc::clone(branch), Arc::clone(tally));
    Engine::builder(url)
        .logging_name("branch")
        .pool_size(pool_size(options).into())
        .max_overflow(0)
        .on_connect(move |connection: &mut C, _| Ok(branch.enrol(connection)?))
        .listen(move |event| tally.note(event))
        .build()
}

/// As r2d2 comes: with a ping before each connection is handed out.
fn plain_pool<C: Dialect>(
    office: &Engine<C>,
    options: &Options,
    branch: &Arc<Branch>,
) -> aludel::Result<Pool<ConnectionManager<C>>> {
    let url = match office.url().sqlite_path() {
        Some(path) => path.to_owned(),
        None => options.url.replacen("mariadb://", "mysql://", 1),
    };
    Pool::builder()
        .max_size(pool_size(options).into())
        .connection_customizer(Box::new(Enrol(Arc::clone(branch))))
        .build(ConnectionManager::new(url))
        .map_err(Error::other)
}
