//! Whatever serde can write and read.

use std::error::Error as StdError;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Replay;

/// A result that is kept as JSON: `Ok(Json(receipt))` of a function that answers `Result<Json<Receipt>>`.
///
/// Fields that a later version of the program adds need `#[serde(default)]`, so that it can read what an earlier one has kept.
///
/// ```
/// use aludel::once::{Json, Replay};
///
/// let text = Json(vec![Some(1), None]).keep()?;
/// assert_eq!(text, "[1,null]");
/// let Json(read) = Json::<Vec<Option<i32>>>::replay(&text)?;
/// assert_eq!(read, [Some(1), None]);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json<T>(
    /// The result.
    pub T,
);

impl<T: Serialize + DeserializeOwned> Replay for Json<T> {
    fn keep(&self) -> Result<String, Box<dyn StdError + Send + Sync>> {
        Ok(serde_json::to_string(&self.0)?)
    }

    fn replay(text: &str) -> Result<Self, Box<dyn StdError + Send + Sync>> {
        // Its own words repeat values.
        serde_json::from_str(text).map(Self).map_err(|error| {
            let (what, line, column) = (error.classify(), error.line(), error.column());
            format!("JSON with a {what:?} error at line {line}, column {column}").into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_repeats_no_value() {
        let error = Json::<u8>::replay("\"secret\"").expect_err("it is no number");
        assert_eq!(error.to_string(), "JSON with a Data error at line 1, column 8");
    }
}
