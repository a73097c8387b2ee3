//! What tests turn.

use super::EngineBuilder;
use crate::clock::Clock;
use crate::dialect::Dialect;
use crate::testing::FaultScript;

impl<C: Dialect> EngineBuilder<C> {
    /// The clock to go by; for tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// A script of faults to run into; for tests.
    pub fn faults(mut self, script: FaultScript) -> Self {
        self.faults = Some(script);
        self
    }
}
