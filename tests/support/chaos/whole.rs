//! Whether the pools are whole after all that.

use aludel::prelude::*;
use diesel::connection::SimpleConnection as _;

use super::audit::Check;
use super::site::Site;

/// As many connections as a pool may have can be had at once, each of them works, nothing is lost, and none that came back
/// is in a transaction on the server.
pub(super) fn check<C: Dialect>(site: &dyn Site, engines: &[Engine<C>]) -> Check {
    let mut against = Vec::new();
    let mut connections = 0_usize;
    for engine in engines {
        let pool = engine.pool();
        pool.assert_invariants();
        if pool.checkedout() != 0 {
            against.push(format!("somebody still has a connection: {}", pool.status()));
        }
        // Sessions, since a connection that was killed while it was idle is found out by whoever uses it first, and they
        // replace it.
        let limit = pool.size() + super::OVERFLOW;
        let mut held: Vec<_> = (0..limit).map(|_| engine.session()).collect();
        for (number, session) in held.iter_mut().enumerate() {
            match session.batch_execute("SELECT 1") {
                Ok(()) => connections += 1,
                Err(error) => against.push(format!("connection {} of {limit}: {error}", number + 1)),
            }
        }
        drop(held);
        pool.assert_invariants();
    }
    against.extend(site.open_transactions());
    Check::new(
        format!("the pool is whole: {connections} connections at once, none of them in a transaction afterwards"),
        against,
    )
}
