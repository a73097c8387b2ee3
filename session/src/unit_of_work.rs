//! The unit of work: what a flush writes, in which order, and how.
//!
//! | File | What happens there |
//! |---|---|
//! | `gather` | children of objects that are deleted, and rows that must be read before they are written; until there are no more |
//! | `plan` | what is written, in which order: pure |
//! | `order` | orders of things that depend on each other: pure |
//! | `rows` | rows by their keys |
//! | `dependents` | objects whose rows the database changes along with those that a flush writes |
//! | `execute` | the statements, and what their answers do to the objects |

mod dependents;
mod execute;
mod gather;
mod order;
mod plan;
mod rows;
mod work;

pub(crate) use execute::version_conflict;
pub use gather::Cascading;
pub(crate) use plan::Place;
pub(crate) use work::{Unit, flush};
