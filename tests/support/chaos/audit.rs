//! The books, compared with what the callers were told.

use std::collections::{BTreeMap, HashMap};

use super::books::{Account, DONE, FENCED, Line, OPENING_BALANCE, Order};
use super::resolve::Resolution;

/// What a caller was told in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was acknowledged.
    Acknowledged,
    /// It was refused, and nothing of it was written.
    Refused,
    /// Nobody knew, until somebody looked; `None` where even that failed.
    Unknown(Option<Resolution>),
}

/// One question, and what was found against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) asks: String,
    pub(super) against: Vec<String>,
}

impl Check {
    pub(super) fn new(asks: impl Into<String>, against: Vec<String>) -> Self {
        Self {
            asks: asks.into(),
            against,
        }
    }
}

/// Asks all that can be read from the books.
pub(super) fn audit(told: &[(Order, Fate)], accounts: &[Account], lines: &[Line]) -> Vec<Check> {
    let mut ledger: HashMap<i64, Vec<&Line>> = HashMap::new();
    for line in lines {
        ledger.entry(line.id).or_default().push(line);
    }
    let mut lost = Vec::new();
    let mut doubtful = Vec::new();
    let mut undead = Vec::new();
    let (mut acknowledged, mut refused, mut unknown) = (0_usize, 0_usize, 0_usize);
    for (order, fate) in told {
        let found = ledger.remove(&order.id).unwrap_or_default();
        let (expected, list) = match fate {
            Fate::Acknowledged => {
                acknowledged += 1;
                (Some(order.line()), &mut lost)
            }
            Fate::Refused => {
                refused += 1;
                (None, &mut undead)
            }
            Fate::Unknown(resolution) => {
                unknown += 1;
                match resolution {
                    Some(Resolution::Committed) => (Some(order.line()), &mut doubtful),
                    Some(Resolution::NotCommitted) => (None, &mut doubtful),
                    Some(Resolution::Fenced) => (Some(order.fence()), &mut doubtful),
                    None => {
                        doubtful.push(format!("order {} was never resolved: {found:?}", order.id));
                        continue;
                    }
                }
            }
        };
        if found != expected.iter().collect::<Vec<_>>() {
            list.push(format!("order {}, {fate:?}: the ledger has {found:?}", order.id));
        }
    }
    let (ghosts, strangers): (Vec<&Line>, Vec<&Line>) = ledger.into_values().flatten().partition(|line| line.id < 0);
    let show = |lines: Vec<&Line>| lines.into_iter().map(|line| format!("{line:?}")).collect();
    vec![
        balances(accounts, lines),
        Check::new(
            format!("each of {acknowledged} acknowledged transfers is there once"),
            lost,
        ),
        Check::new(format!("none of {refused} refused transfers is there"), undead),
        Check::new(
            format!("each of {unknown} unknown transfers was resolved, and the ledger says the same"),
            doubtful,
        ),
        Check::new("nothing is there of a savepoint that failed", show(ghosts)),
        Check::new("nothing is there that nobody ordered", show(strangers)),
    ]
}

/// Every balance follows from the ledger, so the sum is what it was.
fn balances(accounts: &[Account], lines: &[Line]) -> Check {
    let mut expected: BTreeMap<i64, i64> = accounts.iter().map(|account| (account.id, OPENING_BALANCE)).collect();
    for line in lines.iter().filter(|line| line.state != FENCED && line.state == DONE) {
        *expected.entry(line.debit).or_default() -= line.amount;
        *expected.entry(line.credit).or_default() += line.amount;
    }
    let mut against: Vec<String> = accounts
        .iter()
        .filter(|account| expected.get(&account.id) != Some(&account.balance))
        .map(|account| {
            let should = expected.get(&account.id);
            format!(
                "account {} has {}, and should have {should:?}",
                account.id, account.balance
            )
        })
        .collect();
    let sum: i64 = accounts.iter().map(|account| account.balance).sum();
    let count = i64::try_from(accounts.len()).expect("there are a dozen accounts");
    if sum != count * OPENING_BALANCE {
        against.push(format!(
            "all accounts have {sum} together, not {}",
            count * OPENING_BALANCE
        ));
    }
    Check::new(
        format!("the sum is {sum}, and every balance follows from the ledger"),
        against,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: [Order; 5] = [order(1), order(2), order(3), order(4), order(5)];

    const fn order(id: i64) -> Order {
        Order {
            id,
            debit: 1,
            credit: 2,
            amount: 10,
        }
    }

    fn told() -> Vec<(Order, Fate)> {
        let fates = [
            Fate::Acknowledged,
            Fate::Refused,
            Fate::Unknown(Some(Resolution::Committed)),
            Fate::Unknown(Some(Resolution::Fenced)),
            Fate::Unknown(Some(Resolution::NotCommitted)),
        ];
        ORDERS.into_iter().zip(fates).collect()
    }

    fn lines() -> Vec<Line> {
        vec![ORDERS[0].line(), ORDERS[2].line(), ORDERS[3].fence()]
    }

    fn accounts(moved: i64) -> Vec<Account> {
        [(1, OPENING_BALANCE - moved), (2, OPENING_BALANCE + moved)]
            .map(|(id, balance)| Account {
                id,
                balance,
                version: 1,
            })
            .to_vec()
    }

    /// Which checks found something.
    fn failed(told: &[(Order, Fate)], accounts: &[Account], lines: &[Line]) -> Vec<usize> {
        let checks = audit(told, accounts, lines);
        (0..checks.len())
            .filter(|index| !checks[*index].against.is_empty())
            .collect()
    }

    #[test]
    fn books_that_agree_pass() {
        assert_eq!(failed(&told(), &accounts(20), &lines()), []);
    }

    #[test]
    fn money_that_was_moved_without_a_line_is_found() {
        assert_eq!(failed(&told(), &accounts(30), &lines()), [0]);
        let mut poor = accounts(20);
        poor[0].balance -= 1;
        assert_eq!(failed(&told(), &poor, &lines()), [0]);
    }

    #[test]
    fn an_acknowledged_transfer_that_is_lost_or_changed_or_doubled_is_found() {
        assert_eq!(failed(&told(), &accounts(10), &lines()[1..]), [1]);
        let mut changed = lines();
        changed[0].amount = 20;
        assert_eq!(failed(&told(), &accounts(30), &changed), [1]);
        let mut doubled = lines();
        doubled.push(ORDERS[0].line());
        assert_eq!(failed(&told(), &accounts(30), &doubled), [1]);
    }

    #[test]
    fn a_refused_transfer_that_is_there_is_found() {
        let mut undead = lines();
        undead.push(ORDERS[1].line());
        assert_eq!(failed(&told(), &accounts(30), &undead), [2]);
    }

    #[test]
    fn a_resolver_that_was_wrong_or_silent_is_found() {
        let mut wrong = told();
        wrong[2].1 = Fate::Unknown(Some(Resolution::NotCommitted));
        assert_eq!(failed(&wrong, &accounts(20), &lines()), [3]);
        wrong[2].1 = Fate::Unknown(Some(Resolution::Committed));
        wrong[3].1 = Fate::Unknown(Some(Resolution::NotCommitted));
        assert_eq!(failed(&wrong, &accounts(20), &lines()), [3]);
        let mut silent = told();
        silent[3].1 = Fate::Unknown(None);
        assert_eq!(failed(&silent, &accounts(20), &lines()), [3]);
    }

    #[test]
    fn ghosts_and_strangers_are_found() {
        let mut haunted = lines();
        haunted.push(ORDERS[0].ghost());
        assert_eq!(failed(&told(), &accounts(20), &haunted), [4]);
        let mut strange = lines();
        strange.push(order(6).fence());
        assert_eq!(failed(&told(), &accounts(20), &strange), [5]);
    }
}
