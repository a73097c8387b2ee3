//! What tests of a program need that runs on this crate, and what our own stand on.
//!
//! | Type | What a test does with it |
//! |---|---|
//! | [`FaultScript`] | makes a COMMIT, a statement, a connect, a ping or a row fail when its turn comes |
//! | [`EventLog`] | compares what engine, pool and transactions did with what it expects |
//! | [`TestClock`] | lets time pass: ages, timeouts, pauses between attempts |
//! | [`Mock`](crate::mock::Mock) | looks at the statements, without a database |
//!
//! All of it is compiled in always, since features are unified across a build; an engine without a script pays one branch
//! a call.

mod diff;
mod event_log;
mod fault_script;
mod only;

pub use crate::clock::TestClock;
pub use event_log::{EventKind, EventLog};
pub use fault_script::FaultScript;
#[doc(hidden)]
pub use only::{NotHad, Only};

pub(crate) use fault_script::at_connect;
