//! The books, checked against what the callers were told.

use std::collections::{BTreeMap, HashMap};

use aludel::prelude::*;

use crate::ledger::{Ledger, OPENING_BALANCE, Transfer};
use crate::work::Day;

/// What was found.
#[derive(Debug)]
pub(crate) struct Audit {
    /// What all accounts should have together.
    pub(crate) expected: i64,
    /// What they have.
    pub(crate) found: i64,
    /// Transfers on record.
    pub(crate) recorded: usize,
    /// Transfers that were acknowledged and are not on record, or differently, or more than once.
    pub(crate) lost: usize,
    /// Transfers on record whose callers were told that they had failed or were refused.
    pub(crate) unacknowledged: usize,
    /// Accounts whose balance does not follow from the records.
    pub(crate) wrong_accounts: usize,
    /// Accounts below zero.
    pub(crate) below_zero: usize,
}

impl Audit {
    /// Whether the money is all there, and everything that was acknowledged was done, once.
    pub(crate) fn balances(&self) -> bool {
        self.found == self.expected && self.lost == 0 && self.wrong_accounts == 0 && self.below_zero == 0
    }
}

/// Reads the books in one transaction and checks them.
pub(crate) fn audit<C>(engine: &Engine<C>, accounts: i64, day: &Day) -> aludel::Result<Audit>
where
    C: Dialect<Backend: Ledger>,
{
    let (accounts_found, records) =
        engine.begin(|session| Ok((C::Backend::accounts(session)?, C::Backend::transfers(session)?)))?;

    let mut expected: BTreeMap<i64, i64> = (1..=accounts).map(|id| (id, OPENING_BALANCE)).collect();
    let mut on_record: HashMap<i64, Vec<&Transfer>> = HashMap::new();
    for record in &records {
        *expected.entry(record.debit).or_default() -= record.amount;
        *expected.entry(record.credit).or_default() += record.amount;
        on_record.entry(record.id).or_default().push(record);
    }
    let found: BTreeMap<i64, i64> = accounts_found
        .iter()
        .map(|account| (account.id, account.balance))
        .collect();
    let lost = day
        .acknowledged
        .iter()
        .filter(|order| on_record.remove(&order.id).as_deref() != Some(&[*order]))
        .count();
    Ok(Audit {
        expected: accounts * OPENING_BALANCE,
        found: found.values().sum(),
        recorded: records.len(),
        lost,
        // What is left after the acknowledged ones were taken out.
        unacknowledged: on_record.len(),
        wrong_accounts: expected
            .iter()
            .filter(|(id, balance)| found.get(id) != Some(balance))
            .count(),
        below_zero: found.values().filter(|balance| **balance < 0).count(),
    })
}
