//! Reads the function. Its body stays the tokens that the user wrote: whatever is wrong in there is the compiler's to
//! say, at the user's own place.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream, Parser};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Error, FnArg, Ident, Item, Pat, PatIdent, PatType, Result, Signature, Token, Visibility};

/// A function with a body: free, of an impl, or of a trait.
pub(super) struct Function {
    pub(super) attributes: Vec<Attribute>,
    pub(super) visibility: Visibility,
    pub(super) signature: Signature,
    /// `#![..]` at the beginning of the body.
    pub(super) inner_attributes: Vec<Attribute>,
    /// `{ .. }` without those.
    pub(super) body: Group,
}

impl Function {
    /// The parameters, the receiver left out.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &PatType> {
        self.signature.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(parameter) => Some(parameter),
            FnArg::Receiver(_) => None,
        })
    }
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let signature: Signature = input.parse()?;
        if input.peek(Token![;]) {
            let message = "`#[retry]` needs a body to run again; put it on the `fn` that implements this one";
            return Err(Error::new_spanned(signature, message));
        }
        let (inner_attributes, body) = body(input)?;
        Ok(Self {
            attributes,
            visibility,
            signature,
            inner_attributes,
            body,
        })
    }
}

/// Reads the item, or says why it is none for `#[retry]`.
pub(super) fn parse(item: TokenStream) -> Result<Function> {
    syn::parse2::<Function>(item.clone()).map_err(|error| match syn::parse2::<Item>(item) {
        Ok(other) if !matches!(other, Item::Fn(_) | Item::Verbatim(_)) => Error::new_spanned(
            other,
            "`#[retry]` goes on a `fn`: on the one that is the whole transaction",
        ),
        Ok(_) | Err(_) => error,
    })
}

/// The bindings of a pattern: `a` and `b` of `(mut a, Point { x: b, .. })`.
pub(super) fn bindings(pattern: &Pat) -> Vec<PatIdent> {
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

/// Takes the `mut` off every by-value binding whose name is not in `kept`.
pub(super) fn strip_mut(signature: &mut Signature, kept: &[Ident]) {
    struct Strip<'a>(&'a [Ident]);

    impl VisitMut for Strip<'_> {
        fn visit_pat_ident_mut(&mut self, binding: &mut PatIdent) {
            if binding.by_ref.is_none() && !self.0.contains(&binding.ident) {
                binding.mutability = None;
            }
            visit_mut::visit_pat_ident_mut(self, binding);
        }
    }

    for input in &mut signature.inputs {
        if let FnArg::Typed(parameter) = input {
            Strip(kept).visit_pat_mut(&mut parameter.pat);
        }
    }
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
