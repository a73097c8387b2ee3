//! What most files need: `use aludel::prelude::*;`, beside Diesel's own prelude.

pub use aludel_core::dialect::{AccessMode, Deferrable, IsolationLevel};
pub use aludel_core::pool::{PrePing, Refuse, ResetOnReturn};
pub use aludel_core::{CancelToken, Class, Dialect, Engine, ErrorContext, Event, ExecutionOptions, Exit, OnExit};
pub use aludel_macros::{Embedded, Model, retry, transactional};

pub use crate::engine::EngineExt;
pub use crate::model::{Embedded, Entity, Model, Persist};
pub use crate::result::ResultExt;
pub use crate::session::Session;
