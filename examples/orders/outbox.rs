//! Letters to customers. They are written with the order, in its transaction, so that there is one for each order and none
//! for an order that was rolled back; a thread sends them. `on_commit` only wakes it: a ring that is lost, as in a crash, delays
//! a letter, and loses none.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use aludel::current;
use aludel::prelude::*;
use diesel::SqliteConnection;
use diesel::prelude::*;

use crate::Db;
use crate::schema::letters;

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = letters)]
pub(crate) struct Letter {
    pub(crate) id: i32,
    pub(crate) order_id: i32,
    pub(crate) text: String,
    pub(crate) sent: bool,
}

/// Writes a letter, and wakes the sender once the order is committed.
#[transactional(mandatory)]
pub(crate) fn post(order: i32, text: &str) -> aludel::Result<()> {
    current(|db: &mut Db| {
        db.add(Letter {
            id: 0,
            order_id: order,
            text: text.to_owned(),
            sent: false,
        });
        db.on_commit(ring);
        Ok(())
    })
}

/// Sends letters until the shop is closed and none is left.
pub(crate) fn send_all(
    engine: &Engine<SqliteConnection>,
    mailbox: &Mailbox,
    closed: &AtomicBool,
) -> aludel::Result<()> {
    let mut session = engine.session();
    loop {
        let closing = closed.load(Ordering::Acquire);
        while send_one(&mut session, mailbox)? {}
        if closing {
            return Ok(());
        }
        wait();
    }
}

/// Sends the oldest letter; answers whether there was one. If this fails between the delivery and the COMMIT, the letter is
/// delivered again, and its number tells the receiver that it is the same one.
#[retry(session = db, deadline = "30s", commit = "verify")]
fn send_one(db: &mut Db, mailbox: &Mailbox) -> aludel::Result<bool> {
    let oldest = letters::table
        .filter(letters::sent.eq(false))
        .order(letters::id)
        .select(letters::id);
    let Some(number) = oldest.first::<i32>(db).optional()? else {
        return Ok(false);
    };
    let letter = db.get_one::<Letter>(number)?;
    mailbox.deliver(db.read(letter)?);
    db.edit(letter)?.sent = true;
    Ok(true)
}

/// Where letters arrive.
#[derive(Default)]
pub(crate) struct Mailbox(Mutex<BTreeMap<i32, (Letter, usize)>>);

impl Mailbox {
    fn deliver(&self, letter: &Letter) {
        let mut letters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        letters.entry(letter.id).or_insert_with(|| (letter.clone(), 0)).1 += 1;
    }

    /// The orders that letters have come for, and how many letters came twice.
    pub(crate) fn opened(&self) -> (Vec<i32>, usize) {
        let letters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = letters.values().map(|(letter, _)| letter.order_id).collect();
        (orders, letters.values().filter(|(_, times)| *times > 1).count())
    }
}

/// The bell on the sender's desk.
static BELL: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

pub(crate) fn ring() {
    *BELL.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    BELL.1.notify_one();
}

/// Until somebody rings, or for as long as one would leave a letter lying if nobody does.
fn wait() {
    let rung = BELL.0.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut rung, _) = BELL
        .1
        .wait_timeout_while(rung, Duration::from_secs(1), |rung| !*rung)
        .unwrap_or_else(PoisonError::into_inner);
    *rung = false;
}
