//! Money.

use aludel::prelude::*;
use aludel::{current, current_with};
use diesel::prelude::*;

use crate::Db;
use crate::schema::{payments, vouchers};
use crate::shop::{Order, Refusal};

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = payments)]
pub(crate) struct Payment {
    pub(crate) id: i32,
    pub(crate) order_id: i32,
    pub(crate) amount: i64,
}

/// One that was used. The key is its code, so it can be used once.
#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = vouchers)]
pub(crate) struct Voucher {
    #[model(key)]
    pub(crate) code: String,
    pub(crate) order_id: i32,
}

/// What a voucher is worth.
pub(crate) const VOUCHER: i64 = 50;

/// No customer has more than this at once.
const LIMIT: i64 = 800;

/// Takes the money for an order.
#[transactional(mandatory)]
pub(crate) fn charge(order: i32) -> Result<(), Refusal> {
    current_with(|db: &mut Db| {
        let handle = db.get_one::<Order>(order)?;
        let amount = db.read(handle)?.total;
        if amount > LIMIT {
            return Err(Refusal::Declined { amount });
        }
        db.add(Payment {
            id: 0,
            order_id: order,
            amount,
        });
        Ok(())
    })
}

/// Uses a voucher up, in a savepoint: one that was used before costs the order nothing.
#[transactional(nested)]
pub(crate) fn redeem(order: i32, code: &str) -> aludel::Result<()> {
    current(|db: &mut Db| {
        db.add(Voucher {
            code: code.to_owned(),
            order_id: order,
        });
        db.flush()
    })
}
