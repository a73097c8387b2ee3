//! Results that are kept under an idempotency key, so that a call which comes again gets the first one back.
//!
//! This module has what the layers must agree on: the table, and what stands in one of its rows. The statements are the
//! dialects', and running, keeping and answering again is done by the layer above.

mod table;

pub use table::ResultTable;

/// What stands under a key that was used before.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// For what the key was used.
    pub scope: String,
    /// The result as text; none where its transaction has not come to its end.
    pub result: Option<String>,
}
