use std::sync::mpsc::{self, Receiver};
use std::thread;

use super::*;
use crate::clock::TestClock;
use crate::retry::{RetryBudget, RetryPolicy};

/// One engine's retries on a test clock, and threads that wait for its host.
struct Outage {
    retries: Arc<Retries>,
    clock: Clock,
    test: TestClock,
    token: CancelToken,
}

const A_MINUTE: Duration = Duration::from_mins(1);

impl Outage {
    fn new() -> Self {
        let (clock, test) = Clock::test();
        Self {
            retries: Arc::new(Retries::new(RetryPolicy::new(), RetryBudget::default())),
            clock,
            test,
            token: CancelToken::new(),
        }
    }

    /// Waits on this thread.
    fn wait(&self, probe: Option<Probe>, patience: Duration) -> Waited {
        let until = Some(self.clock.now() + patience);
        self.retries.wait_for_host(probe, &self.clock, &self.token, until)
    }

    /// The first one to find the host down.
    fn prober(&self) -> Probe {
        match self.wait(None, A_MINUTE) {
            Waited::TryAgain(Some(probe)) => probe,
            other => panic!("somebody else is the prober: {other:?}"),
        }
    }

    /// Waits on a thread of its own, and is seen to wait.
    fn waiter(&self, patience: Duration) -> Receiver<Waited> {
        let before = self.waiting();
        let (sender, receiver) = mpsc::channel();
        let (retries, clock, token) = (Arc::clone(&self.retries), self.clock.clone(), self.token.clone());
        let until = Some(clock.now() + patience);
        thread::spawn(move || {
            let _ = sender.send(retries.wait_for_host(None, &clock, &token, until));
        });
        let begun = Instant::now();
        while self.waiting() == before {
            assert!(begun.elapsed() < A_MINUTE, "it does not wait");
            thread::yield_now();
        }
        receiver
    }

    fn waiting(&self) -> usize {
        self.retries.host.with(|state| state.waiters.len()).unwrap()
    }
}

fn end(of: &Receiver<Waited>) -> Waited {
    of.recv_timeout(A_MINUTE).expect("its wait ends")
}

fn still_waits(of: &Receiver<Waited>) -> bool {
    of.try_recv() == Err(mpsc::TryRecvError::Empty)
}

impl PartialEq for Waited {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::TryAgain(one), Self::TryAgain(other)) => one.is_some() == other.is_some(),
            (Self::InVain, Self::InVain) | (Self::Stopped(_), Self::Stopped(_)) => true,
            _ => false,
        }
    }
}

#[test]
fn of_all_who_wait_one_tries_and_its_success_wakes_them_all() {
    let outage = Outage::new();
    assert!(!outage.retries.is_awaited());
    let mut probe = outage.prober();
    let waiters = [
        outage.waiter(A_MINUTE),
        outage.waiter(A_MINUTE),
        outage.waiter(A_MINUTE),
    ];
    assert!(outage.retries.is_awaited());
    for _ in 0..100 {
        probe = match outage.wait(Some(probe), A_MINUTE) {
            Waited::TryAgain(Some(probe)) => probe,
            other => panic!("it is not the prober any more: {other:?}"),
        };
    }
    assert_eq!(outage.test.slept().len(), 101, "the prober alone has slept");
    assert!(waiters.iter().all(still_waits));
    probe.succeeded();
    for waiter in &waiters {
        assert_eq!(end(waiter), Waited::TryAgain(None));
    }
    assert!(!outage.retries.is_awaited());
}

#[test]
fn a_prober_that_gives_up_hands_its_role_to_the_one_who_has_waited_longest() {
    let outage = Outage::new();
    let probe = outage.prober();
    let (first, second) = (outage.waiter(A_MINUTE), outage.waiter(A_MINUTE));
    drop(probe);
    let Waited::TryAgain(Some(probe)) = end(&first) else {
        panic!("the role is gone")
    };
    assert!(still_waits(&second));
    let panicked = thread::spawn(move || {
        let _role = probe;
        panic!("in the middle of its attempt");
    });
    assert!(panicked.join().is_err());
    let Waited::TryAgain(Some(last)) = end(&second) else {
        panic!("the role is gone")
    };
    drop(last);
    assert!(!outage.retries.is_awaited());
    drop(outage.prober()); // and it begins anew
}

#[test]
fn waiting_ends_at_each_callers_own_deadline() {
    let outage = Outage::new();
    let probe = outage.prober();
    let brief = outage.waiter(Duration::from_secs(10));
    let patient = outage.waiter(A_MINUTE);
    outage.test.advance(Duration::from_secs(11));
    assert_eq!(end(&brief), Waited::InVain);
    assert!(still_waits(&patient));
    assert_eq!(outage.waiting(), 1);
    // The prober's own comes before its next pause would be over; the role goes on.
    assert_eq!(outage.wait(Some(probe), Duration::from_millis(1)), Waited::InVain);
    assert_eq!(end(&patient), Waited::TryAgain(Some(outage.prober_in_name())));
}

impl Outage {
    /// A role that nobody knows of, to compare with.
    fn prober_in_name(&self) -> Probe {
        Probe::of(&self.retries, 0)
    }
}

#[test]
fn waiting_ends_when_the_token_is_cancelled() {
    let outage = Outage::new();
    let probe = outage.prober();
    let waiter = outage.waiter(A_MINUTE);
    outage.token.cancel("shutting down");
    match (end(&waiter), outage.wait(Some(probe), A_MINUTE)) {
        (Waited::Stopped(one), Waited::Stopped(other)) => {
            assert_eq!((one.reason(), other.reason()), ("shutting down", "shutting down"));
        }
        others => panic!("they wait on: {others:?}"),
    }
    assert_eq!(outage.waiting(), 0);
    assert!(!outage.retries.is_awaited());
}

#[test]
fn who_begins_on_a_connection_that_was_made_since_is_news_and_on_an_older_one_is_not() {
    let outage = Outage::new();
    let probe = outage.prober();
    let waiter = outage.waiter(A_MINUTE);
    outage.test.advance(Duration::from_secs(2));
    outage.retries.has_begun(Duration::from_secs(3), &outage.clock);
    assert!(still_waits(&waiter) && outage.retries.is_awaited());
    outage.retries.has_begun(Duration::from_secs(1), &outage.clock);
    assert_eq!(end(&waiter), Waited::TryAgain(None));
    assert!(!outage.retries.is_awaited());
    // Somebody who finds it down again before the prober is back waits for what that one finds.
    let late = outage.waiter(A_MINUTE);
    probe.succeeded();
    assert_eq!(end(&late), Waited::TryAgain(None));
}

#[test]
fn a_forked_child_has_no_prober_and_nobody_who_waits() {
    let outage = Outage::new();
    let probe = outage.prober();
    outage.retries.host.state.with(|state| state.forks = 7); // what a child would find
    let own = outage.prober();
    drop(probe); // of the parent: it is not the child's
    assert!(outage.retries.is_awaited());
    drop(own);
    assert!(!outage.retries.is_awaited());
}

#[test]
fn a_host_is_asked_often_at_first_and_once_a_second_in_the_end() {
    let pauses = |down: u64| (0..500).map(move |_| pause_after(Duration::from_secs(down)));
    for (down, longest) in [(0, 25), (5, 25), (15, 525), (25, 1_000), (86_400, 1_000)] {
        let longest = Duration::from_millis(longest);
        assert!(
            pauses(down).all(|pause| pause <= longest && pause >= longest / 2),
            "{down}"
        );
        assert!(pauses(down).any(|pause| pause > longest / 4 * 3), "{down}");
    }
}
