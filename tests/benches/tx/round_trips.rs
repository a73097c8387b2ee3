//! How often a transaction waits for its server, counted by a proxy in between: one count for any server.

use aludel::Dialect;
use aludel::prelude::*;
use diesel::result::QueryResult;

use aludel_tests::proxy::Proxy;

/// Round trips, of each once its statements are prepared.
pub(crate) struct RoundTrips {
    /// `engine.begin` with one statement in it: checkout, BEGIN, the statement, COMMIT, return.
    pub(crate) transaction: u64,
    /// The same with the statement in a savepoint.
    pub(crate) nested: u64,
    /// The same with a closure that fails: ROLLBACK in the place of COMMIT.
    pub(crate) rolled_back: u64,
    /// The return alone, of a connection that was used and has no transaction open.
    pub(crate) returned: u64,
    /// Diesel's own `transaction` with the same statement in it, on a bare connection.
    pub(crate) of_diesel: u64,
}

/// Counts them on an engine that connects through the proxy. `statement` is one prepared statement, on a session and on a
/// raw connection.
pub(crate) fn count<C: Dialect>(
    proxy: &Proxy,
    engine: &Engine<C>,
    on_session: impl Fn(&mut Session<C>) -> QueryResult<()>,
    on_raw: impl Fn(&mut C) -> QueryResult<()>,
) -> RoundTrips {
    let transaction = || engine.begin(|session| Ok(on_session(session)?));
    let nested = || engine.begin(|session| session.begin_nested(|nested| Ok(on_session(nested)?)));
    let rolled_back = || -> aludel::Result<()> {
        let failed: aludel::Result<()> = engine.begin(|session| {
            on_session(session)?;
            Err(aludel::Error::other("no"))
        });
        assert!(failed.is_err());
        Ok(())
    };
    let diesel = || -> aludel::Result<()> {
        let mut raw = engine.pool().checkout()?;
        Ok(raw.transaction(&on_raw)?)
    };
    let counted = |what: &dyn Fn() -> aludel::Result<()>| {
        what().expect("the first time prepares its statements");
        proxy.reset_round_trips();
        what().expect("it went well before");
        proxy.round_trips()
    };
    let returned = || -> aludel::Result<u64> {
        let mut raw = engine.pool().checkout()?;
        on_raw(&mut raw)?;
        proxy.reset_round_trips();
        drop(raw);
        // Whatever was sent on the way home has gone by before the answer to this.
        let mut raw = engine.pool().checkout()?;
        on_raw(&mut raw)?;
        Ok(proxy.round_trips() - 1)
    };
    RoundTrips {
        transaction: counted(&transaction),
        nested: counted(&nested),
        rolled_back: counted(&rolled_back),
        returned: returned().expect("the server answers"),
        of_diesel: counted(&diesel),
    }
}
