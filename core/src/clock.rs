//! The one clock of an engine: where all its time comes from, so that a test can turn it.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::sync::{Arc, Condvar, Mutex, MutexGuard, lock, wait_on_test_clock, wait_timeout};

/// Where an engine, its pool and its retries read the time and sleep.
///
/// The system's clock unless a test asks for another. Cloning shares it.
///
/// ```
/// use aludel_core::clock::Clock;
/// use std::time::Duration;
///
/// let (clock, test) = Clock::test();
/// let start = clock.now();
/// clock.sleep(Duration::from_secs(3600)); // returns at once
/// test.advance(Duration::from_secs(60));
/// assert_eq!(clock.now() - start, Duration::from_secs(3660));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

/// Since 1970: any time will do for a test, as long as it is the same in each run.
const YEAR_2000: Duration = Duration::from_hours(262_968);

/// A moment, in nanoseconds of its clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticks(pub(crate) u64);

/// A moment that was noted and not yet read.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Mark(Ticks);

impl Ticks {
    /// The time since `earlier`; none if that is later.
    #[inline]
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// That long ago, if there was such a moment.
    pub(crate) fn before(self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(u64::try_from(duration.as_nanos()).ok()?).map(Self)
    }

    pub(crate) fn after(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Test(TestClock),
}

impl Clock {
    /// The system's monotonic clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that only moves when it is told to, and the handle that moves it.
    pub fn test() -> (Self, TestClock) {
        let test = TestClock::new();
        (test.clock(), test)
    }

    /// The time now.
    pub fn now(&self) -> Instant {
        match &self.0 {
            Source::System => {
                let now = Instant::now();
                coarse::heal(now);
                now
            }
            Source::Test(test) => test.now(),
        }
    }

    /// The time of day now, in UTC, for what is written into rows (`created_at`). A test clock begins with the year 2000.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use aludel_core::clock::Clock;
    ///
    /// let (clock, test) = Clock::test();
    /// let before = clock.wall();
    /// test.advance(Duration::from_secs(60));
    /// assert_eq!(clock.wall().duration_since(before).unwrap(), Duration::from_secs(60));
    /// ```
    pub fn wall(&self) -> SystemTime {
        match &self.0 {
            Source::System => SystemTime::now(),
            Source::Test(test) => SystemTime::UNIX_EPOCH + YEAR_2000 + lock(&test.0.time).passed,
        }
    }

    /// The time now or up to 50 ms ago, for a tenth of the price of [`now`](Self::now): for ages that people read.
    ///
    /// A thread named `aludel-clock` notes the time every 25 ms while somebody asks, and ends after a second in which
    /// nobody did. A test clock answers exactly.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use aludel_core::clock::Clock;
    ///
    /// let clock = Clock::system();
    /// let coarse = clock.coarse();
    /// assert!(coarse <= clock.now()); // never ahead
    /// ```
    #[inline]
    pub fn coarse(&self) -> Instant {
        match &self.0 {
            Source::System => coarse::now(),
            Source::Test(test) => test.now(),
        }
    }

    /// Notes the coarse time, for a moment that is hardly ever asked for. For the layers above.
    #[doc(hidden)]
    #[inline]
    pub fn mark(&self) -> Mark {
        Mark(self.ticks())
    }

    /// The coarse time that was noted.
    #[doc(hidden)]
    pub fn marked(&self, mark: Mark) -> Instant {
        self.at(mark.0)
    }

    /// [`coarse`](Self::coarse) as a number, which costs nothing to store.
    #[inline]
    pub(crate) fn ticks(&self) -> Ticks {
        match &self.0 {
            Source::System => coarse::ticks(),
            Source::Test(test) => test.ticks(),
        }
    }

    /// [`now`](Self::now) as a number.
    pub(crate) fn ticks_now(&self) -> Ticks {
        match &self.0 {
            Source::System => coarse::ticks_of(self.now()),
            Source::Test(test) => test.ticks(),
        }
    }

    /// What a number stands for.
    pub(crate) fn at(&self, ticks: Ticks) -> Instant {
        match &self.0 {
            Source::System => coarse::at(ticks),
            Source::Test(test) => test.0.start + Duration::from_nanos(ticks.0),
        }
    }

    /// Says that this process has so many forks behind it, of which the last one may be news.
    pub(crate) fn after_a_fork(forks: u64) {
        coarse::after_a_fork(forks);
    }

    /// Whether it is a test's.
    pub(crate) fn is_test(&self) -> bool {
        matches!(self.0, Source::Test(_))
    }

    /// Sleeps. On a test clock: returns at once, the time having advanced by `duration`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use aludel_core::clock::Clock;
    ///
    /// let (clock, test) = Clock::test();
    /// clock.sleep(Duration::from_secs(60)); // returns at once
    /// assert_eq!(test.slept(), [Duration::from_secs(60)]);
    /// ```
    pub fn sleep(&self, duration: Duration) {
        match &self.0 {
            // The one place that sleeps for callers: a test takes a `TestClock` instead.
            Source::System => thread::sleep(duration),
            Source::Test(test) => {
                let mut time = lock(&test.0.time);
                time.passed = time.passed.saturating_add(duration);
                time.slept.push(duration);
            }
        }
    }

    /// Waits on `condvar` until it is notified, or until `deadline`, or for no reason at all: the caller loops.
    pub(crate) fn wait_until<'a, T>(
        &self,
        condvar: &Condvar,
        guard: MutexGuard<'a, T>,
        deadline: Instant,
    ) -> MutexGuard<'a, T> {
        match &self.0 {
            Source::System => wait_timeout(condvar, guard, deadline.saturating_duration_since(self.now())),
            Source::Test(test) => wait_on_test_clock(condvar, guard, || {
                test.advance(deadline.saturating_duration_since(test.now()));
            }),
        }
    }
}

/// Moves the [`Clock`] it was made with.
///
/// ```
/// use aludel_core::clock::TestClock;
/// use std::time::Duration;
///
/// let test = TestClock::new();
/// test.clock().sleep(Duration::from_millis(50));
/// assert_eq!(test.slept(), [Duration::from_millis(50)]);
/// ```
#[derive(Clone)]
pub struct TestClock(Arc<TestTime>);

struct TestTime {
    start: Instant,
    time: Mutex<Time>,
}

#[derive(Default)]
struct Time {
    passed: Duration,
    slept: Vec<Duration>,
}

impl TestClock {
    /// A clock that stands still.
    pub fn new() -> Self {
        Self(Arc::new(TestTime {
            start: Instant::now(),
            time: Mutex::default(),
        }))
    }

    /// The clock that this handle moves, for an engine or a pool.
    pub fn clock(&self) -> Clock {
        Clock(Source::Test(self.clone()))
    }

    /// Lets `duration` pass.
    pub fn advance(&self, duration: Duration) {
        let mut time = lock(&self.0.time);
        time.passed = time.passed.saturating_add(duration);
    }

    /// Every sleep so far, in order.
    pub fn slept(&self) -> Vec<Duration> {
        lock(&self.0.time).slept.clone()
    }

    fn now(&self) -> Instant {
        self.0.start + lock(&self.0.time).passed
    }

    fn ticks(&self) -> Ticks {
        Ticks::default().after(lock(&self.0.time).passed)
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClock")
            .field("passed", &lock(&self.0.time).passed)
            .finish_non_exhaustive()
    }
}

/// The system's time as a number that a thread keeps up to date.
mod coarse {
    // Not those of `sync`: this is a thread of its own, which no explorer runs.
    use std::sync::{Mutex, PoisonError};

    use super::{AtomicBool, AtomicU64, Duration, Instant, OnceLock, Ordering, Ticks, thread};

    /// Finer costs wake-ups of an otherwise idle program, coarser makes the ages in a timeout's text useless.
    const TICK: Duration = Duration::from_millis(25);
    /// Ticks without a reader after which the thread ends.
    const PATIENCE: u32 = 40;
    /// A reading older than this has no thread behind it any more, as in a forked child.
    const DEAD_AFTER: Duration = Duration::from_secs(1);

    /// Nanoseconds since [`base`]; 0 while no thread keeps it.
    static NANOS: AtomicU64 = AtomicU64::new(0);
    static ASKED: AtomicBool = AtomicBool::new(false);
    /// Held while a thread is started or ends, so that there is one of them.
    static TICKER: Mutex<()> = Mutex::new(());

    fn base() -> Instant {
        static BASE: OnceLock<Instant> = OnceLock::new();
        *BASE.get_or_init(Instant::now)
    }

    /// Never 0, which means that nobody keeps the time; wraps after 584 years.
    fn nanos(now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(base()).as_nanos())
            .unwrap_or(u64::MAX)
            .max(1)
    }

    #[inline]
    pub(super) fn now() -> Instant {
        at(ticks())
    }

    #[inline]
    pub(super) fn ticks() -> Ticks {
        match NANOS.load(Ordering::Relaxed) {
            0 => ticks_of(start()),
            noted => {
                // Read before writing: the line stays shared between the cores.
                if !ASKED.load(Ordering::Relaxed) {
                    ASKED.store(true, Ordering::Relaxed);
                }
                Ticks(noted)
            }
        }
    }

    pub(super) fn ticks_of(now: Instant) -> Ticks {
        Ticks(nanos(now))
    }

    pub(super) fn at(ticks: Ticks) -> Instant {
        base() + Duration::from_nanos(ticks.0)
    }

    /// In a forked child the thread is gone, and with it the time: the next reader starts another.
    pub(super) fn after_a_fork(forks: u64) {
        static KNOWN: AtomicU64 = AtomicU64::new(0);
        if KNOWN.swap(forks, Ordering::Relaxed) != forks {
            NANOS.store(0, Ordering::Relaxed);
        }
    }

    /// Lets the next reader start a thread where the old one is gone.
    pub(super) fn heal(now: Instant) {
        let noted = NANOS.load(Ordering::Relaxed);
        if noted != 0 && now.saturating_duration_since(base()) > Duration::from_nanos(noted) + DEAD_AFTER {
            // Only if it is still the stale reading: a live thread that was merely late has written another.
            let _ = NANOS.compare_exchange(noted, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    #[cold]
    fn start() -> Instant {
        let now = Instant::now();
        // A fork may have copied the lock while it was held: never wait for it.
        let Ok(_one) = TICKER.try_lock() else { return now };
        if NANOS.load(Ordering::Relaxed) == 0
            && thread::Builder::new()
                .name("aludel-clock".into())
                .stack_size(64 * 1024)
                .spawn(tick)
                .is_ok()
        {
            ASKED.store(true, Ordering::Relaxed);
            NANOS.store(nanos(now), Ordering::Relaxed);
        }
        now
    }

    fn tick() {
        let mut unasked = 0;
        while unasked < PATIENCE {
            thread::sleep(TICK);
            unasked = if ASKED.swap(false, Ordering::Relaxed) {
                0
            } else {
                unasked + 1
            };
            NANOS.store(nanos(Instant::now()), Ordering::Relaxed);
        }
        let _one = TICKER.lock().unwrap_or_else(PoisonError::into_inner);
        NANOS.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_clock_stands_still_until_it_is_moved() {
        let (clock, test) = Clock::test();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        test.advance(Duration::from_secs(5));
        assert_eq!(clock.coarse() - start, Duration::from_secs(5));
    }

    #[test]
    fn sleeping_on_a_test_clock_is_recorded_and_moves_it() {
        let (clock, test) = Clock::test();
        let start = clock.now();
        clock.sleep(Duration::from_secs(2));
        clock.sleep(Duration::from_secs(3));
        assert_eq!(clock.now() - start, Duration::from_secs(5));
        assert_eq!(test.slept(), [Duration::from_secs(2), Duration::from_secs(3)]);
    }

    #[test]
    fn the_coarse_time_is_never_ahead() {
        let clock = Clock::system();
        for _ in 0..1000 {
            let coarse = clock.coarse();
            assert!(coarse <= clock.now());
        }
    }
}
