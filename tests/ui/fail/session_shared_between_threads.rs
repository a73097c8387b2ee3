// A session is not shared between threads, whatever connection it is for.

use aludel::prelude::*;

fn watch<C: Dialect + Sync>(session: &Session<C>) {
    std::thread::scope(|threads| {
        threads.spawn(|| session.in_transaction());
    });
}

fn main() {}
