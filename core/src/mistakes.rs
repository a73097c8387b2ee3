//! All mistakes of one input, told at once.

use std::fmt::Write as _;

use crate::error::{Error, Result};

/// Collects what is wrong with one URL or configuration. No text in it repeats a value, which may be a secret.
#[derive(Debug, Default)]
pub(crate) struct Mistakes(Vec<String>);

impl Mistakes {
    pub(crate) fn add(&mut self, mistake: impl Into<String>) {
        self.0.push(mistake.into());
    }

    /// Notes an error, and goes on without a value.
    pub(crate) fn take<T>(&mut self, result: std::result::Result<T, String>) -> Option<T> {
        result.map_err(|mistake| self.add(mistake)).ok()
    }

    /// The value, unless there was a mistake.
    pub(crate) fn finish<T>(self, value: T) -> Result<T> {
        match self.0.as_slice() {
            [] => Ok(value),
            [one] => Err(Error::configuration(one.clone())),
            several => {
                let mut text = format!("{} mistakes:", several.len());
                for mistake in several {
                    let _ = write!(text, "\n- {mistake}");
                }
                Err(Error::configuration(text))
            }
        }
    }
}

/// The known name that `name` was most likely meant to be.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // One slip in three letters; with more, guesses would be wilder than they are helpful.
    let tolerated = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, _)| *distance <= tolerated)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mistake_is_told_as_it_is_and_several_as_a_list() {
        let mut mistakes = Mistakes::default();
        mistakes.add("no URL");
        assert_eq!(mistakes.finish(()).unwrap_err().to_string(), "no URL");

        let mut mistakes = Mistakes::default();
        assert_eq!(mistakes.take(Ok(1)), Some(1));
        assert_eq!(mistakes.take::<u8>(Err("no URL".to_owned())), None);
        mistakes.add("no size");
        let error = mistakes.finish(()).unwrap_err().to_string();
        assert_eq!(error, "2 mistakes:\n- no URL\n- no size");
        assert_eq!(Mistakes::default().finish(7).unwrap(), 7);
    }

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["pool_size", "pool_timeout", "url"];
        assert_eq!(nearest("pool_sise", known), Some("pool_size"));
        assert_eq!(nearest("pool_tiemout", known), Some("pool_timeout"));
        assert_eq!(nearest("ulr", known), Some("url"));
        assert_eq!(nearest("colour", known), None);
    }
}
