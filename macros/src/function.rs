//! What `#[retry]` and `#[transactional]` have in common: the function, what it runs on, its return type, the arguments
//! that say what kind of transaction it is, and the call around its body.
//!
//! The stages are those of each macro: `ast` reads, `attr` and `valid` check, `expand` writes, `fallback` writes after a
//! mistake. What only one of the two knows stands in its own folder.

pub(crate) mod ast;
pub(crate) mod attr;
pub(crate) mod expand;
pub(crate) mod fallback;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod valid;

use std::fmt;

/// Which of the two macros a message speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Macro {
    Retry,
    Transactional,
}

impl Macro {
    /// Its name, which is that of the function behind it in `aludel::plumbing` as well.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Transactional => "transactional",
        }
    }
}

impl fmt::Display for Macro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#[{}]", self.name())
    }
}
