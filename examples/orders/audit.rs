//! The books, checked: by a reader that can do nothing but read, and is served by the same pool.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use aludel::prelude::*;
use aludel_examples::{heading, table, thousands};
use diesel::SqliteConnection;

use crate::outbox::{Letter, Mailbox};
use crate::payments::{Payment, Voucher};
use crate::schema::{letters, orders, payments, products, vouchers};
use crate::shop::Order;
use crate::stock::Product;
use crate::weather::Log;
use crate::{Tally, payments as money};

/// What was found.
pub(crate) struct Books {
    rows: Vec<[String; 2]>,
    checks: Vec<(&'static str, bool)>,
}

pub(crate) fn check(
    engine: &Engine<SqliteConnection>,
    of_each: i64,
    mailbox: &Mailbox,
    tally: &Tally,
    log: &Log,
) -> aludel::Result<Books> {
    let reader = engine.reconnecting();
    let products: Vec<Product> = reader.load(products::table)?;
    let orders: Vec<Order> = reader.load(orders::table)?;
    let payments: Vec<Payment> = reader.load(payments::table)?;
    let vouchers: Vec<Voucher> = reader.load(vouchers::table)?;
    let letters: Vec<Letter> = reader.load(letters::table)?;

    let (told, twice) = mailbox.opened();
    let numbers: BTreeSet<i32> = orders.iter().map(|order| order.id).collect();
    let sold = |product: &Product| -> i64 {
        let of_it = orders.iter().filter(|order| order.product == product.id);
        of_it.map(|order| order.quantity).sum()
    };
    let earned: i64 = payments.iter().map(|payment| payment.amount).sum();
    let due = |order: &Order| {
        let price = products
            .iter()
            .find(|product| product.id == order.product)
            .map_or(0, |product| product.price);
        let voucher = vouchers.iter().any(|voucher| voucher.order_id == order.id);
        order.quantity * price - if voucher { money::VOUCHER } else { 0 }
    };

    let count = |number: &std::sync::atomic::AtomicU32| number.load(Ordering::Relaxed);
    let placed = usize::try_from(count(&tally.placed)).unwrap_or(usize::MAX);
    let checks = vec![
        (
            "an order for every customer who was told so, and for no other",
            orders.len() == placed,
        ),
        (
            "sold and left make what was there in the morning",
            products.iter().all(|it| it.in_stock + sold(it) == of_each),
        ),
        (
            "every order is paid once, and in full",
            payments.len() == orders.len()
                && payments.iter().all(|payment| {
                    orders
                        .iter()
                        .any(|order| (order.id, order.total) == (payment.order_id, payment.amount))
                })
                && orders.iter().all(|order| order.total == due(order)),
        ),
        (
            "every voucher was used for an order that is there",
            vouchers.iter().all(|it| numbers.contains(&it.order_id)),
        ),
        (
            "every order has its letter, and every letter has arrived",
            letters.len() == orders.len()
                && letters.iter().all(|letter| letter.sent)
                && told.into_iter().collect::<BTreeSet<_>>() == numbers,
        ),
    ];
    let row = |what: &str, number: i64| [what.to_owned(), thousands(number)];
    let rows = vec![
        row("orders placed", count(&tally.placed).into()),
        row("sold out", count(&tally.sold_out).into()),
        row("payments declined", count(&tally.declined).into()),
        row("taken", earned),
        row("run again", count(&log.reruns).into()),
        row("COMMITs without an answer", count(&log.unanswered).into()),
        row("… of which had happened", count(&log.committed_after_all).into()),
        row("letters that came twice", i64::try_from(twice).unwrap_or(i64::MAX)),
    ];
    Ok(Books { rows, checks })
}

impl Books {
    pub(crate) fn balance(&self) -> bool {
        self.checks.iter().all(|(_, holds)| *holds)
    }

    pub(crate) fn print(&self) {
        heading("The day");
        println!("{}", table(&["what", "how many"], self.rows.iter().cloned()));
        heading("The books");
        for (what, holds) in &self.checks {
            println!("  {} {what}", if *holds { "✓" } else { "✗" });
        }
    }
}
