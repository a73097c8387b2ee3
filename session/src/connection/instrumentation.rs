//! The user's Diesel instrumentation, kept by us and lent to whichever raw connection is in use.

use std::sync::{Arc, Mutex, PoisonError};

use diesel::connection::{Instrumentation, InstrumentationEvent, get_default_instrumentation};

/// One instrumentation, shared by the session and its raw connection of the moment.
#[derive(Clone, Default)]
pub(crate) struct SharedInstrumentation(Option<Arc<Mutex<Box<dyn Instrumentation>>>>);

impl SharedInstrumentation {
    pub(crate) fn new(instrumentation: impl Instrumentation) -> Self {
        Self(Some(Arc::new(Mutex::new(Box::new(instrumentation)))))
    }

    /// Lends it to a raw connection, if the user has set one.
    pub(crate) fn install<C: diesel::Connection>(&self, raw: &mut C) {
        if self.0.is_some() {
            raw.set_instrumentation(self.clone());
        }
    }

    /// Takes it away again, so that the pool's next borrower is not watched by it.
    pub(crate) fn uninstall<C: diesel::Connection>(&self, raw: &mut C) {
        if self.0.is_some() {
            raw.set_instrumentation(get_default_instrumentation());
        }
    }
}

impl Instrumentation for SharedInstrumentation {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let Some(shared) = &self.0 {
            shared
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .on_connection_event(event);
        }
    }
}
