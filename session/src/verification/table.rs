//! The table of tokens.

use aludel_core::verify::{CommitTable, KnownTable};
use aludel_core::{Dialect, Engine, Flavour};
use diesel::result::QueryResult;

use crate::own_table::OwnTable;

impl OwnTable for CommitTable {
    type Known = KnownTable;

    const NAME: &'static str = Self::NAME;
    const WITHOUT: &'static str = "no COMMIT can be verified";
    const CREATE: &'static str = "engine.create_commit_table()";
    const SQL: &'static str = "CommitTable::sql";

    fn sql(flavour: Flavour) -> &'static str {
        Self::sql(flavour)
    }

    /// Whoever resolves a token has to find the table, also where the transaction was rolled back.
    fn is_of_the_transaction(_: Flavour) -> bool {
        false
    }

    fn known<C: Dialect>(engine: &Engine<C>) -> Option<KnownTable> {
        engine.known_commit_table()
    }

    fn remember<C: Dialect>(engine: &Engine<C>, known: Option<KnownTable>) {
        engine.remember_commit_table(known);
    }

    fn find<C: Dialect>(raw: &mut C) -> QueryResult<Option<KnownTable>> {
        raw.find_commit_table()
    }

    fn make<C: Dialect>(raw: &mut C) -> QueryResult<()> {
        raw.make_commit_table()
    }
}
