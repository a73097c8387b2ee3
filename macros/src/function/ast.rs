//! Reads the function. Its body stays the tokens that the user wrote: whatever is wrong in there is the compiler's to
//! say, at the user's own place.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Error, FnArg, Ident, Item, Pat, PatIdent, PatType, Result, Signature, Token, Visibility};

use super::Macro;

/// A function with a body: free, of an impl, or of a trait.
pub(crate) struct Function {
    /// Which macro is on it.
    pub(crate) wanted: Macro,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    /// `#![..]` at the beginning of the body.
    pub(crate) inner_attributes: Vec<Attribute>,
    /// `{ .. }` without those.
    pub(crate) body: Group,
}

impl Function {
    /// The parameters, the receiver left out.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &PatType> {
        self.signature.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(parameter) => Some(parameter),
            FnArg::Receiver(_) => None,
        })
    }
}

/// Reads the item, or says why the macro cannot go on it.
pub(crate) fn parse(item: TokenStream, wanted: Macro) -> Result<Function> {
    let read = |input: ParseStream<'_>| function(input, wanted);
    read.parse2(item.clone())
        .map_err(|error| match syn::parse2::<Item>(item) {
            Ok(other) if !matches!(other, Item::Fn(_) | Item::Verbatim(_)) => {
                let message = format!("`{wanted}` goes on a `fn`: on the one that is the whole transaction");
                Error::new_spanned(other, message)
            }
            Ok(_) | Err(_) => error,
        })
}

/// The bindings of a pattern: `a` and `b` of `(mut a, Point { x: b, .. })`.
pub(crate) fn bindings(pattern: &Pat) -> Vec<PatIdent> {
    struct Bindings(Vec<PatIdent>);

    impl VisitMut for Bindings {
        fn visit_pat_ident_mut(&mut self, binding: &mut PatIdent) {
            self.0.push(binding.clone());
            visit_mut::visit_pat_ident_mut(self, binding);
        }
    }

    let mut bindings = Bindings(Vec::new());
    bindings.visit_pat_mut(&mut pattern.clone());
    bindings.0
}

/// Takes the `mut` off the by-value bindings that are chosen.
pub(crate) fn strip_mut(signature: &mut Signature, chosen: impl Fn(&Ident) -> bool) {
    struct Strip<F>(F);

    impl<F: Fn(&Ident) -> bool> VisitMut for Strip<F> {
        fn visit_pat_ident_mut(&mut self, binding: &mut PatIdent) {
            if binding.by_ref.is_none() && (self.0)(&binding.ident) {
                binding.mutability = None;
            }
            visit_mut::visit_pat_ident_mut(self, binding);
        }
    }

    let mut strip = Strip(chosen);
    for input in &mut signature.inputs {
        if let FnArg::Typed(parameter) = input {
            strip.visit_pat_mut(&mut parameter.pat);
        }
    }
}

fn function(input: ParseStream<'_>, wanted: Macro) -> Result<Function> {
    let attributes = input.call(Attribute::parse_outer)?;
    let visibility = input.parse()?;
    let signature: Signature = input.parse()?;
    if input.peek(Token![;]) {
        let message = format!("`{wanted}` goes around a body; put it on the `fn` that implements this one");
        return Err(Error::new_spanned(signature, message));
    }
    let (inner_attributes, body) = body(input)?;
    Ok(Function {
        wanted,
        attributes,
        visibility,
        signature,
        inner_attributes,
        body,
    })
}

fn body(input: ParseStream<'_>) -> Result<(Vec<Attribute>, Group)> {
    let TokenTree::Group(written) = input.parse()? else {
        return Err(input.error("expected the body of the function, `{ .. }`"));
    };
    let split = |input: ParseStream<'_>| Ok((input.call(Attribute::parse_inner)?, input.parse::<TokenStream>()?));
    let (inner_attributes, statements) = split.parse2(written.stream())?;
    if inner_attributes.is_empty() {
        return Ok((inner_attributes, written));
    }
    let mut body = Group::new(Delimiter::Brace, statements);
    body.set_span(written.span());
    Ok((inner_attributes, body))
}
