//! Chaos: threads move money while somebody breaks the database under them, and then the books are checked.
//!
//! | File | What happens there |
//! |---|---|
//! | `books` | the tables, and each statement, once for all backends |
//! | `transfer` | the ways in which a transfer is carried out |
//! | `clerk` | the threads that do it |
//! | `nemesis` | the deeds, and the plan that a seed makes of them |
//! | `site`, and one file a backend | where it takes place, and how each deed is done there |
//! | `wire` | the deeds that a proxy is made to do |
//! | `resolve` | what has become of a transfer whose COMMIT was never answered |
//! | `tally` | what the engines tell; errors that nobody has a word for |
//! | `audit`, `whole` | the checks: of the books, and of the pools |
//! | `summary` | a run, told to people |
//!
//! A run has a calm second, the chaos, and a few calm seconds; `ALUDEL_CHAOS_SECONDS` says how long all of it takes (10 by
//! default; a plan's deeds are all done once, however long that takes), `ALUDEL_CHAOS_SEED` repeats the plan of an earlier run. What a plan's deeds find in progress is up to the
//! machine, so a repeated run is alike and not the same.

use std::env;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use aludel::prelude::*;

mod audit;
mod books;
mod clerk;
#[cfg(feature = "mysql")]
mod mariadb;
mod nemesis;
#[cfg(feature = "postgres")]
mod postgres;
mod resolve;
mod site;
#[cfg(feature = "sqlite")]
mod sqlite;
mod summary;
mod tally;
mod transfer;
mod whole;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod wire;

use audit::{Check, Fate};
use books::SCHEMA;
pub use books::{Account, Books, Line};
use clerk::{Course, Deal};
#[cfg(feature = "mysql")]
pub use mariadb::mariadb;
pub use nemesis::Deed;
#[cfg(feature = "postgres")]
pub use postgres::postgres;
pub use site::Site;
#[cfg(feature = "sqlite")]
pub use sqlite::sqlite;
pub use summary::Summary;
use tally::Tally;

use crate::poll;

/// Threads that make transfers: more than there are connections, so that some always wait for one.
const CLERKS: usize = 8;

/// Connections that a pool keeps; there are two pools or more.
const POOL_SIZE: usize = 2;

/// Connections above that.
const OVERFLOW: usize = 1;

/// How long a run takes where nobody says, in seconds; longer where the long runs are asked for (`ALUDEL_TEST_LONG`).
const SECONDS: u64 = 10;

/// The same, then.
const LONG_SECONDS: u64 = 60;

/// The calm before the chaos, and after it.
const CALM: Duration = Duration::from_secs(1);

/// How long may pass until every clerk has had a transfer acknowledged, or has ended. Longer only delays the report of one
/// that never will; shorter fails a sound one on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(3);

/// Runs chaos on a site, prints the summary, and fails unless every check holds.
///
/// # Panics
///
/// If one does not, if a thread dies, or if nobody gets anywhere any more.
#[track_caller]
pub fn run<C>(site: &dyn Site)
where
    C: Dialect<Backend: Books> + 'static,
    Account: Persist<C::Backend>,
    Line: Persist<C::Backend>,
{
    let given = number_of("ALUDEL_CHAOS_SECONDS");
    let otherwise = if env::var_os("ALUDEL_TEST_LONG").is_some() {
        LONG_SECONDS
    } else {
        SECONDS
    };
    let seed = number_of("ALUDEL_CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("{}: ALUDEL_CHAOS_SEED={seed}", site.name());
    let summary = Run::<C>::new(site, seed).take_place(Duration::from_secs(given.unwrap_or(otherwise)));
    if given.is_some() {
        // Whoever asked for it wants to read it, and a test that passes shows nothing that it prints.
        write!(std::io::stderr(), "{summary}").expect("standard error takes a summary");
    } else {
        println!("{summary}");
    }
    let findings = summary.findings();
    assert!(
        findings.is_empty(),
        "{} findings, see the summary above",
        findings.len()
    );
}

/// A number of the environment.
fn number_of(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no whole number but {text:?}")),
    )
}

struct Run<'a, C: Dialect> {
    site: &'a dyn Site,
    seed: u64,
    engines: Vec<Engine<C>>,
    office: Engine<C>,
    tally: Arc<Tally>,
    course: Arc<Course>,
}

impl<'a, C> Run<'a, C>
where
    C: Dialect<Backend: Books> + 'static,
    Account: Persist<C::Backend>,
    Line: Persist<C::Backend>,
{
    fn new(site: &'a dyn Site, seed: u64) -> Self {
        let office = Engine::<C>::new(site.office_url()).expect("the URL is a good one");
        open::<C>(&office).expect("the database is empty");
        let tally = Arc::new(Tally::new(C::FLAVOUR));
        let prepare = site.prepare();
        let engine = |(number, url): (usize, String)| {
            let tally = Arc::clone(&tally);
            Engine::<C>::builder(url)
                .pool_size(POOL_SIZE)
                .max_overflow(OVERFLOW)
                .faults(site.faults())
                .verify_commits(number % 2 == 1)
                .listen(move |event| tally.note(event))
                .on_connect(move |connection: &mut C, _| match prepare {
                    Some(sql) => Ok(connection.batch_execute(sql)?),
                    None => Ok(()),
                })
                .build()
                .expect("the options fit together")
        };
        Self {
            site,
            seed,
            engines: site.urls().into_iter().enumerate().map(engine).collect(),
            office,
            tally,
            course: Arc::new(Course::new(CLERKS)),
        }
    }

    fn take_place(&self, lasts: Duration) -> Summary {
        let clerks = self.hire();
        self.wait_for_everybody();
        let began = self.course.begun.elapsed();
        let dispose = || self.engines.iter().for_each(Engine::dispose);
        let deeds = nemesis::rage(self.site, dispose, self.seed, lasts.saturating_sub(3 * CALM));
        let ended = self.course.begun.elapsed();
        self.wait_for_everybody();
        self.course.over.store(true, Ordering::Relaxed);
        let (deals, deaths) = gather(&clerks);
        let lasted = self.course.begun.elapsed();

        let deals = self.resolve_what_is_left(deals);
        let checks = self.checks(&deals, &deeds, deaths);
        Summary {
            name: self.site.name(),
            seed: self.seed,
            clerks: CLERKS,
            lasted,
            deals,
            counts: self.tally.take(),
            deeds,
            storm: (began, ended),
            checks,
        }
    }

    /// Threads that nobody joins: one that hangs must not keep the test from saying so.
    fn hire(&self) -> mpsc::Receiver<Result<Vec<Deal>, String>> {
        let (done, clerks) = mpsc::channel();
        for number in 0..CLERKS {
            let (engine, office) = (self.engines[number % self.engines.len()].clone(), self.office.clone());
            let (course, tally, done) = (Arc::clone(&self.course), Arc::clone(&self.tally), done.clone());
            let seed = self.seed.wrapping_add(1 + number as u64);
            thread::spawn(move || {
                let shared = Arc::clone(&course);
                let clerk = thread::spawn(move || clerk::work(number, seed, &shared, &engine, &office, &tally));
                let deals = clerk.join().map_err(|panic| {
                    let text = panic.downcast_ref::<String>().map(String::as_str);
                    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                    format!(
                        "clerk {number} died: {}",
                        text.unwrap_or("of something that is no text")
                    )
                });
                course.somebody_died.fetch_or(deals.is_err(), Ordering::Relaxed);
                // Nobody listens any more where the test has failed already.
                let _ = done.send(deals);
            });
        }
        clerks
    }

    /// A calm second at least, and until every clerk has had a transfer acknowledged in it and nothing is in wait any more.
    /// Where one has died there is nothing to wait for.
    fn wait_for_everybody(&self) {
        let (before, began) = (self.course.acknowledged(), self.course.begun.elapsed());
        poll::until("every clerk has had a transfer acknowledged", PATIENCE, || {
            let all = self
                .course
                .acknowledged()
                .iter()
                .zip(&before)
                .all(|(now, before)| now > before);
            let calm = all && self.site.is_calm() && self.course.begun.elapsed() >= began + CALM;
            (calm || self.course.somebody_died.load(Ordering::Relaxed)).then_some(())
        });
    }

    /// Those that could not be resolved while the database was away; and all others a second time, since two resolvers must
    /// agree.
    fn resolve_what_is_left(&self, mut deals: Vec<Deal>) -> Vec<Deal> {
        for deal in &mut deals {
            if let Fate::Unknown(first) = deal.fate {
                let again = resolve::resolve(&self.office, &deal.order, deal.token.as_ref(), PATIENCE)
                    .expect("nobody breaks anything now");
                if first.is_none_or(|first| first == again) {
                    deal.fate = Fate::Unknown(Some(again));
                } else {
                    deal.fate = Fate::Unknown(None);
                }
            }
        }
        deals
    }

    fn checks(&self, deals: &[Deal], deeds: &std::collections::BTreeMap<Deed, u64>, deaths: Vec<String>) -> Vec<Check> {
        let told: Vec<_> = deals.iter().map(|deal| (deal.order, deal.fate)).collect();
        let (accounts, lines) = self
            .office
            .begin(|session| Ok((C::Backend::accounts(session)?, C::Backend::lines(session)?)))
            .expect("nobody breaks anything now");
        let mut checks = audit::audit(&told, &accounts, &lines);
        checks.push(Check::new(format!("none of {CLERKS} threads died"), deaths));
        checks.push(whole::check(self.site, &self.engines));
        let complaints = self.tally.complaints();
        checks.push(Check::new(
            "every error had a class, and said what became of the data",
            complaints,
        ));
        let missed = deeds.iter().filter(|(_, hits)| **hits == 0);
        checks.push(Check::new(
            "everything that was to be done to it found somebody",
            missed.map(|(deed, _)| deed.to_string()).collect(),
        ));
        checks
    }
}

impl<C: Dialect> Drop for Run<'_, C> {
    /// A run that fails half-way leaves no clerks behind that knock at a server which is gone.
    fn drop(&mut self) {
        self.course.over.store(true, Ordering::Relaxed);
    }
}

fn gather(clerks: &mpsc::Receiver<Result<Vec<Deal>, String>>) -> (Vec<Deal>, Vec<String>) {
    let (mut deals, mut deaths) = (Vec::new(), Vec::new());
    for number in 0..CLERKS {
        match clerks.recv_timeout(PATIENCE) {
            Ok(Ok(more)) => deals.extend(more),
            Ok(Err(death)) => deaths.push(death),
            Err(mpsc::RecvTimeoutError::Timeout | mpsc::RecvTimeoutError::Disconnected) => {
                panic!("only {number} of {CLERKS} clerks came back within {PATIENCE:?}")
            }
        }
    }
    (deals, deaths)
}

fn open<C>(office: &Engine<C>) -> aludel::Result<()>
where
    C: Dialect<Backend: Books>,
{
    let mut raw = office.raw_connection()?;
    for statement in SCHEMA {
        raw.batch_execute(statement)?;
    }
    C::Backend::open(&mut *raw)?;
    office.create_commit_table()
}
