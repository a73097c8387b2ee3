//! Being told to stop: tokens that one side cancels and the other obeys.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::error::Exit;
use crate::forkable::Forkable;
use crate::sync::{Arc, AtomicBool, Condvar, Mutex, lock};

/// A word that stops sessions: cloned, handed around, cancelled once.
///
/// Each engine has one ([`Engine::cancel_token`](crate::Engine::cancel_token)), which its sessions obey; a session may be
/// given another, such as a child of the engine's for one request and its time limit. Once a session's token is cancelled,
/// its next statement, BEGIN or COMMIT is not sent and answers [`Exit`] with the reason, whatever it was about to do; a
/// retry does not run again, and wakes up if it was pausing, and so does a session that waits for the pool. ROLLBACK is
/// sent as ever. A statement that is on its way is not interrupted: the driver waits for its answer, and what comes after it
/// is refused.
///
/// There is no way back, since somebody might not have looked in between. Who has to clean up after a shutdown gives that
/// session a token of its own.
///
/// While nobody has cancelled anything, a look costs one relaxed atomic load.
///
/// ```
/// use aludel_core::CancelToken;
///
/// let engine = CancelToken::new();
/// let request = engine.child_token();
/// request.cancel("it took too long");
/// assert!(request.is_cancelled() && !engine.is_cancelled());
///
/// let other_request = engine.child_token();
/// engine.cancel("shutting down");
/// assert_eq!(other_request.reason().as_deref(), Some("shutting down"));
/// assert_eq!(request.reason().as_deref(), Some("it took too long")); // the first reason stays
/// ```
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Written under the lock of `state`, read without it.
    cancelled: AtomicBool,
    /// Held for a moment; no callback runs under it, and no other token's is taken under it.
    state: Forkable<State>,
    /// Who is told of this one's end, under which number.
    parent: Option<(CancelToken, u64)>,
}

#[derive(Default)]
struct State {
    reason: Option<Arc<str>>,
    next: u64,
    heirs: BTreeMap<u64, Heir>,
}

/// Who is told.
enum Heir {
    Child(Weak<Inner>),
    Waker(Arc<dyn Fn() + Send + Sync>),
}

impl State {
    fn add(&mut self, heir: Heir) -> u64 {
        self.next += 1;
        self.heirs.insert(self.next, heir);
        self.next
    }
}

impl CancelToken {
    /// A token that nobody has cancelled and that belongs to nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token that is cancelled with this one, and can be cancelled without it (`CancellationToken::child_token` in
    /// tokio-util). A child of a cancelled token is cancelled.
    pub fn child_token(&self) -> Self {
        let child = Arc::new_cyclic(|weak| {
            let number = self.enlist(|| Heir::Child(weak.clone())).ok();
            Inner {
                cancelled: AtomicBool::new(false),
                state: Forkable::default(),
                parent: number.map(|number| (self.clone(), number)),
            }
        });
        let child = Self(child);
        // Cancelled before, or while the child was on its way and could not be found.
        if self.is_cancelled() {
            child.cancel_because(self.reason());
        }
        child
    }

    /// Cancels this token and its children. Only the first reason counts; it is what everybody who is stopped will read.
    ///
    /// Never waits for those who are stopped.
    pub fn cancel(&self, reason: &str) {
        self.cancel_because(Some(Arc::from(reason)));
    }

    fn cancel_because(&self, reason: Option<Arc<str>>) {
        let heirs = self.0.state.with(|state| {
            if self.is_cancelled() {
                return BTreeMap::new();
            }
            state.reason = reason;
            self.0.cancelled.store(true, Ordering::Relaxed);
            std::mem::take(&mut state.heirs)
        });
        // In a forked child the lock may be lost, and with it whoever was to be told; who looks is told all the same.
        self.0.cancelled.store(true, Ordering::Relaxed);
        for heir in heirs.unwrap_or_default().into_values() {
            match heir {
                Heir::Child(child) => {
                    if let Some(child) = child.upgrade() {
                        Self(child).cancel_because(self.reason());
                    }
                }
                Heir::Waker(wake) => {
                    if catch_unwind(AssertUnwindSafe(|| wake())).is_err() {
                        tracing::error!(target: "aludel.session", "an on_cancel callback panicked; the others are called");
                    }
                }
            }
        }
    }

    /// Whether it was cancelled.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed)
    }

    /// The reason of whoever cancelled it; `None` while nobody has.
    pub fn reason(&self) -> Option<Arc<str>> {
        if !self.is_cancelled() {
            return None;
        }
        let reason = self.0.state.with(|state| state.reason.clone()).flatten();
        Some(reason.unwrap_or_else(|| Arc::from("cancelled")))
    }

    /// For code between two statements that takes long by itself.
    ///
    /// ```
    /// use aludel_core::CancelToken;
    ///
    /// fn work(token: &CancelToken) -> aludel_core::Result<()> {
    ///     for _page in 0..1_000 {
    ///         token.check()?;
    ///     }
    ///     Ok(())
    /// }
    /// let token = CancelToken::new();
    /// work(&token)?;
    /// token.cancel("shutting down");
    /// assert!(work(&token).unwrap_err().is_exit());
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Exit`] with the reason, once it was cancelled.
    #[inline]
    pub fn check(&self) -> Result<(), Exit> {
        match self.reason() {
            None => Ok(()),
            Some(reason) => Err(Exit::new(&*reason)),
        }
    }

    /// Sleeps by this clock, and wakes up early when the token is cancelled. On a test clock: returns at once, the time
    /// having advanced by `duration` unless the token was cancelled before.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use aludel_core::CancelToken;
    /// use aludel_core::clock::Clock;
    ///
    /// let (clock, test) = Clock::test();
    /// let token = CancelToken::new();
    /// token.sleep(&clock, Duration::from_secs(1))?;
    /// token.cancel("shutting down");
    /// assert!(token.sleep(&clock, Duration::from_secs(60)).is_err());
    /// assert_eq!(test.slept(), [Duration::from_secs(1)]);
    /// # Ok::<(), aludel_core::Exit>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Exit`] with the reason, if it was cancelled before the time was over.
    pub fn sleep(&self, clock: &Clock, duration: Duration) -> Result<(), Exit> {
        self.check()?;
        if clock.is_test() || duration.is_zero() {
            clock.sleep(duration);
            return self.check();
        }
        let deadline = clock.now() + duration.min(A_CENTURY);
        let nap = Arc::new(Nap::default());
        let alarm = Arc::clone(&nap);
        let _asleep = self.on_cancel(move || alarm.wake());
        nap.until(clock, deadline);
        self.check()
    }

    /// Calls `wake` once when the token is cancelled, on the thread that cancels it; at once if that has happened. It is for
    /// whoever waits for something of its own, and must not wait itself. A panic in it is logged and keeps nobody else from
    /// being told. Dropping what is answered takes it back.
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// use aludel_core::CancelToken;
    ///
    /// let (sender, stopped) = mpsc::channel();
    /// let token = CancelToken::new();
    /// let listening = token.on_cancel(move || drop(sender.send(())));
    /// token.cancel("shutting down");
    /// assert!(stopped.recv().is_ok());
    /// # drop(listening);
    /// ```
    pub fn on_cancel(&self, wake: impl Fn() + Send + Sync + 'static) -> OnCancel {
        let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(wake);
        let number = self.enlist(|| Heir::Waker(Arc::clone(&wake))).ok();
        if number.is_none() {
            wake();
        }
        OnCancel {
            token: self.clone(),
            number,
        }
    }

    /// An error where it is too late.
    fn enlist(&self, heir: impl FnOnce() -> Heir) -> Result<u64, ()> {
        let number = self
            .0
            .state
            .with(|state| (!self.is_cancelled()).then(|| state.add(heir())));
        number.flatten().ok_or(())
    }

    fn forget(&self, number: u64) {
        // Dropped after the lock is open: it may be the last of a closure of the user's.
        let _heir = self.0.state.with(|state| state.heirs.remove(&number));
    }

    #[cfg(test)]
    fn heirs(&self) -> usize {
        self.0.state.with(|state| state.heirs.len()).unwrap_or_default()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some((parent, number)) = self.parent.take() {
            parent.forget(number);
        }
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            None => f.write_str("CancelToken(not cancelled)"),
            Some(reason) => write!(f, "CancelToken(cancelled: {reason})"),
        }
    }
}

/// Keeps a callback of [`CancelToken::on_cancel`]; dropping it takes the callback back.
///
/// ```
/// use aludel_core::CancelToken;
///
/// let token = CancelToken::new();
/// let listening: aludel_core::OnCancel = token.on_cancel(|| unreachable!("it was taken back"));
/// drop(listening);
/// token.cancel("shutting down");
/// ```
#[must_use = "the callback is taken back when this is dropped"]
pub struct OnCancel {
    token: CancelToken,
    number: Option<u64>,
}

impl Drop for OnCancel {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.token.forget(number);
        }
    }
}

impl fmt::Debug for OnCancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnCancel")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// As long as anybody sleeps: what a clock can tell has an end, and the token must be heard in any case.
const A_CENTURY: Duration = Duration::from_hours(24 * 365 * 100);

/// One sleep that can be ended.
#[derive(Default)]
struct Nap {
    over: Mutex<bool>,
    changed: Condvar,
}

impl Nap {
    fn wake(&self) {
        *lock(&self.over) = true;
        self.changed.notify_one();
    }

    fn until(&self, clock: &Clock, deadline: Instant) {
        let mut over = lock(&self.over);
        while !*over && clock.now() < deadline {
            over = clock.wait_until(&self.changed, over, deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn the_first_reason_stays_and_children_follow_however_deep() {
        let root = CancelToken::new();
        let (left, right) = (root.child_token(), root.child_token());
        let leaf = left.child_token();
        right.cancel("only this one");
        assert!(root.check().is_ok() && leaf.check().is_ok());
        root.cancel("all of them");
        root.cancel("too late");
        for (token, reason) in [
            (&root, "all of them"),
            (&left, "all of them"),
            (&leaf, "all of them"),
            (&right, "only this one"),
        ] {
            assert_eq!(token.check().unwrap_err().reason(), reason);
        }
        assert_eq!(root.child_token().reason().as_deref(), Some("all of them"));
    }

    #[test]
    fn what_is_dropped_is_forgotten() {
        let root = CancelToken::new();
        let child = root.child_token();
        let told = root.on_cancel(|| unreachable!("it is taken back"));
        assert_eq!(root.heirs(), 2);
        drop((child, told));
        assert_eq!(root.heirs(), 0);
        root.cancel("nobody is left");
    }

    #[test]
    fn a_panic_of_one_keeps_nobody_else_from_being_told() {
        let (sender, told) = mpsc::channel();
        let token = CancelToken::new();
        let _first = token.on_cancel(|| panic!("the roof is on fire"));
        let child = token.child_token();
        let last = sender.clone();
        let _last = token.on_cancel(move || last.send("in time").expect("somebody listens"));
        token.cancel("shutting down");
        let _late = token.on_cancel(move || sender.send("late").expect("somebody listens"));
        assert!(child.is_cancelled());
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["in time", "late"]);
    }

    #[test]
    fn a_sleep_on_the_systems_clock_ends_with_the_token() {
        // So long that only the token can be what ended it, and longer than a clock can tell.
        for duration in [Duration::from_hours(1), Duration::MAX] {
            let token = CancelToken::new();
            let sleeper = token.child_token();
            let (sender, awake) = mpsc::channel();
            let listening = sleeper.clone();
            thread::spawn(move || {
                let end = sleeper.sleep(&Clock::system(), duration);
                sender.send(end).expect("the test waits");
            });
            // Until it is asleep: one that is cancelled before does not sleep at all.
            let begun = Instant::now();
            while listening.heirs() == 0 {
                assert!(begun.elapsed() < Duration::from_mins(1), "it does not listen");
                thread::yield_now();
            }
            token.cancel("shutting down");
            let end = awake.recv_timeout(Duration::from_mins(1)).expect("it wakes up");
            assert_eq!(end.unwrap_err().reason(), "shutting down");
            assert_eq!((token.heirs(), listening.heirs()), (0, 0));
        }
    }

    // On the system's clock, since a test clock does not come by the waiting that is looked at; a slow machine only sleeps
    // longer.
    #[test]
    fn a_sleep_that_nobody_cuts_short_takes_its_time() {
        let (token, clock) = (CancelToken::new(), Clock::system());
        let start = clock.now();
        token
            .sleep(&clock, Duration::from_millis(20))
            .expect("nobody cancels it");
        assert!(clock.now() - start >= Duration::from_millis(20));
        assert_eq!(token.heirs(), 0);
    }
}
