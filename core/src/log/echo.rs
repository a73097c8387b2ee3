//! How much is shown.

use std::sync::atomic::{AtomicU8, Ordering};

use tracing::Level;

/// How much an engine shows of its statements (`echo` in SQLAlchemy), or of its pool (`echo_pool`).
///
/// | | `echo` | `echo_pool` |
/// |---|---|---|
/// | `Off` | nothing | nothing |
/// | `On`, or `true` | statements, at level INFO | what is invalidated, recycled and disposed of, at INFO |
/// | `Debug` | rows as well, at DEBUG | checkouts, returns and resets as well, at DEBUG |
///
/// ```
/// use aludel_core::Echo;
///
/// assert_eq!(Echo::from(true), Echo::On);
/// assert_eq!(Echo::default(), Echo::Off);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Echo {
    /// Nothing.
    #[default]
    Off,
    /// What happens.
    On,
    /// What happens, and with what.
    Debug,
}

impl Echo {
    /// Whether a line of this level is shown.
    pub(super) fn shows(self, level: Level) -> bool {
        match self {
            Self::Off => false,
            Self::On => level <= Level::INFO,
            Self::Debug => level <= Level::DEBUG,
        }
    }
}

impl From<bool> for Echo {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

/// One that can be changed while others look at it.
pub(super) struct Live(AtomicU8);

impl Live {
    pub(super) fn new(echo: Echo) -> Self {
        Self(AtomicU8::new(echo as u8))
    }

    #[inline]
    pub(super) fn get(&self) -> Echo {
        match self.0.load(Ordering::Relaxed) {
            0 => Echo::Off,
            1 => Echo::On,
            _ => Echo::Debug,
        }
    }

    pub(super) fn set(&self, echo: Echo) {
        self.0.store(echo as u8, Ordering::Relaxed);
    }
}
