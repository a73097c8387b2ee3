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

use proc_macro2::TokenStream;

use self::ast::Function;
use crate::entry::{self, Entry};
use crate::errors::Errors;

/// Both macros: reads, has `write` check and write what only the one of them knows, and falls back where something is wrong.
pub(crate) fn macro_impl(
    wanted: Macro,
    arguments: TokenStream,
    item: TokenStream,
    write: impl FnOnce(&Function, Vec<Entry>, &mut Errors) -> Option<TokenStream>,
) -> TokenStream {
    let function = match ast::parse(item.clone(), wanted) {
        Ok(function) => function,
        Err(error) => return fallback::item(&item, &error),
    };
    let mut errors = Errors::default();
    let entries = entry::read(arguments, &mut errors);
    let written = write(&function, entries, &mut errors);
    errors
        .finish(written)
        .unwrap_or_else(|error| fallback::function(&function, &error))
}

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
