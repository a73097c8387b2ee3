//! `on = (Retry, Disconnect)`: what is worth another run.

use syn::Ident;

use crate::entry::Entry;
use crate::errors::{Errors, unknown};

/// The classes that can be run again.
const CLASSES: [&str; 4] = ["Disconnect", "Retry", "Failover", "Busy"];

/// The variants of `Class` that are named; one with a mistake is left out.
pub(super) fn read(entry: &Entry, errors: &mut Errors) -> Vec<Ident> {
    let Some(named) = entry.tuple() else {
        errors.at(
            entry.place(),
            "`on` is a list of classes in parentheses: `on = (Retry, Disconnect)`",
        );
        return Vec::new();
    };
    if named.is_empty() {
        errors.at(
            entry.place(),
            "nothing is run again on no class at all; name one, or write `attempts = 1`",
        );
    }
    let mut classes: Vec<Ident> = Vec::new();
    for class in named {
        let name = class.to_string();
        if classes.contains(&class) {
            errors.at(&class, format!("`{class}` is named twice in `on`; keep one"));
        } else if name == "Permanent" {
            let message = "a permanent error is the same in each run, so it is never run again; remove `Permanent`";
            errors.at(&class, message);
        } else if CLASSES.contains(&name.as_str()) {
            classes.push(class);
        } else {
            errors.at(&class, unknown("class", &name, &CLASSES));
        }
    }
    classes
}
