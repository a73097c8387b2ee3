//! The bank's two tables, and each statement on them.
//!
//! Diesel checks a query against one backend, not against "all that there are": the bounds for that cannot be named in
//! stable code. So the statements are written once, in a macro, and checked for each backend that is compiled in.
//! Whoever calls them is generic, and the same statements run on an Aludel session and on Diesel's own connection.

use aludel::prelude::*;
use diesel::backend::Backend;
use diesel::connection::{LoadConnection, SimpleConnection};
use diesel::prelude::*;

use schema::{aludel_bank_accounts as accounts, aludel_bank_transfers as transfers};

mod schema {
    diesel::table! { aludel_bank_accounts (id) { id -> BigInt, balance -> BigInt, } }
    diesel::table! { aludel_bank_transfers (id) { id -> BigInt, debit -> BigInt, credit -> BigInt, amount -> BigInt, } }
}

/// What each account has at the start.
pub(crate) const OPENING_BALANCE: i64 = 1_000;

/// An account. It has no `#[model(version)]`: nobody edits a balance that was read before, see `transfer`.
#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = accounts)]
pub(crate) struct Account {
    #[model(assigned)]
    pub(crate) id: i64,
    pub(crate) balance: i64,
}

/// An order to move money, and the record that it was done. Its key is made by whoever gives the order, once, however
/// often it is carried out: that is what makes it idempotent.
#[derive(Model, Queryable, Selectable, Insertable, Clone, Debug, PartialEq, Eq)]
#[diesel(table_name = transfers)]
pub(crate) struct Transfer {
    #[model(assigned)]
    pub(crate) id: i64,
    pub(crate) debit: i64,
    pub(crate) credit: i64,
    pub(crate) amount: i64,
}

impl Transfer {
    /// Between two different accounts, chosen at random.
    pub(crate) fn random(id: i64, accounts: i64) -> Self {
        let debit = fastrand::i64(1..=accounts);
        let other = fastrand::i64(1..accounts);
        Self {
            id,
            debit,
            credit: if other < debit { other } else { other + 1 },
            amount: fastrand::i64(1..=100),
        }
    }

    /// What it does to which account, in an order that is as good as random: two transfers between the same accounts
    /// then meet in a deadlock now and then, as they do in programs where nobody thought of it.
    pub(crate) fn steps(&self) -> [(i64, i64); 2] {
        let (debit, credit) = ((self.debit, -self.amount), (self.credit, self.amount));
        if self.id % 2 == 0 {
            [debit, credit]
        } else {
            [credit, debit]
        }
    }
}

/// The statements of the bank, on whatever connection speaks to this backend.
pub(crate) trait Ledger: Backend {
    /// Records a transfer; the key refuses a second record.
    fn record<C>(connection: &mut C, transfer: &Transfer) -> QueryResult<usize>
    where
        C: LoadConnection<Backend = Self>;

    /// Adds to a balance, or takes from it, unless there is too little; answers whether it was done.
    ///
    /// One statement that reads and writes under the row's lock, so nothing is lost at READ COMMITTED (PostgreSQL's
    /// default) nor at REPEATABLE READ (MariaDB's): there is no balance that was read earlier to go stale.
    fn change_balance<C>(connection: &mut C, account: i64, by: i64) -> QueryResult<bool>
    where
        C: LoadConnection<Backend = Self>;

    /// All accounts.
    fn accounts<C>(connection: &mut C) -> QueryResult<Vec<Account>>
    where
        C: LoadConnection<Backend = Self>;

    /// All records.
    fn transfers<C>(connection: &mut C) -> QueryResult<Vec<Transfer>>
    where
        C: LoadConnection<Backend = Self>;

    /// Runs a statement that is a text, and answers how many rows it saw.
    fn run<C>(connection: &mut C, sql: &str) -> QueryResult<usize>
    where
        C: LoadConnection<Backend = Self>;
}

#[cfg_attr(
    not(any(feature = "sqlite", feature = "mysql", feature = "postgres")),
    expect(unused_macros, reason = "no backend is compiled in")
)]
macro_rules! ledger {
    ($backend:ty) => {
        impl Ledger for $backend {
            fn record<C>(connection: &mut C, transfer: &Transfer) -> QueryResult<usize>
            where
                C: LoadConnection<Backend = Self>,
            {
                diesel::insert_into(transfers::table)
                    .values(transfer)
                    .execute(connection)
            }

            fn change_balance<C>(connection: &mut C, account: i64, by: i64) -> QueryResult<bool>
            where
                C: LoadConnection<Backend = Self>,
            {
                let changed = accounts::balance + by;
                let enough = accounts::table.find(account).filter(changed.ge(0));
                let count = diesel::update(enough)
                    .set(accounts::balance.eq(changed))
                    .execute(connection)?;
                Ok(count == 1)
            }

            fn accounts<C>(connection: &mut C) -> QueryResult<Vec<Account>>
            where
                C: LoadConnection<Backend = Self>,
            {
                accounts::table
                    .order(accounts::id)
                    .select(Account::as_select())
                    .load(connection)
            }

            fn transfers<C>(connection: &mut C) -> QueryResult<Vec<Transfer>>
            where
                C: LoadConnection<Backend = Self>,
            {
                transfers::table
                    .order(transfers::id)
                    .select(Transfer::as_select())
                    .load(connection)
            }

            fn run<C>(connection: &mut C, sql: &str) -> QueryResult<usize>
            where
                C: LoadConnection<Backend = Self>,
            {
                diesel::sql_query(sql).execute(connection)
            }
        }
    };
}

#[cfg(feature = "mysql")]
ledger!(diesel::mysql::Mysql);
#[cfg(feature = "postgres")]
ledger!(diesel::pg::Pg);
#[cfg(feature = "sqlite")]
ledger!(diesel::sqlite::Sqlite);

/// Makes the tables anew and opens the accounts.
pub(crate) fn open<C>(engine: &Engine<C>, accounts: i64) -> aludel::Result<()>
where
    C: Dialect,
    Account: Persist<C::Backend>,
{
    let mut session = engine.session();
    for statement in [
        "DROP TABLE IF EXISTS aludel_bank_transfers",
        "DROP TABLE IF EXISTS aludel_bank_accounts",
        "CREATE TABLE aludel_bank_accounts (id BIGINT NOT NULL PRIMARY KEY, balance BIGINT NOT NULL)",
        "CREATE TABLE aludel_bank_transfers (id BIGINT NOT NULL PRIMARY KEY, debit BIGINT NOT NULL, \
         credit BIGINT NOT NULL, amount BIGINT NOT NULL)",
    ] {
        session.batch_execute(statement)?;
    }
    for id in 1..=accounts {
        session.add(Account {
            id,
            balance: OPENING_BALANCE,
        });
    }
    session.commit()
}
