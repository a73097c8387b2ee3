//! The table of results.

use std::time::Duration;

use aludel_core::once::ResultTable;
use aludel_core::{Dialect, Engine, Flavour, Result};
use diesel::result::QueryResult;

use crate::own_table::OwnTable;
use crate::verification;

impl OwnTable for ResultTable {
    type Known = ();

    const NAME: &'static str = Self::NAME;
    const WITHOUT: &'static str = "nothing can be done once for a key";
    const CREATE: &'static str = "engine.create_result_table()";
    const SQL: &'static str = "ResultTable::sql";

    fn sql(flavour: Flavour) -> &'static str {
        Self::sql(flavour)
    }

    /// MariaDB's DDL would commit the transaction, and of two that make a table at once PostgreSQL aborts one.
    fn is_of_the_transaction(flavour: Flavour) -> bool {
        flavour == Flavour::Sqlite
    }

    fn known<C: Dialect>(engine: &Engine<C>) -> Option<()> {
        engine.knows_result_table().then_some(())
    }

    /// Never on SQLite, where a rollback may take it away, and each thread may have a database of its own in memory; to look
    /// for it costs next to nothing there.
    fn remember<C: Dialect>(engine: &Engine<C>, known: Option<()>) {
        engine.remember_result_table(known.is_some() && C::FLAVOUR != Flavour::Sqlite);
    }

    fn find<C: Dialect>(raw: &mut C) -> QueryResult<Option<()>> {
        Ok(raw.find_result_table()?.then_some(()))
    }

    fn make<C: Dialect>(raw: &mut C) -> QueryResult<()> {
        raw.make_result_table()
    }
}

/// See [`EngineExt::purge_results`](crate::EngineExt::purge_results).
#[track_caller]
pub(crate) fn purge<C: Dialect>(engine: &Engine<C>, older_than: Duration) -> Result<u64> {
    verification::in_batches::<ResultTable, C>(engine, older_than, C::purge_results)
}
