//! The isolation level and the mode of a transaction.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Ident, LitStr};

use super::word;
use crate::entry::Entry;
use crate::errors::{Errors, unknown};
use crate::function::Macro;

/// The levels that a transaction can have.
const LEVELS: [&str; 4] = ["ReadUncommitted", "ReadCommitted", "RepeatableRead", "Serializable"];

/// What kind of transaction it is.
#[derive(Default)]
pub(crate) struct Characteristics {
    /// A variant of `IsolationLevel`.
    pub(crate) isolation: Option<Ident>,
    pub(crate) read_only: bool,
    pub(crate) deferrable: bool,
    /// Where `deferrable` stands.
    deferrable_at: TokenStream,
}

impl Characteristics {
    /// Reads `entry`, if it is about this.
    pub(super) fn take(&mut self, entry: &Entry, wanted: Macro, errors: &mut Errors) -> bool {
        match entry.key.to_string().as_str() {
            "isolation" => self.isolation = isolation(entry, wanted, errors),
            "read_only" => {
                word(entry, wanted, errors);
                self.read_only = true;
            }
            "deferrable" => {
                word(entry, wanted, errors);
                self.deferrable = true;
                self.deferrable_at = entry.to_token_stream();
            }
            _ => return false,
        }
        true
    }

    /// Whether they can be those of one transaction, once all are known.
    pub(crate) fn check(&self, errors: &mut Errors) {
        const NEEDS: &str = "PostgreSQL defers only a transaction that is SERIALIZABLE and READ ONLY";
        if !self.deferrable {
            return;
        }
        match &self.isolation {
            Some(level) if level != "Serializable" => {
                errors.at(
                    &self.deferrable_at,
                    format!("{NEEDS}; write `isolation = Serializable`, or remove `deferrable`"),
                );
            }
            _ if !self.read_only => {
                errors.at(
                    &self.deferrable_at,
                    format!("{NEEDS}; add `read_only`, or remove `deferrable`"),
                );
            }
            _ => {}
        }
    }
}

fn isolation(entry: &Entry, wanted: Macro, errors: &mut Errors) -> Option<Ident> {
    if let Some(text) = entry.value::<LitStr>() {
        errors.at(&text, as_text(&text.value()));
        return None;
    }
    let Some(level) = entry.value::<Ident>() else {
        let last = last_word(entry).filter(|word| LEVELS.contains(&word.as_str()));
        let level = last.as_deref().unwrap_or("Serializable");
        errors.at(
            entry.place(),
            format!("`isolation` is the level alone: `isolation = {level}`"),
        );
        return None;
    };
    let name = level.to_string();
    if name == "Autocommit" {
        errors.at(&level, autocommit(wanted));
        return None;
    }
    if !LEVELS.contains(&name.as_str()) {
        errors.at(&level, unknown("isolation level", &name, &LEVELS));
        return None;
    }
    Some(level)
}

/// `"READ COMMITTED"`, `"read-committed"` and the like are a level in other clothes.
fn as_text(text: &str) -> String {
    const FORM: &str = "an isolation level is no text, but one of the words that the compiler knows";
    let plain = |text: &str| text.replace([' ', '_', '-'], "").to_lowercase();
    match LEVELS.iter().find(|level| plain(level) == plain(text)) {
        Some(level) => format!("{FORM}; write `isolation = {level}`"),
        None => format!("{FORM}: {}", unknown("isolation level", text, &LEVELS)),
    }
}

fn autocommit(wanted: Macro) -> &'static str {
    match wanted {
        Macro::Retry => {
            "in AUTOCOMMIT nothing can be rolled back, and so nothing is run again; name a level of a transaction, such \
             as `Serializable`"
        }
        Macro::Transactional => {
            "AUTOCOMMIT is no level of a transaction, but the absence of one; write `#[transactional(not_supported)]`"
        }
    }
}

/// `Serializable` of `IsolationLevel::Serializable`.
fn last_word(entry: &Entry) -> Option<String> {
    let path = entry.value::<syn::Path>()?;
    Some(path.segments.last()?.ident.to_string())
}
