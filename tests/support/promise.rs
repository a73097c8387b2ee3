//! The code that users were promised, unchanged on every backend.

/// Tables, a model, a `#[retry]` function, and the tests that use them on an engine of this connection type.
///
/// The calling module has a function `engine() -> aludel::Result<Engine<$connection>>`, whose database has the tables and,
/// in `accounts`, Ann (1, balance 5000) and Bob (2, balance 0), both of version 1; `ledger` takes no amount of 1000 or more.
#[macro_export]
macro_rules! promised_code {
    ($connection:ty) => {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool, Ordering};

        use aludel::prelude::*;
        use diesel::prelude::*;

        diesel::table! { accounts (id) { id -> Integer, owner -> Text, balance -> BigInt, version -> Integer, } }
        diesel::table! { ledger (id) { id -> Integer, from_account -> Integer, to_account -> Integer, amount -> BigInt, } }

        #[derive(Model, Queryable, Selectable, Clone, Debug)]
        #[diesel(table_name = accounts)]
        struct Account {
            id: i32,
            owner: String,
            balance: i64,
            #[model(version)]
            version: i32,
        }

        /// On a session with no transaction open it is a whole transaction: begun, committed, and run again from the start
        /// after a disconnect, a deadlock or a serialization failure. Inside one, it joins, and passes a failure up.
        #[retry(attempts = 5, deadline = "10s")]
        fn transfer(session: &mut Session<$connection>, from: i32, to: i32, amount: i64) -> aludel::Result<i64> {
            let from = session.get_one::<Account>(from)?;
            let to = session.get_one::<Account>(to)?;
            session[from].balance -= amount;
            session[to].balance += amount;
            let (from_id, to_id) = (session[from].id, session[to].id);
            session.begin_nested(|nested| {
                diesel::insert_into(ledger::table)
                    .values((
                        ledger::from_account.eq(from_id),
                        ledger::to_account.eq(to_id),
                        ledger::amount.eq(amount),
                    ))
                    .execute(nested)?;
                Ok(())
            })?;
            Ok(session[from].balance)
        }

        #[test]
        fn a_transfer_and_what_it_leaves_behind() -> aludel::Result<()> {
            let engine = engine()?;
            assert_eq!(transfer(&mut engine.session(), 1, 2, 100)?, 4_900);
            let rich = engine.begin(|session| {
                Ok(accounts::table
                    .filter(accounts::balance.gt(1_000))
                    .load::<Account>(session)?)
            })?;
            let [ann] = rich.as_slice() else {
                panic!("one is rich: {rich:?}")
            };
            assert_eq!((ann.owner.as_str(), ann.balance, ann.version), ("Ann", 4_900, 2));
            let amounts: Vec<i64> = engine.begin(|session| Ok(ledger::table.select(ledger::amount).load(session)?))?;
            assert_eq!(amounts, [100]);
            engine.pool().assert_invariants();
            Ok(())
        }

        #[test]
        fn a_ledger_that_refuses_its_line_undoes_the_transfer() -> aludel::Result<()> {
            let engine = engine()?;
            let error = transfer(&mut engine.session(), 1, 2, 1_000).unwrap_err();
            assert!(!error.is_retryable() && error.as_diesel().is_some(), "{error}");
            let balances: Vec<i64> = engine.begin(|session| {
                let balances = accounts::table.select(accounts::balance).order(accounts::id);
                Ok(balances.load(session)?)
            })?;
            assert_eq!(balances, [5_000, 0]);
            Ok(())
        }

        #[test]
        fn as_you_go() -> aludel::Result<()> {
            let engine = engine()?;
            let told = Arc::new(AtomicBool::new(false));
            let mut session = engine.session(); // takes a connection and begins on first use
            let cid = session.add(Account {
                id: 0,
                owner: "Cid".to_owned(),
                balance: 7,
                version: 0,
            });
            let tells = Arc::clone(&told);
            session.on_commit(move || tells.store(true, Ordering::Relaxed));
            assert!(!told.load(Ordering::Relaxed));
            session.commit()?;
            assert!(told.load(Ordering::Relaxed));
            assert_eq!((session[cid].id, session[cid].version), (3, 1));
            assert!(!session.in_transaction());
            Ok(())
        }

        #[test]
        fn reading_on_whatever_becomes_of_the_connection() -> aludel::Result<()> {
            let engine = engine()?;
            let reader = engine.reconnecting();
            assert_eq!(reader.load::<Account, _>(accounts::table)?.len(), 2);
            Ok(())
        }

        #[test]
        fn two_at_once() -> aludel::Result<()> {
            let engine = engine()?;
            let mut session = engine.session();
            let (ann, bob) = (session.get_one::<Account>(1)?, session.get_one::<Account>(2)?);
            {
                let (ann, bob) = session.edit_two(ann, bob)?;
                std::mem::swap(&mut ann.balance, &mut bob.balance);
            }
            let poor = session[ann].balance;
            session[bob].balance -= poor; // a Copy field of one, in an assignment to the other
            session.commit()?;
            assert_eq!((session.read(ann)?.balance, session.read(bob)?.balance), (0, 5_000));
            assert_eq!(
                session.edit_two(ann, ann).unwrap_err().kind(),
                aludel::ErrorKind::Misuse
            );
            Ok(())
        }
    };
}
