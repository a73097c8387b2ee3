//! The bank's tables, and each statement on them, once for all backends.

use aludel::prelude::*;
use diesel::backend::Backend;
use diesel::connection::LoadConnection;
use diesel::prelude::*;

use schema::{chaos_accounts as accounts, chaos_bells as bells, chaos_ledger as ledger};

#[allow(missing_docs, reason = "Diesel's macro writes what it likes")]
mod schema {
    diesel::table! { chaos_accounts (id) { id -> BigInt, balance -> BigInt, version -> Integer, } }
    diesel::table! { chaos_ledger (id) { id -> BigInt, debit -> BigInt, credit -> BigInt, amount -> BigInt, state -> Text, } }
    diesel::table! { chaos_bells (id) { id -> BigInt, rung -> BigInt, } }
}

/// What each account has at the start. Enough for an hour of small transfers, seldom enough for bad luck.
pub(super) const OPENING_BALANCE: i64 = 100_000;

/// Few, so that transfers meet.
pub(super) const ACCOUNTS: i64 = 12;

/// Rows that have nothing to do with money, and are fought for.
pub(super) const BELLS: i64 = 2;

/// The line of a transfer.
pub(super) const DONE: &str = "done";

/// A line that the resolver wrote so that the transfer can never be done.
pub(super) const FENCED: &str = "fenced";

/// A line that a savepoint wrote before it failed.
const GHOST: &str = "ghost";

/// How the tables are made; of MariaDB the engine is the default, InnoDB.
pub(super) const SCHEMA: [&str; 3] = [
    "CREATE TABLE chaos_accounts (id BIGINT NOT NULL PRIMARY KEY, balance BIGINT NOT NULL CHECK (balance >= 0), \
     version INTEGER NOT NULL)",
    "CREATE TABLE chaos_ledger (id BIGINT NOT NULL PRIMARY KEY, debit BIGINT NOT NULL, credit BIGINT NOT NULL, \
     amount BIGINT NOT NULL, state VARCHAR(8) NOT NULL)",
    "CREATE TABLE chaos_bells (id BIGINT NOT NULL PRIMARY KEY, rung BIGINT NOT NULL)",
];

/// An account. Who changes it as an object relies on the version, who changes it in SQL counts the version up.
#[derive(Model, Queryable, Selectable, Insertable, Clone, Debug, PartialEq, Eq)]
#[diesel(table_name = accounts)]
pub struct Account {
    /// From 1.
    #[model(assigned)]
    pub id: i64,
    /// Never below zero.
    pub balance: i64,
    /// Counted up by each UPDATE.
    #[model(version)]
    pub version: i32,
}

/// A line of the ledger. Its key is the order's, made once, however often the order is carried out; the line of a savepoint
/// that fails has the order's number below zero.
#[derive(Model, Queryable, Selectable, Insertable, Clone, Debug, PartialEq, Eq)]
#[diesel(table_name = ledger)]
pub struct Line {
    /// The order's.
    #[model(assigned)]
    pub id: i64,
    /// Who pays.
    pub debit: i64,
    /// Who is paid.
    pub credit: i64,
    /// How much.
    pub amount: i64,
    /// What the line says.
    pub state: String,
}

/// An order to move money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) id: i64,
    pub(super) debit: i64,
    pub(super) credit: i64,
    pub(super) amount: i64,
}

impl Order {
    pub(super) fn random(id: i64, random: &mut fastrand::Rng) -> Self {
        let debit = random.i64(1..=ACCOUNTS);
        let other = random.i64(1..ACCOUNTS);
        Self {
            id,
            debit,
            credit: if other < debit { other } else { other + 1 },
            amount: random.i64(1..=100),
        }
    }

    /// What it does to which account, in an order of its own: two orders meet in a deadlock now and then.
    pub(super) fn steps(&self) -> [(i64, i64); 2] {
        let (debit, credit) = ((self.debit, -self.amount), (self.credit, self.amount));
        if self.id % 2 == 0 {
            [debit, credit]
        } else {
            [credit, debit]
        }
    }

    pub(super) fn line(&self) -> Line {
        self.line_that_says(self.id, DONE)
    }

    pub(super) fn fence(&self) -> Line {
        self.line_that_says(self.id, FENCED)
    }

    pub(super) fn ghost(&self) -> Line {
        self.line_that_says(-self.id, GHOST)
    }

    fn line_that_says(&self, id: i64, state: &str) -> Line {
        Line {
            id,
            debit: self.debit,
            credit: self.credit,
            amount: self.amount,
            state: state.to_owned(),
        }
    }
}

/// The statements, on whatever connection speaks to this backend.
pub trait Books: Backend {
    /// Writes a line; the key refuses a second one.
    ///
    /// # Errors
    ///
    /// The statement's.
    fn write<C: LoadConnection<Backend = Self>>(connection: &mut C, line: &Line) -> QueryResult<usize>;

    /// Adds to a balance in one statement; the table refuses less than nothing.
    ///
    /// # Errors
    ///
    /// The statement's.
    fn change_balance<C: LoadConnection<Backend = Self>>(connection: &mut C, id: i64, by: i64) -> QueryResult<usize>;

    /// Rings a bell, for whose row others wait.
    ///
    /// # Errors
    ///
    /// The statement's.
    fn ring<C: LoadConnection<Backend = Self>>(connection: &mut C, id: i64) -> QueryResult<usize>;

    /// Opens the accounts and hangs up the bells.
    ///
    /// # Errors
    ///
    /// The statement's.
    fn open<C: LoadConnection<Backend = Self>>(connection: &mut C) -> QueryResult<()>;

    /// All accounts, row by row.
    ///
    /// # Errors
    ///
    /// The statement's, also while rows are read.
    fn accounts<C: LoadConnection<Backend = Self>>(connection: &mut C) -> QueryResult<Vec<Account>>;

    /// All lines.
    ///
    /// # Errors
    ///
    /// The statement's.
    fn lines<C: LoadConnection<Backend = Self>>(connection: &mut C) -> QueryResult<Vec<Line>>;

    /// What a line says, if it is there.
    ///
    /// # Errors
    ///
    /// The statement's.
    fn state<C: LoadConnection<Backend = Self>>(connection: &mut C, id: i64) -> QueryResult<Option<String>>;
}

#[cfg_attr(
    not(any(feature = "sqlite", feature = "mysql", feature = "postgres")),
    expect(unused_macros, reason = "no backend is compiled in")
)]
macro_rules! books {
    ($backend:ty) => {
        impl Books for $backend {
            fn write<C: LoadConnection<Backend = Self>>(connection: &mut C, line: &Line) -> QueryResult<usize> {
                diesel::insert_into(ledger::table)
                    .values(line)
                    .execute(connection)
            }

            fn change_balance<C: LoadConnection<Backend = Self>>(
                connection: &mut C,
                id: i64,
                by: i64,
            ) -> QueryResult<usize> {
                diesel::update(accounts::table.find(id))
                    .set((
                        accounts::balance.eq(accounts::balance + by),
                        accounts::version.eq(accounts::version + 1),
                    ))
                    .execute(connection)
            }

            fn ring<C: LoadConnection<Backend = Self>>(connection: &mut C, id: i64) -> QueryResult<usize> {
                diesel::update(bells::table.find(id))
                    .set(bells::rung.eq(bells::rung + 1))
                    .execute(connection)
            }

            fn open<C: LoadConnection<Backend = Self>>(connection: &mut C) -> QueryResult<()> {
                for id in 1..=ACCOUNTS {
                    let account = Account {
                        id,
                        balance: OPENING_BALANCE,
                        version: 1,
                    };
                    diesel::insert_into(accounts::table)
                        .values(account)
                        .execute(connection)?;
                }
                for id in 1..=BELLS {
                    diesel::insert_into(bells::table)
                        .values((bells::id.eq(id), bells::rung.eq(0)))
                        .execute(connection)?;
                }
                Ok(())
            }

            fn accounts<C: LoadConnection<Backend = Self>>(connection: &mut C) -> QueryResult<Vec<Account>> {
                accounts::table
                    .order(accounts::id)
                    .select(Account::as_select())
                    .load(connection)
            }

            fn lines<C: LoadConnection<Backend = Self>>(connection: &mut C) -> QueryResult<Vec<Line>> {
                ledger::table.select(Line::as_select()).load(connection)
            }

            fn state<C: LoadConnection<Backend = Self>>(connection: &mut C, id: i64) -> QueryResult<Option<String>> {
                ledger::table
                    .find(id)
                    .select(ledger::state)
                    .first(connection)
                    .optional()
            }
        }
    };
}

#[cfg(feature = "mysql")]
books!(diesel::mysql::Mysql);
#[cfg(feature = "postgres")]
books!(diesel::pg::Pg);
#[cfg(feature = "sqlite")]
books!(diesel::sqlite::Sqlite);
