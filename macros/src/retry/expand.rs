//! Writes the call of `aludel::plumbing::retry`: the policy, and what each attempt gets anew.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::attr::Options;
use super::valid::{Rebind, Valid};
use crate::function::ast;
use crate::function::expand::{self, Wrapped};

/// The function as it is compiled.
pub(super) fn function(valid: &Valid<'_>) -> TokenStream {
    let mut signature = valid.function.signature.clone();
    ast::strip_mut(&mut signature, |name| !valid.options.rerun_sees.contains(name));
    expand::function(&Wrapped {
        function: valid.function,
        signature,
        session: &valid.session,
        once: valid.options.common.once.as_ref(),
        policy: policy(valid.options),
        body: body(valid),
        lints: Some(lints(valid)),
    })
}

/// Not a named constant: one beside the body would be seen by the body.
fn policy(options: &Options) -> TokenStream {
    if let Some(policy) = &options.policy {
        let borrowed = expand::borrowed(policy);
        return quote!(#borrowed);
    }
    let attempts = options.attempts.iter();
    let deadline = options.common.deadline.iter();
    let on = &options.on;
    let on = (!on.is_empty()).then(|| quote!(.on(&[#(::aludel::Class::#on),*])));
    let backoff = options.backoff.iter();
    let characteristics = expand::characteristics(&options.common);
    let commit = options.common.commit.iter();
    quote! {
        &const {
            ::aludel::RetryPolicy::new()
                #(.attempts(#attempts))*
                #(.deadline(#deadline))*
                #on
                #(.backoff(#backoff))*
                #characteristics
                #(.commit(::aludel::CommitPolicy::#commit))*
        }
    }
}

/// The body as written, in a block of its own behind the arguments that each attempt gets anew.
fn body(valid: &Valid<'_>) -> TokenStream {
    let body = &valid.function.body;
    if valid.rebinds.is_empty() {
        return quote!(#body);
    }
    let rebinds = valid.rebinds.iter().map(rebind);
    quote_spanned!(body.span()=> { #(#rebinds)* #body })
}

fn rebind(
    Rebind {
        conditions,
        mutability,
        name,
        clone,
    }: &Rebind,
) -> TokenStream {
    let value = if *clone {
        quote!(::core::clone::Clone::clone(&#name))
    } else {
        quote!(#name)
    };
    quote!(#(#conditions)* let #mutability #name = #value;)
}

/// What clippy would say of the call around the body, and not of what the user wrote.
fn lints(valid: &Valid<'_>) -> TokenStream {
    // An argument that is cloned in each attempt is consumed there; out here it is only looked at.
    let cloned = (!valid.options.clone.is_empty()).then(|| quote!(#[allow(clippy::needless_pass_by_value)]));
    let passed = expand::lints(&valid.session, valid.rebinds.iter().map(|rebind| &rebind.name));
    quote!(#cloned #passed)
}
