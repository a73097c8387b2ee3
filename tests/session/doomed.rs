//! Doomed exactly as SQLite has it, whichever way the statement came.

use aludel::prelude::*;
use aludel_tests::account::{Account, accounts};
use aludel_tests::doomed::{Form, Harm, every_call_does_what_its_error_does};
use aludel_tests::stage::Stage;
use diesel::connection::{DefaultLoadingMode, SimpleConnection as _};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

#[test]
fn an_error_undoes_its_statement_and_nothing_else() -> aludel::Result<()> {
    let stage = Stage::<SqliteConnection>::open("statement");
    let mut forms = aludel_tests::forms_that_fail!(SqliteConnection);
    forms.push(Form {
        name: "load_iter, an error behind the first row",
        harm: Harm::Statement,
        run: |session| {
            let overflow = sql::<BigInt>("abs(CASE id WHEN 1 THEN 1 ELSE -9223372036854775807 - 1 END)");
            let query = accounts::table.select(overflow).order(accounts::id);
            let mut rows = query.load_iter::<i64, DefaultLoadingMode>(session)?;
            assert_eq!(rows.next().transpose()?, Some(1));
            rows.next().transpose()?;
            Ok(())
        },
    });
    every_call_does_what_its_error_does(&stage, &forms)
}

/// `INSERT OR ROLLBACK`, and a trigger's `RAISE(ROLLBACK)`: what came after it would be committed at once.
#[test]
fn a_transaction_that_sqlite_has_rolled_back_is_lost_by_whichever_call() -> aludel::Result<()> {
    #[derive(AsChangeset, Identifiable)]
    #[diesel(table_name = accounts)]
    struct Unlucky {
        id: i32,
        balance: i64,
    }
    #[derive(QueryableByName)]
    struct Named {
        #[diesel(sql_type = diesel::sql_types::Integer)]
        #[expect(dead_code, reason = "no row comes")]
        id: i32,
    }
    const INSERT: &str = "INSERT OR ROLLBACK INTO accounts (owner, balance, version) VALUES ('Ann', 0, 1)";
    const UPDATE: &str = "UPDATE accounts SET balance = 13 WHERE id = 2";

    let stage = Stage::<SqliteConnection>::open("lost");
    stage.outside().batch_execute(
        "CREATE TRIGGER unlucky BEFORE UPDATE ON accounts WHEN NEW.balance = 13 \
         BEGIN SELECT RAISE(ROLLBACK, 'thirteen'); END",
    )?;
    let forms: [Form<SqliteConnection>; 8] = [
        Form {
            name: "execute, trigger",
            harm: Harm::Lost,
            run: |session| {
                let thirteen = diesel::update(accounts::table.find(2)).set(accounts::balance.eq(13));
                thirteen.execute(session)?;
                Ok(())
            },
        },
        Form {
            name: "save_changes, trigger",
            harm: Harm::Lost,
            run: |session| {
                Unlucky { id: 2, balance: 13 }.save_changes::<Account>(session)?;
                Ok(())
            },
        },
        Form {
            name: "flush, trigger",
            harm: Harm::Lost,
            run: |session| {
                let bob = session.get_one::<Account>(2)?;
                session.edit(bob)?.balance = 13;
                session.flush()
            },
        },
        Form {
            name: "sql_query",
            harm: Harm::Lost,
            run: |session| {
                diesel::sql_query(INSERT).execute(session)?;
                Ok(())
            },
        },
        Form {
            name: "sql_query, loaded",
            harm: Harm::Lost,
            run: |session| {
                diesel::sql_query(format!("{INSERT} RETURNING id")).load::<Named>(session)?;
                Ok(())
            },
        },
        Form {
            name: "batch_execute",
            harm: Harm::Lost,
            run: |session| Ok(session.batch_execute(&format!("SELECT 1; {INSERT}"))?),
        },
        Form {
            name: "transaction()",
            harm: Harm::Lost,
            run: |session| {
                let inside = |session: &mut Session<SqliteConnection>| diesel::sql_query(UPDATE).execute(session);
                session.transaction(inside)?;
                Ok(())
            },
        },
        Form {
            name: "with_raw",
            harm: Harm::Lost,
            run: |session| session.with_raw(|raw| Ok(raw.batch_execute(UPDATE)?)),
        },
    ];
    every_call_does_what_its_error_does(&stage, &forms)
}
