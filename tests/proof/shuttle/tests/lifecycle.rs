//! Connections that leave while others wait: invalidated, detached, retired, disposed of; and a pool that is dropped.

use std::time::Duration;

use aludel_under_shuttle::pool::{Checkout, Pool, PoolOptions};
use shuttle::thread;

use super::database::{Connection, Database};
use super::explore::{assert_settled, explore, patient, pool, pool_with, together};
use super::loan::{Loan, borrow};

/// Three threads on `pool_size` + 1 connections that do this with what they borrow, and something beside them.
fn scenario(pool_size: usize, borrower: fn(Loan, &Pool<Connection>), beside: fn(&Pool<Connection>)) {
    let database = Database::well();
    let pool = pool(&database, pool_size, 1);
    let one = |_| -> Box<dyn FnOnce() + Send> {
        let pool = pool.clone();
        Box::new(move || {
            for _ in 0..2 {
                let loan = borrow(&pool).expect("everybody has a turn");
                thread::yield_now();
                borrower(loan, &pool);
            }
        })
    };
    let mut threads: Vec<_> = (0..3).map(one).collect();
    let other = pool.clone();
    threads.push(Box::new(move || beside(&other)));
    together(threads);
    assert!(pool.checkedin() <= pool_size);
    assert_settled(pool, &database, pool_size + 1);
}

fn give_back(loan: Loan, _: &Pool<Connection>) {
    drop(loan);
}

fn nothing(_: &Pool<Connection>) {}

#[test]
fn invalidate_frees_the_place_for_the_next() {
    explore(|| scenario(1, |loan, _| loan.invalidate(), nothing));
}

#[test]
fn detach_frees_the_place_for_the_next() {
    explore(|| scenario(1, |loan, _| loan.detach(), nothing));
}

#[test]
fn a_raw_connection_that_is_taken_out_frees_the_place_for_the_next() {
    explore(|| scenario(1, |loan, _| drop(loan.into_inner()), nothing));
}

#[test]
fn a_soft_invalidated_one_is_closed_on_return() {
    explore(|| scenario(1, |loan, _| loan.soft_invalidate(), nothing));
}

#[test]
fn maintenance_beside_borrowers() {
    explore(|| {
        let database = Database::well();
        let pool = pool_with(
            &database,
            PoolOptions {
                pool_size: 2.into(),
                max_overflow: 1.into(),
                min_idle: 1,
                idle_timeout: Some(Duration::from_millis(1)),
                keepalive: Some(Duration::from_millis(1)),
                ..patient()
            },
        );
        let borrower = |_| -> Box<dyn FnOnce() + Send> {
            let pool = pool.clone();
            Box::new(move || {
                for _ in 0..2 {
                    drop(borrow(&pool).expect("everybody has a turn"));
                }
            })
        };
        let mut threads: Vec<_> = (0..3).map(borrower).collect();
        let other = pool.clone();
        threads.push(Box::new(move || {
            other.maintain();
            other.maintain();
        }));
        together(threads);
        assert!(database.most() <= 3 && pool.checkedin() <= 2);
        assert_settled(pool, &database, 3);
    });
}

#[test]
fn retire_once_a_generation_while_others_borrow() {
    explore(|| {
        scenario(1, give_back, |pool| {
            let generation = pool.generation();
            let first = pool.retire(generation, "a scenario");
            let again = pool.retire(generation, "a scenario");
            assert!(first && !again && pool.generation() == generation + 1);
        });
    });
}

#[test]
fn every_borrower_retires_what_it_had() {
    explore(|| {
        fn report(loan: Loan, pool: &Pool<Connection>) {
            pool.retire(loan.generation(), "a scenario");
            loan.invalidate();
        }
        scenario(1, report, nothing);
    });
}

#[test]
fn dispose_while_others_borrow() {
    explore(|| {
        scenario(2, give_back, |pool| {
            pool.dispose();
            thread::yield_now();
            pool.dispose();
            assert_eq!(pool.generation(), 2);
        });
    });
}

#[test]
fn a_pool_that_is_dropped_while_connections_are_out() {
    explore(|| {
        let database = Database::well();
        let pool = pool(&database, 2, 0);
        let held: Vec<Checkout<Connection>> = (0..2).map(|_| pool.checkout().expect("it has room")).collect();
        let waiting = {
            let pool = pool.clone();
            thread::spawn(move || drop(borrow(&pool).expect("its turn comes")))
        };
        let (ours, mut held) = (pool, held.into_iter());
        let returning: Vec<_> = held
            .by_ref()
            .map(|checkout| thread::spawn(move || drop(checkout)))
            .collect();
        drop(ours);
        for thread in returning {
            thread.join().expect("a return does not panic");
        }
        waiting.join().expect("a waiter keeps the pool alive");
        assert_eq!(database.open(), 0, "the last one closes them");
    });
}
