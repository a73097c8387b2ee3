//! Durations, which are written as text (`"1m 30s"`) and expand to what the compiler evaluates.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

/// A duration that is written into generated code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(Duration);

impl Span {
    /// Reads `text`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|error| error.to_string())
    }

    pub(crate) fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl ToTokens for Span {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let (seconds, nanoseconds) = (self.0.as_secs(), self.0.subsec_nanos());
        tokens.extend(quote!(::core::time::Duration::new(#seconds, #nanoseconds)));
    }
}
