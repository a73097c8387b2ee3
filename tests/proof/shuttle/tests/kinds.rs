//! The kinds of pools beside the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aludel_under_shuttle::event::Listeners;
use aludel_under_shuttle::pool::{AnyKind, Assertion, Null, Pool, PoolError, Static, ThreadLocal};
use shuttle::thread;

use super::database::{Connection, Database};
use super::explore::{assert_settled, explore, patient, together};
use super::loan::borrow;

fn pool(kind: impl Into<AnyKind<Connection>>, database: &Database) -> Pool<Connection> {
    let (options, clock) = (patient(), database.clock().clock());
    Pool::of_kind(kind, database.clone(), options, clock, Listeners::default())
}

/// Three threads that borrow twice each; answers how often that was refused.
fn crowd(pool: &Pool<Connection>) -> usize {
    let refused = Arc::new(AtomicUsize::new(0));
    let one = |_| -> Box<dyn FnOnce() + Send> {
        let (pool, refused) = (pool.clone(), Arc::clone(&refused));
        Box::new(move || {
            for _ in 0..2 {
                match borrow(&pool) {
                    Ok(loan) => {
                        thread::yield_now();
                        drop(loan);
                    }
                    Err(PoolError::AlreadyCheckedOut { .. }) => {
                        refused.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        })
    };
    together((0..3).map(one).collect());
    refused.load(Ordering::SeqCst)
}

#[test]
fn a_static_pool_lends_its_connection_in_turn() {
    explore(|| {
        let database = Database::well();
        let pool = pool(Static, &database);
        assert_eq!((crowd(&pool), database.most()), (0, 1));
        assert_settled(pool, &database, 1);
    });
}

#[test]
fn an_assertion_pool_refuses_the_second_and_never_makes_it() {
    explore(|| {
        let database = Database::well();
        let pool = pool(Assertion, &database);
        assert!(crowd(&pool) < 6 && database.most() == 1);
        assert_settled(pool, &database, 1);
    });
}

#[test]
fn a_null_pool_keeps_nothing() {
    explore(|| {
        let database = Database::well();
        let pool = pool(Null, &database);
        assert_eq!((crowd(&pool), database.open(), pool.opened()), (0, 0, 6));
        assert_settled(pool, &database, 3);
    });
}

#[test]
fn a_thread_has_its_own_connection_and_only_one() {
    explore(|| {
        let database = Database::well();
        let pool = pool(ThreadLocal, &database);
        let own = |_| -> Box<dyn FnOnce() + Send> {
            let pool = pool.clone();
            Box::new(move || {
                let first = borrow(&pool).expect("its own");
                let id = first.id();
                thread::yield_now();
                assert!(matches!(borrow(&pool), Err(PoolError::AlreadyCheckedOut { .. })));
                drop(first);
                assert_eq!(borrow(&pool).expect("its own").id(), id);
            })
        };
        together((0..3).map(own).collect());
        pool.assert_invariants();
        assert!(database.most() <= 3);
        drop(borrow(&pool).expect("this thread's"));
        assert_eq!(database.open(), 1, "those of ended threads are closed when one is made");
        drop(pool);
        assert_eq!(database.open(), 0);
    });
}
