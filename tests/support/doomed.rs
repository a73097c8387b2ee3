//! What an error does to its transaction, whichever way the statement came: a table of calls and errors.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // a story that fails is a test that fails

use aludel::prelude::*;
use aludel::{Error, Flavour, Outcome};

use crate::stage::{Stage, Staged};

/// What an error is to its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// A constraint, a value or a syntax error: PostgreSQL aborts the innermost level, the others undo the statement.
    Statement,
    /// One whose own savepoint was rolled back.
    Survived,
    /// One that leaves something half-done: the innermost level, on every database.
    Unfinished,
    /// The server has thrown the transaction away.
    Lost,
}

/// One way in which a statement can come, and fail.
#[allow(missing_debug_implementations, reason = "its name says what it is")]
pub struct Form<C: Dialect> {
    /// The call, and the error.
    pub name: &'static str,
    /// What it does.
    pub harm: Harm,
    /// The call; answers what came out of it.
    pub run: fn(&mut Session<C>) -> aludel::Result<()>,
}

/// How much is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    None,
    Innermost,
    Root,
}

fn damage<C: Dialect>(harm: Harm) -> Damage {
    match (harm, C::FLAVOUR) {
        (Harm::Lost, _) => Damage::Root,
        (Harm::Unfinished, _) | (Harm::Statement, Flavour::PostgreSql) => Damage::Innermost,
        (Harm::Survived | Harm::Statement, _) => Damage::None,
    }
}

/// The refusal of a statement, or of a COMMIT, names what came first.
#[track_caller]
fn is_doomed(case: &str, error: &Error, first: &Error) {
    assert!(error.is_doomed() && !error.is_exit(), "{case}: {error:?}");
    // An error on the raw connection is told in words of ours around it.
    let cause = first.first_cause();
    let cause = cause.lines().next().unwrap_or_default();
    assert!(
        error.to_string().contains(cause),
        "{case}: {error} does not name {cause:?}"
    );
}

/// In a scope, in a savepoint of it, and with a session as you go: what is refused afterwards, what COMMIT says, and what is
/// in the table.
///
/// # Errors
///
/// None that the story expects.
///
/// # Panics
///
/// Where something else happens than what the table says.
pub fn every_call_does_what_its_error_does<C: Staged>(stage: &Stage<C>, forms: &[Form<C>]) -> aludel::Result<()> {
    let fail = |session: &mut Session<C>, form: &Form<C>| -> Error {
        let name = form.name;
        (form.run)(session)
            .err()
            .unwrap_or_else(|| panic!("{name} did not fail"))
    };
    let mut balance = stage.balances()[0];
    for form in forms {
        let damage = damage::<C>(form.harm);
        // In a scope that swallows it.
        let case = format!("{} in a scope", form.name);
        let mut first = None;
        let answer = stage.engine.begin(|session| {
            C::withdraw(session, 1, 1)?;
            let error = fail(session, form);
            match C::withdraw(session, 1, 1) {
                Ok(_) => assert_eq!(damage, Damage::None, "{case}"),
                Err(refused) => is_doomed(&case, &refused.into(), &error),
            }
            first = Some(error);
            Ok(())
        });
        let first = first.expect("the closure has run");
        match answer {
            Ok(()) => balance -= 2,
            Err(error) => {
                is_doomed(&case, &error, &first);
                assert_eq!(error.outcome(), Some(Outcome::RolledBack), "{case}");
            }
        }
        assert_eq!(stage.balances()[0], balance, "{case}");
        stage.assert_whole();

        // In a savepoint that swallows it, inside a scope that does as well.
        let case = format!("{} in a savepoint", form.name);
        let answer = stage.engine.begin(|session| {
            C::withdraw(session, 1, 1)?;
            let nested = session.begin_nested(|nested| {
                C::withdraw(nested, 1, 1)?;
                fail(nested, form);
                Ok(())
            });
            assert_eq!(nested.is_ok(), damage == Damage::None, "{case}");
            assert_eq!(session.is_doomed(), damage == Damage::Root, "{case}");
            Ok(())
        });
        assert_eq!(answer.is_ok(), damage != Damage::Root, "{case}");
        balance -= match damage {
            Damage::None => 2,
            Damage::Innermost => 1,
            Damage::Root => 0,
        };
        assert_eq!(stage.balances()[0], balance, "{case}");
        stage.assert_whole();

        // As you go.
        let case = format!("{} as you go", form.name);
        let mut session = stage.engine.session();
        C::withdraw(&mut session, 1, 1)?;
        let first = fail(&mut session, form);
        match session.commit() {
            Ok(()) => {
                assert_eq!(damage, Damage::None, "{case}");
                balance -= 1;
            }
            Err(error) => is_doomed(&case, &error, &first),
        }
        assert!(!session.in_transaction(), "{case}");
        // The next transaction knows nothing of it.
        session.begin(|session| Ok(C::withdraw(session, 1, 1)?))?;
        balance -= 1;
        drop(session);
        assert_eq!(stage.balances()[0], balance, "{case}");
        stage.assert_whole();
    }
    Ok(())
}

/// The calls that every database has, on constraints and on names that are not there.
#[macro_export]
macro_rules! forms_that_fail {
    ($connection:ty) => {{
        use aludel::prelude::*;
        use aludel_tests::account::{Account, accounts};
        use aludel_tests::doomed::{Form, Harm};
        use diesel::connection::SimpleConnection as _;
        use diesel::dsl::sql;
        use diesel::prelude::*;
        use diesel::sql_types::Integer;

        /// A change that no account takes.
        #[derive(AsChangeset, Identifiable)]
        #[diesel(table_name = accounts)]
        struct Overdrawn {
            id: i32,
            balance: i64,
        }

        #[derive(QueryableByName)]
        struct Named {
            #[diesel(sql_type = Integer)]
            #[allow(dead_code)]
            id: i32,
        }

        const ANN: &str = "INSERT INTO accounts (owner, balance, version) VALUES ('Ann', 0, 1)";
        fn ann() -> (
            diesel::dsl::Eq<accounts::owner, &'static str>,
            diesel::dsl::Eq<accounts::balance, i64>,
            diesel::dsl::Eq<accounts::version, i32>,
        ) {
            (
                accounts::owner.eq("Ann"),
                accounts::balance.eq(0),
                accounts::version.eq(1),
            )
        }
        fn missing() -> diesel::dsl::Select<accounts::table, diesel::expression::SqlLiteral<Integer>> {
            accounts::table.select(sql::<Integer>("missing"))
        }
        let forms: Vec<Form<$connection>> = vec![
            Form {
                name: "execute, constraint",
                harm: Harm::Statement,
                run: |session| {
                    diesel::insert_into(accounts::table).values(ann()).execute(session)?;
                    Ok(())
                },
            },
            Form {
                name: "execute of an update, constraint",
                harm: Harm::Statement,
                run: |session| {
                    let all = diesel::update(accounts::table).set(accounts::balance.eq(-1));
                    all.execute(session)?;
                    Ok(())
                },
            },
            Form {
                name: "sql_query, constraint",
                harm: Harm::Statement,
                run: |session| {
                    diesel::sql_query(ANN).execute(session)?;
                    Ok(())
                },
            },
            Form {
                name: "batch_execute, constraint",
                harm: Harm::Statement,
                run: |session| Ok(session.batch_execute(ANN)?),
            },
            Form {
                name: "save_changes, constraint",
                harm: Harm::Statement,
                run: |session| {
                    let change = Overdrawn { id: 2, balance: -1 };
                    change.save_changes::<Account>(session)?;
                    Ok(())
                },
            },
            Form {
                name: "transaction(), constraint that it passes on",
                harm: Harm::Survived,
                run: |session| {
                    let nested = |session: &mut Session<$connection>| diesel::sql_query(ANN).execute(session);
                    session.transaction(nested)?;
                    Ok(())
                },
            },
            Form {
                name: "with_raw, constraint",
                harm: Harm::Statement,
                run: |session| session.with_raw(|raw| Ok(raw.batch_execute(ANN)?)),
            },
            Form {
                name: "flush of an object, constraint",
                harm: Harm::Unfinished,
                run: |session| {
                    session.add(Account::new("Ann", 0));
                    session.flush()
                },
            },
            Form {
                name: "load, unknown column",
                harm: Harm::Statement,
                run: |session| {
                    missing().load::<i32>(session)?;
                    Ok(())
                },
            },
            Form {
                name: "get_result, unknown column",
                harm: Harm::Statement,
                run: |session| {
                    missing().get_result::<i32>(session)?;
                    Ok(())
                },
            },
            Form {
                name: "first, unknown column",
                harm: Harm::Statement,
                run: |session| {
                    missing().first::<i32>(session)?;
                    Ok(())
                },
            },
            Form {
                name: "load_iter, unknown column",
                harm: Harm::Statement,
                run: |session| {
                    let rows = missing().load_iter::<i32, diesel::connection::DefaultLoadingMode>(session)?;
                    rows.collect::<QueryResult<Vec<i32>>>()?;
                    Ok(())
                },
            },
            Form {
                name: "execute of a query, unknown column",
                harm: Harm::Statement,
                run: |session| {
                    missing().execute(session)?;
                    Ok(())
                },
            },
            Form {
                name: "sql_query, loaded, syntax",
                harm: Harm::Statement,
                run: |session| {
                    diesel::sql_query("SELEC 1 AS id").load::<Named>(session)?;
                    Ok(())
                },
            },
            Form {
                name: "batch_execute, syntax behind a good one",
                harm: Harm::Statement,
                run: |session| Ok(session.batch_execute("SELECT 1; SELEC 1")?),
            },
            Form {
                name: "with_raw, unknown column",
                harm: Harm::Statement,
                run: |session| {
                    session.with_raw(|raw| {
                        missing().load::<i32>(raw)?;
                        Ok(())
                    })
                },
            },
        ];
        forms
    }};
}
