//! Control statements as queries of Diesel's, so that they run as cached prepared statements.
//!
//! Diesel's `batch_execute` takes three round trips on MariaDB and MySQL (multi-statements on, the statement,
//! multi-statements off), and makes SQLite parse the text each time. A prepared statement takes one round trip, and no
//! parsing; and on MariaDB error 1213 at COMMIT then gets its kind.

use std::borrow::Cow;

use diesel::backend::Backend;
use diesel::connection::Connection;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;

use crate::control::Control;

/// Any statement. Diesel's cache finds it by its text; one that was put together is not cached, since there is no end of
/// them.
pub(super) struct Prepared(pub(super) Cow<'static, str>);

impl QueryId for Prepared {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<DB: Backend> QueryFragment<DB> for Prepared {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        if matches!(self.0, Cow::Owned(_)) {
            out.unsafe_to_cache_prepared();
        }
        out.push_sql(&self.0);
        Ok(())
    }
}

/// The statements of every transaction, each a type of its own: Diesel's cache finds them without their text.
macro_rules! always_the_same {
    ($($control:ident = $sql:literal;)*) => {
        $(
            struct $control;

            impl QueryId for $control {
                type QueryId = Self;
                const HAS_STATIC_QUERY_ID: bool = true;
            }

            impl<DB: Backend> QueryFragment<DB> for $control {
                fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
                    out.push_sql($sql);
                    Ok(())
                }
            }
        )*

        /// Runs a control statement, prepared.
        pub(super) fn run<C: Connection>(connection: &mut C, control: Control) -> QueryResult<()> {
            match control {
                $(Control::$control => connection.execute_returning_count(&$control),)*
                other => connection.execute_returning_count(&Prepared(other.sql())),
            }
            .map(drop)
        }

        #[cfg(test)]
        const TEXTS: &[(Control, &str)] = &[$((Control::$control, $sql)),*];
    };
}

always_the_same! {
    Begin = "BEGIN";
    BeginImmediate = "BEGIN IMMEDIATE";
    Commit = "COMMIT";
    Rollback = "ROLLBACK";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_of_its_own_has_the_text_of_its_control_statement() {
        assert_eq!(TEXTS.len(), 4);
        for (control, text) in TEXTS {
            assert_eq!(control.sql(), *text);
        }
    }
}
