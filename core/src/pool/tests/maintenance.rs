//! What is done while nobody asks for anything. On a test clock there is no thread: `maintain` is called.

use super::*;

fn kept(options: PoolOptions) -> Bench {
    Bench::new(PoolOptions {
        pool_size: 5.into(),
        max_overflow: 0.into(),
        ..options
    })
}

#[test]
fn min_idle_is_filled_up_and_kept() {
    let bench = kept(PoolOptions {
        min_idle: 3,
        ..PoolOptions::default()
    });
    assert_eq!(bench.pool.opened(), 0, "a pool connects to nothing by itself");
    bench.pool.maintain();
    assert_eq!(bench.numbers(), (5, 3, -2, 0));
    let held = [bench.take(), bench.take()];
    bench.pool.maintain();
    assert_eq!(bench.numbers(), (5, 3, 0, 2));
    bench.pool.maintain();
    assert_eq!(bench.pool.opened(), 5);
    let more = bench.take();
    bench.pool.maintain();
    assert_eq!(bench.numbers(), (5, 2, 0, 3), "the limit holds");
    drop((held, more));
}

#[test]
fn filling_up_stops_where_the_server_is_down_and_tries_again() {
    let bench = kept(PoolOptions {
        min_idle: 2,
        ..PoolOptions::default()
    });
    bench.db.next("connect", Act::Fail);
    bench.pool.maintain();
    assert_eq!(bench.numbers(), (5, 0, -5, 0));
    assert_eq!(bench.events(), ["ConnectFailed"]);
    bench.pool.maintain();
    assert_eq!(bench.pool.checkedin(), 2);
}

#[test]
fn idle_timeout_closes_down_to_min_idle() {
    let bench = kept(PoolOptions {
        idle_timeout: Some(secs(60)),
        min_idle: 1,
        ..PoolOptions::default()
    });
    drop([bench.take(), bench.take(), bench.take()]);
    bench.clock.advance(secs(59));
    bench.pool.maintain();
    assert_eq!(bench.pool.checkedin(), 3);
    drop(bench.take());
    bench.clock.advance(secs(1));
    bench.events();
    bench.pool.maintain();
    assert_eq!(bench.pool.checkedin(), 1, "the one that was used is kept");
    assert_eq!(bench.events(), ["Recycle", "Close", "Recycle", "Close"]);
    bench.clock.advance(secs(600));
    bench.pool.maintain();
    assert_eq!(bench.pool.checkedin(), 1);
    assert_eq!(
        (bench.pool.opened(), bench.pool.closed()),
        (3, 2),
        "kept, and not made anew"
    );
}

#[test]
fn max_lifetime_closes_idle_ones_and_replaces_at_checkout() {
    let bench = kept(PoolOptions {
        max_lifetime: Some(secs(1000)),
        ..PoolOptions::default()
    });
    let held = bench.take();
    drop(bench.take());
    bench.clock.advance(secs(899));
    bench.pool.maintain();
    assert_eq!(bench.pool.checkedin(), 1, "at most a tenth too early");
    bench.clock.advance(secs(101));
    bench.pool.maintain();
    assert_eq!(bench.pool.checkedin(), 0, "never too late");
    drop(held);
    assert_eq!(
        bench.take().number,
        3,
        "the other one was replaced when it was asked for"
    );
}

#[test]
fn those_made_together_do_not_die_together() {
    let bench = Bench::new(PoolOptions {
        pool_size: 50.into(),
        max_lifetime: Some(secs(1000)),
        ..PoolOptions::default()
    });
    let all: Vec<_> = (0..50).map(|_| bench.take()).collect();
    drop(all);
    let mut sizes = vec![50];
    bench.clock.advance(secs(900));
    for _ in 0..10 {
        bench.clock.advance(secs(10));
        bench.pool.maintain();
        sizes.push(bench.pool.checkedin());
    }
    sizes.dedup();
    assert_eq!(sizes.last(), Some(&0));
    assert!(sizes.len() > 3, "{sizes:?}");
}

#[test]
fn keepalive_pings_what_is_quiet() {
    let bench = kept(PoolOptions {
        keepalive: Some(secs(30)),
        ..PoolOptions::default()
    });
    drop([bench.take(), bench.take()]);
    bench.db.heard();
    bench.clock.advance(secs(29));
    bench.pool.maintain();
    assert_eq!(bench.db.heard(), [""; 0]);
    bench.clock.advance(secs(1));
    bench.pool.maintain();
    assert_eq!(bench.db.heard(), ["ping 1", "ping 2"]);
    bench.clock.advance(secs(29));
    bench.pool.maintain();
    assert_eq!(bench.db.heard(), [""; 0], "a ping is a sign of life");

    bench.clock.advance(secs(1));
    bench.db.next("ping", Act::Fail);
    bench.pool.maintain();
    assert_eq!(bench.db.heard()[..2], ["ping 1", "close 1"]);
    assert_eq!(bench.pool.generation(), 1, "the others are as old");
    assert_eq!(bench.take().number, 3);
}

#[test]
fn keepalive_does_not_keep_an_idle_connection_from_its_timeout() {
    let bench = kept(PoolOptions {
        keepalive: Some(secs(10)),
        idle_timeout: Some(secs(35)),
        ..PoolOptions::default()
    });
    drop(bench.take());
    for _ in 0..4 {
        bench.clock.advance(secs(10));
        bench.pool.maintain();
    }
    assert_eq!(bench.pool.checkedin(), 0);
}

#[test]
fn a_leak_is_reported_once_with_its_place() {
    let bench = kept(PoolOptions {
        leak_detection_threshold: Some(secs(60)),
        ..PoolOptions::default()
    });
    let (held, line) = (bench.take(), line!());
    bench.clock.advance(secs(59));
    bench.pool.maintain();
    assert!(!bench.events().contains(&"Leak".to_owned()));
    bench.clock.advance(secs(1));
    bench.pool.maintain();
    let told: Vec<String> = lock(&bench.events).clone();
    assert!(
        told.len() == 1 && told[0].starts_with("Leak") && told[0].contains(&format!("line: {line}")),
        "{told:?}"
    );
    bench.clock.advance(secs(600));
    bench.pool.maintain();
    assert_eq!(bench.events(), ["Leak"], "once a checkout");

    drop(held);
    let held = bench.take();
    bench.clock.advance(secs(60));
    bench.events();
    bench.pool.maintain();
    assert_eq!(bench.events(), ["Leak"], "the next checkout is another one");
    drop(held);
}

#[test]
fn what_was_retired_is_closed_without_waiting_for_a_checkout() {
    let bench = kept(PoolOptions {
        idle_timeout: Some(secs(3600)),
        ..PoolOptions::default()
    });
    drop([bench.take(), bench.take()]);
    bench.pool.retire(0, "the server was restarted");
    bench.pool.maintain();
    assert_eq!((bench.pool.checkedin(), bench.pool.closed()), (0, 2));
}

#[test]
fn a_thread_does_it_if_an_option_asks_and_ends_with_the_pool() {
    let pool = |options: PoolOptions| {
        let db = Arc::new(Db::default());
        let (sent, told) = mpsc::channel();
        let listener = move |event: &Event<'_>| {
            drop(sent.send((format!("{event:?}"), thread::current().name().map(str::to_owned))));
        };
        let listeners = Listeners::new(vec![Box::new(listener)]);
        (Pool::new(Fake(db), options, Clock::system(), listeners), told)
    };
    let (kept, told) = pool(PoolOptions {
        leak_detection_threshold: Some(Duration::from_millis(1)),
        ..PoolOptions::default()
    });
    let held = kept.checkout().unwrap();
    let leak = told.iter().find(|(event, _)| event.starts_with("Leak")).expect("told");
    assert_eq!(leak.1.as_deref(), Some("aludel-pool"));
    drop(held);
    drop(kept);
    // The listener goes with the pool, though the thread may be in the middle of its work.
    assert!(told.iter().last().is_some());

    let (quiet, _told) = pool(PoolOptions {
        idle_timeout: Some(secs(3600)),
        ..PoolOptions::default()
    });
    drop(quiet.checkout().unwrap());
    let bell = Arc::downgrade(&quiet.0.bell);
    assert_eq!(bell.strong_count(), 2, "ours and the thread's");
    drop(quiet);
    // It would look after half a minute only.
    let late = std::time::Instant::now() + secs(20);
    while bell.strong_count() > 0 {
        assert!(std::time::Instant::now() < late, "the thread ends with its pool");
        thread::yield_now();
    }

    let (plain, _told) = pool(PoolOptions::default());
    drop(plain.checkout().unwrap());
    assert!(!plain.shared().kept_up);
}
