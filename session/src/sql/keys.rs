//! `key IN (..)`, for keys of one column and of several, with what else must hold of each row.

use diesel::backend::Backend;
use diesel::query_builder::AstPass;
use diesel::result::QueryResult;

use aludel_core::Flavour;

/// `"a" IN (?, ?)` or `("a", "b") IN ((?, ?), (?, ?))`, where `bind` writes the values of one column of one row.
pub(super) fn walk_in<'b, DB: Backend>(
    mut pass: AstPass<'_, 'b, DB>,
    flavour: Flavour,
    columns: &[&'static str],
    rows: usize,
    mut bind: impl FnMut(usize, usize, AstPass<'_, 'b, DB>) -> QueryResult<()>,
) -> QueryResult<()> {
    let composite = columns.len() > 1;
    if composite {
        pass.push_sql("(");
    }
    for (at, column) in columns.iter().enumerate() {
        comma(&mut pass, at);
        pass.push_identifier(column)?;
    }
    // SQLite compares rows with those of a query only.
    pass.push_sql(match (composite, flavour) {
        (false, _) => " IN (",
        (true, Flavour::Sqlite) => ") IN (VALUES ",
        (true, _) => ") IN (",
    });
    for row in 0..rows {
        comma(&mut pass, row);
        if composite {
            pass.push_sql("(");
        }
        for column in 0..columns.len() {
            comma(&mut pass, column);
            bind(row, column, pass.reborrow())?;
        }
        if composite {
            pass.push_sql(")");
        }
    }
    pass.push_sql(")");
    Ok(())
}

/// `, ` before everything but the first.
pub(super) fn comma<DB: Backend>(pass: &mut AstPass<'_, '_, DB>, at: usize) {
    if at > 0 {
        pass.push_sql(", ");
    }
}
