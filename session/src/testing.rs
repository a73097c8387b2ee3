//! What tests of a program need that runs on this crate; [`how_to_test`](crate::how_to_test) shows each at work.
//!
//! | Type | What a test does with it |
//! |---|---|
//! | [`Sandbox`] | lets code begin, commit and roll back as it likes, and leaves no trace of it |
//! | [`FaultScript`] | makes a COMMIT, a statement, a connect, a ping or a row fail when its turn comes |
//! | [`EventLog`] | compares what engine, pool and transactions did with what it expects |
//! | [`TestClock`] | lets time pass: ages, timeouts, pauses between attempts |
//! | [`Mock`](crate::mock::Mock) | looks at the statements, without a database |

mod sandbox;

pub use aludel_core::testing::*;
pub use sandbox::{CapturedHook, Sandbox};

pub(crate) use sandbox::Slot;
