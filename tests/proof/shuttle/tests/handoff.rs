//! From hand to hand: everybody waits for ever, so whoever is forgotten is a deadlock.

use shuttle::thread;

use super::database::Database;
use super::explore::{assert_settled, explore, patient, pool, pool_with, together};
use super::loan::borrow;

/// A thread that borrows `turns` times, with something to do in between.
fn borrower(
    pool: &aludel_under_shuttle::pool::Pool<super::database::Connection>,
    turns: usize,
) -> Box<dyn FnOnce() + Send> {
    let pool = pool.clone();
    Box::new(move || {
        for _ in 0..turns {
            let loan = borrow(&pool).expect("everybody has a turn");
            thread::yield_now();
            drop(loan);
            pool.assert_invariants(); // whatever the others are doing
        }
    })
}

#[test]
fn everybody_gets_the_only_connection() {
    explore(|| {
        let database = Database::well();
        let pool = pool(&database, 1, 0);
        together((0..4).map(|_| borrower(&pool, 2)).collect());
        assert_eq!((pool.opened(), database.most()), (1, 1));
        assert_settled(pool, &database, 1);
    });
}

#[test]
fn five_share_two() {
    explore(|| {
        let database = Database::well();
        let pool = pool(&database, 2, 0);
        together((0..5).map(|_| borrower(&pool, 2)).collect());
        assert!(database.most() <= 2);
        assert_settled(pool, &database, 2);
    });
}

#[test]
fn what_is_one_too_many_is_closed_and_its_permit_goes_on() {
    explore(|| {
        let database = Database::well();
        let pool = pool(&database, 1, 1);
        together((0..4).map(|_| borrower(&pool, 2)).collect());
        assert!(database.most() <= 2 && pool.checkedin() <= 1);
        assert_settled(pool, &database, 2);
    });
}

#[test]
fn in_either_order_of_the_idle_ones() {
    explore(|| {
        let database = Database::well();
        let pool = pool_with(
            &database,
            aludel_under_shuttle::pool::PoolOptions {
                pool_size: 2.into(),
                max_overflow: 0.into(),
                use_lifo: true,
                ..patient()
            },
        );
        together((0..4).map(|_| borrower(&pool, 2)).collect());
        assert_settled(pool, &database, 2);
    });
}

#[test]
fn a_pool_without_a_limit_makes_nobody_wait() {
    explore(|| {
        use aludel_under_shuttle::pool::{Limit, PoolOptions};
        let database = Database::well();
        let options = PoolOptions {
            pool_size: 1.into(),
            max_overflow: Limit::Unlimited,
            ..patient()
        };
        let pool = pool_with(&database, options);
        together((0..3).map(|_| borrower(&pool, 2)).collect());
        assert_settled(pool, &database, 3);
    });
}
