//! Collects every mistake of one input, so that all of them are reported at once.

use std::fmt::Display;

use quote::ToTokens;

/// The mistakes found so far, in the order in which they were found.
#[derive(Default)]
pub(crate) struct Errors {
    found: Option<syn::Error>,
}

impl Errors {
    /// Reports a mistake at `place`.
    pub(crate) fn at(&mut self, place: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(place, message));
    }

    /// Adds an error that was made elsewhere.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.found {
            Some(found) => found.combine(error),
            None => self.found = Some(error),
        }
    }

    /// Ends a stage: `value`, if nothing was found.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, syn::Error> {
        match (self.found, value) {
            (None, Some(value)) => Ok(value),
            (Some(found), _) => Err(found),
            (None, None) => unreachable!("a stage that has no value has said why"),
        }
    }
}

/// "unknown key `atempts`; did you mean `attempts`?", or the whole list when nothing is near.
pub(crate) fn unknown(kind: &str, name: &str, known: &[impl AsRef<str>]) -> String {
    match nearest(name, known) {
        Some(near) => format!("unknown {kind} `{name}`; did you mean `{near}`?"),
        None if known.is_empty() => format!("unknown {kind} `{name}`; there is none"),
        None => format!("unknown {kind} `{name}`; known: {}", list(known)),
    }
}

/// The known name that `name` is most likely a slip of the pen for, in whatever case it is written.
fn nearest<'a>(name: &str, known: &'a [impl AsRef<str>]) -> Option<&'a str> {
    // A third of the letters: wide enough for a dropped or doubled letter in a short name, and too narrow to turn one
    // real name into another.
    let tolerated = (name.chars().count() / 3).max(1);
    let name = name.to_lowercase();
    known
        .iter()
        .map(AsRef::as_ref)
        .map(|known| (distance(&name, &known.to_lowercase()), known))
        .filter(|(distance, _)| *distance <= tolerated)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How far apart two words are. One that begins with the other, such as `isolation_level` and `isolation`, is near.
fn distance(name: &str, known: &str) -> usize {
    // Three letters say more than chance: `on` is the beginning of much.
    if name.len() > 2 && known.len() > 2 && (name.starts_with(known) || known.starts_with(name)) {
        return 1;
    }
    strsim::damerau_levenshtein(name, known)
}

/// "`a`, `b`, `c`"
fn list(names: &[impl AsRef<str>]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 3] = ["attempts", "deadline", "commit"];

    #[test]
    fn a_near_name_is_suggested() {
        assert_eq!(
            unknown("key", "atempts", &KEYS),
            "unknown key `atempts`; did you mean `attempts`?"
        );
        assert_eq!(
            unknown("key", "comit", &KEYS),
            "unknown key `comit`; did you mean `commit`?"
        );
        assert_eq!(
            unknown("key", "DEADLINE", &KEYS),
            "unknown key `DEADLINE`; did you mean `deadline`?"
        );
        assert_eq!(
            unknown("key", "commit_policy", &KEYS),
            "unknown key `commit_policy`; did you mean `commit`?"
        );
    }

    #[test]
    fn a_far_name_gets_the_list() {
        assert_eq!(
            unknown("key", "jitter", &KEYS),
            "unknown key `jitter`; known: `attempts`, `deadline`, `commit`"
        );
        assert_eq!(
            unknown("parameter", "a", &[] as &[&str]),
            "unknown parameter `a`; there is none"
        );
    }
}
