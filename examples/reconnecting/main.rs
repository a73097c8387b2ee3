//! A ping every second, while the database is restarted: SQLAlchemy's demonstration of its recipe `reconnecting_engine`.
//!
//! ```text
//! cargo run --example reconnecting --features mysql
//! cargo run --example reconnecting --features postgres -- --server postgres --seconds 20
//! cargo run --example reconnecting --features mysql -- mysql://app:secret@127.0.0.1/bank --seconds 600
//! ```
//!
//! Without a URL it starts a server of its own on a loopback port, kills it after the third ping, starts it again three
//! seconds later, and takes it away at the end (`tests/run --install-only` installs what is missing). With one, somebody else
//! has to do the restarting. The features `mysql` and `postgres` need a client library (Debian: `libmariadb-dev`,
//! `libpq-dev`).
//!
//! Exit code 0: no ping has failed; 1: one has; 2: it could not start. That is a test as well:
//! `cargo test -p aludel-examples --features mysql,postgres --example reconnecting`.
//!
//! | File | What happens there |
//! |---|---|
//! | `ping` | **the loop**, and what it is told meanwhile |
//! | `server` | servers of its own |

#![forbid(unsafe_code)]
// Without a backend there is nothing to ping; it should compile nevertheless.
#![cfg_attr(
    not(any(feature = "sqlite", feature = "mysql", feature = "postgres")),
    allow(dead_code, unused)
)]

use std::process::ExitCode;
use std::time::Duration;

use aludel::{Error, Url};
use clap::{Parser, ValueEnum};

mod ping;
mod server;

use ping::Seen;

/// Pings a database that is restarted meanwhile.
#[derive(Parser, Clone)]
#[command(name = "reconnecting")]
struct Options {
    /// The database: `sqlite://…`, `mysql://…`, `mariadb://…`, `postgres://…`; a server of our own if there is none
    url: Option<String>,
    /// Which server of our own
    #[arg(long, value_enum, conflicts_with = "url")]
    server: Option<Server>,
    /// For how long, in seconds; a server of our own is back by then in any case
    #[arg(long, default_value = "10", value_parser = seconds)]
    seconds: Duration,
    /// How long a server of our own is down, in seconds
    #[arg(long, default_value = "3", value_parser = seconds)]
    down: Duration,
    /// The pause between two pings, in seconds
    #[arg(long, default_value = "1", value_parser = seconds)]
    every: Duration,
    /// How often a ping is repeated when it has lost its connection
    #[arg(long, default_value_t = 5)]
    num_retries: u32,
    /// The pause before each repetition, in seconds
    #[arg(long, default_value = "2", value_parser = seconds)]
    retry_interval: Duration,
}

/// A server that can be started here.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Server {
    Mariadb,
    Postgres,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    match choose(&Options::parse()) {
        Ok(seen) => {
            println!("\n{seen}");
            ExitCode::from(u8::from(seen.failed > 0))
        }
        Err(error) => {
            eprintln!("reconnecting: {error}");
            ExitCode::from(2)
        }
    }
}

/// The one place where a connection type is named, or a server.
fn choose(options: &Options) -> aludel::Result<Seen> {
    let Some(url) = &options.url else {
        return server::restarted(options);
    };
    match Url::parse(url)?.scheme() {
        #[cfg(feature = "sqlite")]
        "sqlite" => ping::pings::<diesel::SqliteConnection>(url, options, |_| ()),
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => ping::pings::<diesel::MysqlConnection>(url, options, |_| ()),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => ping::pings::<diesel::PgConnection>(url, options, |_| ()),
        scheme => Err(Error::configuration(format!(
            "{scheme}:// is none of the databases that this program was compiled for; there are the features sqlite, mysql \
             and postgres"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &[&str]) -> Options {
        Options::parse_from([&["reconnecting", "--every", "0.05", "--retry-interval", "0.2"], words].concat())
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_file_is_pinged_until_the_time_is_over() {
        let seen = choose(&options(&["sqlite://:memory:", "--seconds", "0.2"])).expect("it can be opened");
        assert!(seen.answered >= 1 && seen.failed == 0 && seen.repeated == 0, "{seen:?}");
    }

    #[cfg(any(feature = "mysql", feature = "postgres"))]
    fn a_restart_disturbs_nobody(server: &str) {
        // More of them than any restart takes: the loop ends when the server is back.
        let seen = choose(&options(&[
            "--server",
            server,
            "--seconds",
            "1",
            "--num-retries",
            "600",
        ]));
        let seen = seen.expect("the server starts");
        assert!(seen.answered > 3, "none after the restart: {seen:?}");
        assert!(seen.failed == 0 && seen.repeated >= 1, "{seen:?}");
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn a_restart_of_mariadb_disturbs_nobody() {
        a_restart_disturbs_nobody("mariadb");
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_restart_of_postgres_disturbs_nobody() {
        a_restart_disturbs_nobody("postgres");
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_ping_that_fails_is_counted_and_the_loop_goes_on() {
        let nowhere = options(&["sqlite:///no/such/folder/bank.db", "--seconds", "0.2"]);
        let seen = choose(&nowhere).expect("nothing is connected to before the first ping");
        assert!(seen.failed >= 2 && seen.answered == 0, "{seen:?}");
    }
}
