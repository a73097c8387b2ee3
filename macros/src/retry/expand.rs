//! Writes the function: the signature as it was, and around the body one call of the runtime.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Ident, PatIdent, ReturnType};

use super::ast;
use super::attr::Options;
use super::valid::{Rebind, Valid};
use crate::types::Mentions;

/// The function as it is compiled.
pub(super) fn function(valid: &Valid<'_>) -> TokenStream {
    let function = valid.function;
    let (attributes, visibility, inner) = (&function.attributes, &function.visibility, &function.inner_attributes);
    let mut signature = function.signature.clone();
    ast::strip_mut(&mut signature, &valid.options.rerun_sees);

    // The bound on the error type is reported at the return type.
    let answer_span = if let ReturnType::Type(_, ty) = &signature.output {
        ty.span()
    } else {
        Span::call_site()
    };
    let retry = quote_spanned!(Span::mixed_site().located_at(answer_span)=> ::aludel::plumbing::retry);
    let policy = policy(&valid.options);
    let name = signature.ident.unraw().to_string();
    let PatIdent {
        mutability,
        ident: session,
        ..
    } = &valid.session.binding;
    let session_type = valid.session.ty().map(|ty| quote!(: #ty));
    let answer = answer(&signature.output);
    let body = body(valid);
    let lints = lints(valid);
    // As if the user had written the closure, at the place of the body: what is moved out of it is then called by name.
    let closure = quote_spanned!(function.body.span()=> |#mutability #session #session_type| #answer #body);
    quote! {
        #(#attributes)*
        #lints
        #visibility #signature {
            #(#inner)*
            #retry(#session, &const { #policy }, #name, #closure)
        }
    }
}

/// Not a named constant: one beside the body would be seen by the body.
fn policy(options: &Options) -> TokenStream {
    let attempts = options.attempts.iter();
    let deadline = options.deadline.iter().map(|deadline| {
        let (seconds, nanoseconds) = (deadline.as_secs(), deadline.subsec_nanos());
        quote!(::core::time::Duration::new(#seconds, #nanoseconds))
    });
    let commit = options.commit.iter();
    quote! {
        ::aludel::RetryPolicy::new()
            #(.attempts(#attempts))*
            #(.deadline(#deadline))*
            #(.commit(::aludel::CommitPolicy::#commit))*
    }
}

fn answer(output: &ReturnType) -> Option<TokenStream> {
    match output {
        ReturnType::Type(_, ty) if !Mentions::of(ty).impl_trait => Some(quote!(#output)),
        // A closure's own return type cannot be `impl`; the function's tells the compiler.
        ReturnType::Type(..) | ReturnType::Default => None,
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
    let unused = |name: &Ident| name.to_string().starts_with('_');
    // An argument that is cloned in each attempt is consumed there; out here it is only looked at.
    let cloned = (!valid.options.clone.is_empty()).then(|| quote!(#[allow(clippy::needless_pass_by_value)]));
    // `_session`, which the body does not use, is passed on.
    let passed = unused(&valid.session.binding.ident) || valid.rebinds.iter().any(|rebind| unused(&rebind.name));
    let passed = passed.then(|| quote!(#[allow(clippy::used_underscore_binding)]));
    quote!(#cloned #passed)
}
