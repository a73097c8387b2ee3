// A reader takes unions, and what comes after them.

use aludel::prelude::*;
use aludel_tests::account::accounts;
use aludel_tests::stage::Stage;
use diesel::prelude::*;
use diesel::query_dsl::positional_order_dsl::{OrderColumn, PositionalOrderDsl};

fn main() -> aludel::Result<()> {
    let bank = Stage::<SqliteConnection>::open("reader_reads_unions");
    let reader = bank.engine.reconnecting();
    let rich = accounts::table.filter(accounts::balance.gt(100)).select(accounts::id);
    let all = accounts::table.filter(accounts::version.eq(1)).select(accounts::id);
    let either = rich.union(all.into_boxed());
    assert_eq!(
        reader.load::<i32, _>(either.positional_order_by(OrderColumn(1).desc()))?,
        [2, 1]
    );
    assert_eq!(reader.load::<i32, _>(rich.intersect(all))?, [1]);
    assert_eq!(reader.load::<i32, _>(all.except(rich).limit(1).offset(0))?, [2]);
    Ok(())
}
