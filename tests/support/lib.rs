//! What Aludel's tests stand on.
//!
//! | Module | What a test gets from it |
//! |---|---|
//! | `mariadb` (feature `mysql`) | a private `MariaDB`, databases on it, and ways to hurt it |
//! | `galera` (feature `mysql`) | a cluster of two such servers |
//! | `postgres` (feature `postgres`) | the same for `PostgreSQL` |
//! | [`sqlite`] | a database file that goes away with its handle |
//! | [`account`] | the model that most stories are about |
//! | [`adopted`] | an r2d2 pool as an engine's, as a story for any server |
//! | [`deadlines`] | what a database is told of a retry's deadline, as stories for any of them |
//! | [`doomed`] | a table of calls and errors, and what each does to its transaction |
//! | [`failed_commit`] | what a COMMIT that fails leaves behind, as a story for any database |
//! | [`exits`], [`panics`] | who leaves in the middle of a transaction, as stories for any database |
//! | [`gate`] | named stages for stories that two threads tell together |
//! | [`EventLog`] | a log of events that is compared as a whole; users have it as well |
//! | [`capture`] | what a program that has set up `tracing` would see, and what `echo` prints without it |
//! | [`corpus`] | what a server really said, held against the corpus of the classifier |
//! | [`propagation`] | what each word of a propagation does in each place, as a table for any database |
//! | [`raw_control`] | transaction control in raw SQL, as a story for any database |
//! | [`reconnecting`] | a reader that repeats its SELECTs, as stories for any database and for servers that are hurt |
//! | [`sandbox`] | work that is never committed, as stories for any database |
//! | [`secrets`] | everything that a program could see of an engine, to look for a password in it |
//! | [`stage`] | a bank on any database, for stories that are told once; [`tell!`] makes tests of them |
//! | [`ambient`] | ambient functions that call ambient functions, as stories for any database |
//! | [`cases`] | SQLAlchemy's test cases, each a story for any backend |
//! | [`hidden`] | bind values of every kind, on their way through statements that work and that fail |
//! | [`stories`] | which events the stories write into that log |
//! | [`hidden_values!`], [`logging_stories!`] | what nobody sees, and what is shown, as tests on any backend or server |
//! | [`promised_code!`] | the code that users were promised, as tests on any backend |
//! | [`forgery`] | what an error costs whose words somebody made up, as a story for any server |
//! | [`fork`] | processes that fork; [`forked`] is what becomes of a pool there, as a story for any database |
//! | [`outage`] | what a pool does while its server is stopped or restarted, as a story for any server |
//! | [`chaos`] | money that is moved while somebody breaks the database, and the books checked afterwards |
//! | [`verify`] | what becomes of a COMMIT whose answer never comes, as stories for any database |
//! | [`waiting`] | retries that wait for a host that is down, as stories for any database |
//! | [`wire`] | what goes by between a client and its database, and the rules that no rerun may break |
//! | [`reruns`] | when a transaction runs again, by what goes by on the wire, as stories for any database |
//! | [`models`] | objects and random programs of them, as stories for any database |
//! | [`proxied`] | what a proxy does to a client, and what a session makes of it, as stories for any server |
//! | [`random`] | random cases, the same in each run |
//! | [`poll`] | waiting for something that only a server can tell, with a deadline |
//! | [`proxy`] | a proxy in front of a server that cuts, holds back or answers by itself when a given statement goes by, and counts round trips |
//! | [`watchdog`] | child processes that never outlive the test, whatever ends it |
//! | [`figures`] | the ratios that a benchmark prints |
//! | [`ports`] | loopback ports: a free one refuses until somebody listens on it |
//!
//! A server that is not installed fails the test and names the package; nothing is ever skipped in silence.
//! `tests/run` installs what is missing.

#![forbid(unsafe_code)]

// The story of a test.
pub mod account;
pub mod adopted;
pub mod ambient;
pub mod capture;
#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
pub mod cases;
pub mod chaos;
pub mod corpus;
pub mod deadlines;
pub mod doomed;
pub mod exits;
pub mod failed_commit;
pub mod forgery;
pub mod fork;
pub mod forked;
pub mod gate;
pub mod hidden;
mod logging;
#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
pub mod models;
pub mod once;
pub mod outage;
pub mod panics;
pub mod poll;
mod promise;
pub mod propagation;
pub mod proxied;
pub mod random;
pub mod raw_control;
pub mod reconnecting;
pub mod reruns;
pub mod sandbox;
pub mod secrets;
pub mod stage;
pub mod stories;
pub mod verify;
pub mod waiting;

// The databases.
pub mod database;
#[cfg(feature = "mysql")]
pub mod galera;
#[cfg(feature = "mysql")]
pub mod mariadb;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod sqlite;

// The way to a server.
pub mod proxy;
pub mod wire;

// The benchmarks.
pub mod figures;

// What carries the servers.
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod certificates;
pub mod ports;
pub mod program;
pub mod watchdog;

pub use aludel::testing::EventLog;
pub use database::TestDatabase;
pub use gate::{Gate, Meeting};
