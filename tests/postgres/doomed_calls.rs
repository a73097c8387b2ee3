//! Doomed exactly as PostgreSQL has it, whichever way the statement came: an error while it was prepared among them, after
//! which Diesel does not look at the state of the transaction.

use aludel_tests::account::{Account, accounts};
use aludel_tests::doomed::{Form, Harm, every_call_does_what_its_error_does};
use aludel_tests::stage::Stage;
use diesel::connection::{DefaultLoadingMode, SimpleConnection as _};
use diesel::dsl::sql;
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::Integer;

type Rows = diesel::dsl::Select<accounts::table, diesel::expression::SqlLiteral<Integer>>;

/// The first row is Ann's, and Bob's has no reciprocal.
fn reciprocals() -> Rows {
    accounts::table.select(sql::<Integer>("10 / (2 - accounts.id)"))
}

#[test]
fn any_error_dooms_the_innermost_level() -> aludel::Result<()> {
    let stage = Stage::<PgConnection>::open("statement");
    let mut forms = aludel_tests::forms_that_fail!(PgConnection);
    forms.extend([
        Form {
            name: "insert … get_result, constraint",
            harm: Harm::Statement,
            run: |session| {
                let ann = (
                    accounts::owner.eq("Ann"),
                    accounts::balance.eq(0),
                    accounts::version.eq(1),
                );
                diesel::insert_into(accounts::table)
                    .values(ann)
                    .get_result::<Account>(session)?;
                Ok(())
            },
        },
        Form {
            name: "insert of many, constraint",
            harm: Harm::Statement,
            run: |session| {
                let row = |owner| {
                    (
                        accounts::owner.eq(owner),
                        accounts::balance.eq(0),
                        accounts::version.eq(1),
                    )
                };
                diesel::insert_into(accounts::table)
                    .values(vec![row("Carl"), row("Ann")])
                    .execute(session)?;
                Ok(())
            },
        },
        Form {
            name: "load, an error in a row",
            harm: Harm::Statement,
            run: |session| {
                reciprocals().load::<i32>(session)?;
                Ok(())
            },
        },
        Form {
            name: "load_iter, an error in a row",
            harm: Harm::Statement,
            run: |session| {
                let rows = reciprocals().load_iter::<i32, DefaultLoadingMode>(session)?;
                rows.collect::<QueryResult<Vec<i32>>>()?;
                Ok(())
            },
        },
        Form {
            name: "load_iter, row by row, an error in a row",
            harm: Harm::Statement,
            run: |session| {
                let rows = reciprocals().load_iter::<i32, PgRowByRowLoadingMode>(session)?;
                rows.collect::<QueryResult<Vec<i32>>>()?;
                Ok(())
            },
        },
        Form {
            name: "load_iter, row by row, unknown column",
            harm: Harm::Statement,
            run: |session| {
                let missing = accounts::table.select(sql::<Integer>("missing"));
                let rows = missing.load_iter::<i32, PgRowByRowLoadingMode>(session)?;
                rows.collect::<QueryResult<Vec<i32>>>()?;
                Ok(())
            },
        },
        Form {
            name: "a type that the server does not have",
            harm: Harm::Statement,
            run: |session| {
                diesel::select(sql::<Integer>("'a'::missing")).get_result::<i32>(session)?;
                Ok(())
            },
        },
    ]);
    every_call_does_what_its_error_does(&stage, &forms)
}

/// The connection goes with it, and the whole transaction.
#[test]
fn a_connection_that_is_terminated_dooms_the_root_by_whichever_call() -> aludel::Result<()> {
    const TERMINATE: &str = "SELECT pg_terminate_backend(pg_backend_pid())";
    let stage = Stage::<PgConnection>::open("terminated");
    let forms: [Form<PgConnection>; 5] = [
        Form {
            name: "execute",
            harm: Harm::Lost,
            run: |session| {
                diesel::sql_query(TERMINATE).execute(session)?;
                Ok(())
            },
        },
        Form {
            name: "load",
            harm: Harm::Lost,
            run: |session| {
                let query = diesel::select(sql::<Integer>("pg_terminate_backend(pg_backend_pid())::int"));
                query.load::<i32>(session)?;
                Ok(())
            },
        },
        Form {
            name: "load_iter, row by row",
            harm: Harm::Lost,
            run: |session| {
                let query = diesel::select(sql::<Integer>("pg_terminate_backend(pg_backend_pid())::int"));
                let rows = query.load_iter::<i32, PgRowByRowLoadingMode>(session)?;
                rows.collect::<QueryResult<Vec<i32>>>()?;
                Ok(())
            },
        },
        Form {
            name: "batch_execute",
            harm: Harm::Lost,
            run: |session| Ok(session.batch_execute(TERMINATE)?),
        },
        Form {
            name: "transaction()",
            harm: Harm::Lost,
            run: |session| {
                session.transaction(|session| diesel::sql_query(TERMINATE).execute(session))?;
                Ok(())
            },
        },
    ];
    every_call_does_what_its_error_does(&stage, &forms)
}
