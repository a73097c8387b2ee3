//! How much is said to the server, counted on the wire.

use aludel::prelude::*;
use aludel_tests::postgres;
use aludel_tests::proxy::Proxy;
use aludel_tests::round_trips::{self, RoundTrips};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

#[test]
fn a_transaction_with_one_statement_is_three_round_trips_and_its_return_none() -> aludel::Result<()> {
    let server = postgres::server();
    let proxy = Proxy::postgres(server.port());
    let engine = Engine::<PgConnection>::new(proxy.url(server.database("on_the_wire").url()))?;
    let one = || diesel::select(1_i64.into_sql::<BigInt>());
    let counted = round_trips::count(
        &proxy,
        &engine,
        |session| one().get_result::<i64>(session).map(drop),
        |raw| one().get_result::<i64>(raw).map(drop),
    );
    let expected = RoundTrips {
        transaction: 3,
        nested: 5,
        rolled_back: 3,
        returned: 0,
        of_diesel: 3,
    };
    assert_eq!(counted, expected, "{:?}", proxy.log());
    Ok(())
}
