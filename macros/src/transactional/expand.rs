//! Writes the call of `aludel::plumbing::transactional`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;

use super::attr::Options;
use super::valid::Valid;
use crate::function::ast;
use crate::function::expand::{self, Wrapped};

/// The function as it is compiled.
pub(super) fn function(valid: &Valid<'_>) -> TokenStream {
    let (body, mut signature) = (&valid.function.body, valid.function.signature.clone());
    // The `mut` of the session is the closure's.
    ast::strip_mut(&mut signature, |name| valid.session.is(name));
    expand::function(&Wrapped {
        function: valid.function,
        signature,
        session: &valid.session,
        once: valid.options.common.once.as_ref(),
        policy: policy(valid.options),
        body: quote!(#body),
        lints: expand::lints(&valid.session, []),
    })
}

/// Not a named constant: one beside the body would be seen by the body.
fn policy(options: &Options) -> TokenStream {
    let propagation = options.propagation.iter().map(variant);
    let deadline = options.common.deadline.iter();
    let characteristics = expand::characteristics(&options.common);
    let commit = options.common.commit.iter();
    quote! {
        &const {
            ::aludel::TransactionPolicy::new()
                #(.propagation(::aludel::Propagation::#propagation))*
                #(.deadline(#deadline))*
                #characteristics
                #(.commit(::aludel::CommitPolicy::#commit))*
        }
    }
}

/// `RequiresNew` for `requires_new`.
fn variant(word: &Ident) -> Ident {
    let word = word.to_string();
    let parts = word.split('_').map(|part| {
        let (first, rest) = part.split_at(1);
        first.to_uppercase() + rest
    });
    format_ident!("{}", parts.collect::<String>())
}
