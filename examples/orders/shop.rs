//! The service: what a customer can ask for.

use std::fmt;

use aludel::current;
use aludel::prelude::*;
use diesel::prelude::*;

use crate::schema::orders;
use crate::{Db, outbox, payments, stock};

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = orders)]
pub(crate) struct Order {
    pub(crate) id: i32,
    pub(crate) customer: String,
    pub(crate) product: i32,
    pub(crate) quantity: i64,
    pub(crate) total: i64,
}

/// Takes the goods from the shelf and the money from the customer, and writes the letter that says so: all of it, once, or
/// nothing.
#[retry(deadline = "30s", commit = "verify")]
pub(crate) fn place_order(customer: &str, product: i32, quantity: i64, voucher: Option<&str>) -> Result<i32, Refusal> {
    let price = stock::take(product, quantity)?;
    let order = book(customer, product, quantity, price * quantity)?;
    if let Some(code) = voucher {
        // Somebody who has used it before pays the full price, and gets the goods all the same.
        if payments::redeem(order, code).is_ok() {
            current(|db: &mut Db| {
                let order = db.get_one::<Order>(order)?;
                db.edit(order)?.total -= payments::VOUCHER;
                Ok(())
            })?;
        }
    }
    payments::charge(order)?;
    outbox::post(order, "it is on its way")?;
    Ok(order)
}

/// Writes the order down, and answers its number.
#[transactional(mandatory)]
fn book(customer: &str, product: i32, quantity: i64, total: i64) -> aludel::Result<i32> {
    current(|db: &mut Db| {
        let order = db.add(Order {
            id: 0,
            customer: customer.to_owned(),
            product,
            quantity,
            total,
        });
        db.flush()?; // the database makes the number
        Ok(db[order].id)
    })
}

/// Why there is no order.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There are not so many of it.
    SoldOut { product: i32, left: i64 },
    /// The customer cannot pay that.
    Declined { amount: i64 },
    /// Something is wrong with the database, and not with the customer.
    Database(aludel::Error),
}

impl From<aludel::Error> for Refusal {
    fn from(error: aludel::Error) -> Self {
        Self::Database(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SoldOut { product, left } => write!(f, "of product {product} only {left} are left"),
            Self::Declined { amount } => write!(f, "a payment of {amount} was declined"),
            Self::Database(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}
