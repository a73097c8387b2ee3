//! `backoff = "10ms..2s"`: how long to pause between two attempts.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::LitStr;

use crate::duration::Span;
use crate::entry::Entry;
use crate::errors::Errors;

const FORM: &str = "`backoff` is the first pause and the longest one, in quotes, such as \"10ms..2s\", or \"none\"";

/// The pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backoff {
    None,
    Exponential { base: Span, cap: Span },
}

impl ToTokens for Backoff {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::None => quote!(::aludel::Backoff::NONE),
            Self::Exponential { base, cap } => quote!(::aludel::Backoff::exponential(#base, #cap)),
        });
    }
}

pub(super) fn read(entry: &Entry, errors: &mut Errors) -> Option<Backoff> {
    let Some(text) = entry.value::<LitStr>() else {
        errors.at(entry.place(), FORM);
        return None;
    };
    match parse(&text.value()) {
        Ok(backoff) => Some(backoff),
        Err(message) => {
            errors.at(text, message);
            None
        }
    }
}

fn parse(text: &str) -> Result<Backoff, String> {
    if text.trim() == "none" {
        return Ok(Backoff::None);
    }
    let (base, cap) = text.split_once("..").ok_or(FORM)?;
    let read = |text: &str| Span::read(text.trim()).map_err(|error| format!("{FORM}: {error}"));
    let (base, cap) = (read(base)?, read(cap)?);
    if base.is_zero() {
        return Err("pauses that begin with nothing stay nothing when they are doubled; write \"none\"".to_owned());
    }
    if cap < base {
        return Err("the first pause is longer than the longest one; the shorter one stands first".to_owned());
    }
    Ok(Backoff::Exponential { base, cap })
}
