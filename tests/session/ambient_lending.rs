//! Which ambient session is lent, to whom, and what is said where none is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;

use aludel::mock::{Mock, MockStatement};
use aludel::prelude::*;
use aludel::{Error, ErrorKind, SessionFactory};
use aludel_tests::EventLog;
use aludel_tests::stage::Stage;
use diesel::prelude::*;
use diesel::sql_types::Integer;

use crate::stories::{Account, Bank, accounts, withdraw};

type Sqlite = Session<SqliteConnection>;

/// What an ambient function does in most of these tests.
#[transactional]
fn take(id: i32, amount: i64) -> aludel::Result<()> {
    aludel::current(|session| withdraw(session, id, amount))
}

#[retry]
fn take_again(id: i32, amount: i64) -> aludel::Result<()> {
    take(id, amount)
}

/// A refusal that names what has the session, and who wants it.
#[track_caller]
fn assert_in_use_since(line: u32, refused: &Error) {
    assert_in_use(refused);
    let has = format!("is in use: tests/session/ambient_lending.rs:{line}:");
    assert!(refused.to_string().contains(&has), "{refused}");
}

#[track_caller]
fn assert_in_use(refused: &Error) {
    assert_eq!(refused.kind(), ErrorKind::Misuse);
    let text = refused.to_string();
    assert!(text.starts_with("the ambient session of the engine \"e"), "{text}");
    assert!(
        text.contains(" of SqliteConnection (scope at tests/session/ambient_lending.rs:"),
        "{text}"
    );
    assert!(
        text.contains("hand the session that is there on as a parameter"),
        "{text}"
    );
}

#[test]
fn whoever_has_the_session_keeps_it() -> aludel::Result<()> {
    let bank = Bank::open();
    bank.engine.scope(|| {
        take(1, 0)?; // somebody else has had it before
        let line = line!() + 1;
        aludel::current(|session: &mut Sqlite| {
            assert_in_use_since(line, &aludel::current(|_: &mut Sqlite| Ok(())).unwrap_err());
            assert_in_use_since(line, &take(1, 1).unwrap_err());
            assert_in_use_since(line, &take_again(1, 1).unwrap_err());
            let refused = aludel::current_named(bank.engine.logging_name(), |_: &mut Sqlite| Ok(())).unwrap_err();
            assert_in_use_since(line, &refused);
            // And nothing is broken by that.
            session.begin(|session| {
                withdraw(session, 1, 10)?;
                assert_in_use_since(line, &take(1, 1).unwrap_err());
                withdraw(session, 1, 10)
            })
        })?;
        take(1, 100)
    })?;
    bank.log
        .expect(&["begin", "commit", "begin", "commit", "begin", "commit"]);
    assert_eq!(bank.balances(), [380, 0]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_session_whose_rows_are_being_read_is_in_use() -> aludel::Result<()> {
    let bank = Bank::open();
    let mut seen = Vec::new();
    bank.engine.scope(|| {
        aludel::current(|session: &mut Sqlite| {
            for owner in accounts::table
                .select(accounts::owner)
                .load_iter::<String, _>(session)?
            {
                assert_in_use(&aludel::current(|_: &mut Sqlite| Ok(())).unwrap_err());
                assert_in_use(&take(1, 1).unwrap_err());
                assert_in_use(&take_again(1, 1).unwrap_err());
                // A scope of its own has another session, on another connection.
                let balance: i64 = bank.engine.scope(|| {
                    aludel::current(|session: &mut Sqlite| {
                        Ok(accounts::table.find(1).select(accounts::balance).first(session)?)
                    })
                })?;
                seen.push((owner?, balance));
            }
            session.commit()
        })
    })?;
    assert_eq!(seen, [("Ann".to_owned(), 500), ("Bob".to_owned(), 500)]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_refusal_inside_of_a_transaction_is_an_error_as_any_other() {
    let bank = Bank::open();
    let refused = bank.engine.scope(|| {
        aludel::current(|session: &mut Sqlite| {
            session.begin(|session| {
                withdraw(session, 1, 10)?;
                take(1, 1)
            })
        })
    });
    let refused = refused.unwrap_err();
    assert_in_use(&refused);
    assert!(
        refused.to_string().ends_with("[rolled back, nothing was written]"),
        "{refused}"
    );
    bank.log.expect(&["begin", "rollback"]);
    bank.assert_whole();
}

#[test]
fn a_hook_finds_the_session_in_use_and_may_begin_a_scope() -> aludel::Result<()> {
    let bank = Bank::open();
    let told = Arc::new(Mutex::new(Vec::new()));
    bank.engine.scope(|| {
        let (engine, told) = (bank.engine.clone(), Arc::clone(&told));
        #[transactional]
        fn pay(engine: Engine<SqliteConnection>, told: Arc<Mutex<Vec<String>>>) -> aludel::Result<()> {
            aludel::current(|session: &mut Sqlite| {
                withdraw(session, 1, 100)?;
                session.on_commit(move || {
                    let mut told = told.lock().expect("nobody panics here");
                    told.push(take(1, 1).unwrap_err().to_string());
                    engine.scope(|| take(1, 10)).expect("it is another session");
                });
                Ok(())
            })
        }
        pay(engine, told)
    })?;
    let told = told.lock().expect("nobody panics here");
    assert!(
        told[0].contains("a hook or listener that runs while it begins or commits"),
        "{told:?}"
    );
    bank.log.expect(&["begin", "commit", "begin", "commit"]);
    assert_eq!(bank.balances(), [390, 0]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_listener_finds_the_session_in_use() -> aludel::Result<()> {
    let bank = Bank::open();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let _listening = bank.engine.listen(move |event| {
        if matches!(event, Event::Begin { .. } | Event::Rollback { .. }) {
            let refused = aludel::current(|_: &mut Sqlite| Ok(())).unwrap_err();
            heard.lock().expect("nobody panics here").push(refused);
        }
    });
    let refused: aludel::Result<()> = bank.engine.scope(|| {
        #[transactional]
        fn refuse() -> aludel::Result<()> {
            Err(Error::other("no"))
        }
        refuse()
    });
    assert_eq!(
        refused.unwrap_err().to_string(),
        "no [rolled back, nothing was written]"
    );
    let told = told.lock().expect("nobody panics here");
    assert_eq!(told.len(), 2);
    told.iter().for_each(assert_in_use);
    Ok(())
}

#[test]
fn where_there_is_no_scope_it_is_said_how_to_make_one() {
    let bank = Bank::open();
    let expected = "there is no ambient session on this thread: put engine.scope(..) around the call. Scopes belong to a \
                    thread; give the thread engine.scope of its own where it was spawned inside one";
    let errors = || {
        [
            aludel::current(|_: &mut Sqlite| Ok(())).unwrap_err(),
            aludel::current_named("bank", |_: &mut Sqlite| Ok(())).unwrap_err(),
            take(1, 1).unwrap_err(),
            take_again(1, 1).unwrap_err(),
        ]
    };
    for error in errors() {
        assert_eq!(
            (error.to_string().as_str(), error.kind()),
            (expected, ErrorKind::Misuse)
        );
    }
    // Nor is there one on a thread that was spawned inside of one, until it begins one.
    bank.engine.scope(|| {
        thread::scope(|threads| {
            threads.spawn(|| {
                for error in errors() {
                    assert_eq!(error.to_string(), expected);
                }
                bank.engine.scope(|| take(1, 100)).expect("a scope of its own");
            });
        });
    });
    assert_eq!(bank.balances(), [400, 0]);
    // Nor after the end of one.
    assert_eq!(take(1, 1).unwrap_err().to_string(), expected);
    bank.assert_whole();
}

#[test]
fn a_scope_that_a_panic_ends_is_gone() {
    let bank = Bank::open();
    bank.engine.scope(|| {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            bank.engine.scope(|| {
                aludel::current(|session| withdraw(session, 1, 100)).expect("Ann has enough");
                panic!("as programs do");
            })
        }));
        assert!(outcome.is_err());
        bank.log.expect(&["begin", "invalidate", "rollback"]);
        take(1, 1).expect("the outer one is there");
    });
    assert!(take(1, 1).is_err());
    assert_eq!(bank.balances(), [499, 0]);
    bank.assert_whole();
}

#[test]
fn what_a_scope_has_written_and_not_committed_is_rolled_back_with_a_warning() -> aludel::Result<()> {
    let bank = Bank::open();
    bank.engine
        .scope(|| aludel::current(|session| withdraw(session, 1, 100)))?;
    bank.log.expect(&["begin", "dropped uncommitted", "rollback"]);
    bank.engine.scope(|| {
        aludel::current(|session| withdraw(session, 1, 100))?;
        aludel::current(|session: &mut Sqlite| session.commit())
    })?;
    bank.log.expect(&["begin", "commit"]);
    assert_eq!(bank.balances(), [400, 0]);
    bank.assert_whole();
    Ok(())
}

#[test]
fn a_scope_answers_whatever_its_closure_does() {
    let bank = Bank::open();
    assert_eq!(bank.engine.scope(|| 42), 42);
    let mut text = String::from("it may borrow");
    bank.engine.scope(|| text.push_str(" what is around"));
    assert_eq!(text, "it may borrow what is around");
    bank.log.expect(&[]); // a session that nobody has used takes no connection
}

/// Objects go from one `current` to the next: it is one session for the whole scope, and another one in the next scope.
#[test]
fn same_session_per_scope() -> aludel::Result<()> {
    #[transactional]
    fn grant(ann: Entity<Account>, amount: i64) -> aludel::Result<()> {
        aludel::current(|session: &mut Sqlite| {
            session.edit(ann)?.balance += amount;
            Ok(())
        })
    }

    let bank = Bank::open();
    let ann = bank.engine.scope(|| {
        let ann = aludel::current(|session: &mut Sqlite| session.get_one::<Account>(1))?;
        grant(ann, 10)?;
        grant(ann, 5)?;
        aludel::current(|session: &mut Sqlite| {
            assert_eq!(session.read(ann)?.balance, 515);
            Ok(ann)
        })
    })?;
    let stranger = bank.engine.scope(|| grant(ann, 1)).unwrap_err();
    assert!(stranger.is_stale_entity(), "{stranger}");
    assert_eq!(bank.balances(), [515, 0]);
    bank.assert_whole();
    Ok(())
}

/// A scope of a factory has its sessions, also the one beside.
#[test]
fn a_scope_of_a_factory_has_sessions_of_its_kind() -> aludel::Result<()> {
    #[derive(Clone)]
    struct Tenant(&'static str);

    fn tenant() -> aludel::Result<&'static str> {
        aludel::current(|session: &mut Sqlite| Ok(session.info().get::<Tenant>().expect("it has one").0))
    }

    #[transactional(requires_new)]
    fn apart() -> aludel::Result<&'static str> {
        tenant()
    }

    #[transactional]
    fn around() -> aludel::Result<[&'static str; 2]> {
        Ok([tenant()?, apart()?])
    }

    let bank = Bank::open();
    let factory = SessionFactory::new(&bank.engine).info(Tenant("Ann's shop"));
    assert_eq!(factory.scope(around)?, ["Ann's shop"; 2]);
    bank.log.expect(&["begin", "begin", "commit", "commit"]);
    Ok(())
}

#[test]
fn the_innermost_scope_is_found_first() -> aludel::Result<()> {
    let (bank, other) = (Bank::open(), Bank::open());
    bank.engine.scope(|| {
        take(1, 1)?;
        other.engine.scope(|| {
            take(1, 10)?;
            bank.engine.scope(|| take(1, 100))
        })?;
        take(1, 1)
    })?;
    assert_eq!((bank.balances(), other.balances()), (vec![398, 0], vec![490, 0]));
    bank.assert_whole();
    other.assert_whole();
    Ok(())
}

/// A connection of another type.
type Other = Mock<diesel::sqlite::Sqlite>;

#[test]
fn engines_are_told_apart_by_their_connection() -> aludel::Result<()> {
    #[transactional(connection = Other)]
    fn note() -> aludel::Result<()> {
        // Each finds its own, whichever is the innermost.
        aludel::current(|session| withdraw(session, 1, 1))?;
        aludel::current(|session: &mut Session<Other>| {
            Ok(diesel::sql_query("DELETE FROM notes").execute(session).map(drop)?)
        })
    }

    let bank = Bank::open();
    let log = EventLog::new();
    let heard = log.clone();
    let engine: Engine<Other> = Engine::mock(move |statement: &MockStatement| heard.push(statement.sql()));
    let only = bank.engine.scope(note).unwrap_err().to_string();
    assert!(
        only.starts_with(
            "there is no ambient session of an engine of Mock<diesel::sqlite::backend::Sqlite> on this \
             thread; there is, from the innermost on: the engine \"e"
        ),
        "{only}"
    );
    bank.engine.scope(|| {
        engine.scope(|| {
            note()?;
            aludel::current(Session::<SqliteConnection>::commit)?;
            bank.engine.scope(|| {
                note()?;
                aludel::current(Session::<SqliteConnection>::commit)
            })
        })
    })?;
    assert_eq!(bank.balances(), [498, 0]);
    let once = ["BEGIN", "DELETE FROM notes", "COMMIT"];
    log.expect(&[once, once].concat());
    Ok(())
}

#[test]
fn engines_are_told_apart_by_their_name() -> aludel::Result<()> {
    #[transactional(engine = "archive")]
    fn archive(amount: i64) -> aludel::Result<()> {
        aludel::current_named("archive", |session| withdraw(session, 1, amount))
    }

    let bank = Bank::open();
    let archived = Stage::<SqliteConnection>::open_with("archive", |builder| builder.logging_name("archive"));
    let missing = bank.engine.scope(|| archive(1)).unwrap_err().to_string();
    assert!(
        missing.starts_with(
            "there is no ambient session of an engine with the logging name \"archive\" on this thread; there is, from the \
             innermost on: the engine \"e"
        ),
        "{missing}"
    );
    let missing = archived.engine.scope(|| {
        bank.engine.scope(|| {
            aludel::current_named("other", |_: &mut Sqlite| Ok(()))
                .unwrap_err()
                .to_string()
        })
    });
    assert!(
        missing.starts_with(
            "there is no ambient session of an engine of SqliteConnection with the logging name \"other\""
        ),
        "{missing}"
    );
    assert!(
        missing.contains(", the engine \"archive\" of SqliteConnection (scope at "),
        "{missing}"
    );
    archived.engine.scope(|| {
        bank.engine.scope(|| {
            take(1, 1)?; // the innermost
            archive(10)
        })
    })?;
    assert_eq!((bank.balances(), archived.balances()), (vec![499, 0], vec![490, 0]));
    bank.log.expect(&["begin", "commit"]);
    archived.log.expect(&["begin", "commit"]);
    Ok(())
}

#[test]
fn a_function_with_a_session_is_called_with_the_ambient_one() -> aludel::Result<()> {
    #[retry]
    fn with_session(session: &mut Session<SqliteConnection>, amount: i64) -> aludel::Result<i64> {
        withdraw(session, 1, amount)?;
        Ok(accounts::table.find(1).select(accounts::balance).first(session)?)
    }

    #[transactional]
    fn mixed() -> aludel::Result<i64> {
        take(1, 1)?;
        let left = aludel::current(|session| with_session(session, 10))?;
        take(1, 100)?;
        Ok(left)
    }

    let bank = Bank::open();
    assert_eq!(bank.engine.scope(mixed)?, 489);
    bank.log.expect(&["begin", "commit"]);
    assert_eq!(
        bank.engine
            .scope(|| aludel::current(|session| with_session(session, 1)))?,
        388
    );
    bank.log.expect(&["begin", "commit"]);
    // A session in the hand is another one.
    let mut session = bank.engine.session();
    bank.engine.scope(|| with_session(&mut session, 1))?;
    assert!(session.begin(|_| take(1, 1)).is_err(), "it is no ambient one");
    bank.assert_whole();
    Ok(())
}

#[test]
fn an_error_type_of_ones_own() {
    #[derive(Debug)]
    enum Refusal {
        Poor(i64),
        Database(Error),
    }
    impl From<Error> for Refusal {
        fn from(error: Error) -> Self {
            Self::Database(error)
        }
    }

    #[retry]
    fn buy(price: i64) -> Result<(), Refusal> {
        let has = aludel::current_with(|session: &mut Sqlite| {
            let balance = accounts::table.find(1).select(accounts::balance);
            balance
                .first::<i64>(session)
                .map_err(|error| Refusal::Database(error.into()))
        })?;
        if has < price {
            return Err(Refusal::Poor(has));
        }
        Ok(take(1, price)?)
    }

    let bank = Bank::open();
    assert!(matches!(bank.engine.scope(|| buy(1000)), Err(Refusal::Poor(500))));
    bank.log.expect(&["begin", "rollback"]);
    assert!(bank.engine.scope(|| buy(100)).is_ok());
    assert!(matches!(buy(1), Err(Refusal::Database(error)) if error.kind() == ErrorKind::Misuse));
    assert_eq!(bank.balances(), [400, 0]);
}

#[test]
fn in_memory_a_second_session_is_refused_with_the_place_of_the_first() -> aludel::Result<()> {
    #[transactional(requires_new)]
    fn apart() -> aludel::Result<()> {
        aludel::current(|session: &mut Sqlite| {
            Ok(diesel::select(1.into_sql::<Integer>()).execute(session).map(drop)?)
        })
    }

    #[transactional]
    fn around() -> aludel::Result<()> {
        aludel::current(|session: &mut Sqlite| {
            diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(session)?;
            Ok(())
        })?;
        let refused = apart().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Misuse, "{refused}");
        assert!(
            refused.to_string().contains("tests/session/ambient_lending.rs:"),
            "{refused}"
        );
        // What is around it goes on.
        aludel::current(|session: &mut Sqlite| {
            diesel::sql_query("INSERT INTO t VALUES (1)").execute(session)?;
            Ok(())
        })
    }

    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    engine.scope(|| {
        around()?;
        apart() // with nothing around it needs no second one
    })?;
    assert_eq!(engine.pool().checkedout(), 0);
    Ok(())
}
