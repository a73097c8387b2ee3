//! Writes the function: the signature as it was, and around the body one call of the runtime.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Expr, ExprReference, Ident, PatIdent, ReturnType, Signature, Token};

use super::ast::Function;
use super::attr::{Ambient, By, Common};
use super::valid::session::Session;
use crate::types::Mentions;

/// What is written around a function.
pub(crate) struct Wrapped<'a> {
    pub(crate) function: &'a Function,
    /// As it stands in front of the call.
    pub(crate) signature: Signature,
    pub(crate) session: &'a Session<'a>,
    /// What makes the idempotency key.
    pub(crate) once: Option<&'a Expr>,
    /// What the runtime borrows as the policy.
    pub(crate) policy: TokenStream,
    /// The body of the closure.
    pub(crate) body: TokenStream,
    /// `#[allow(..)]` for what clippy would say of the call around the body, and not of what the user wrote.
    pub(crate) lints: Option<TokenStream>,
}

/// The function as it is compiled.
pub(crate) fn function(wrapped: &Wrapped<'_>) -> TokenStream {
    let Wrapped {
        function,
        signature,
        policy,
        lints,
        ..
    } = wrapped;
    let (attributes, visibility, inner) = (&function.attributes, &function.visibility, &function.inner_attributes);
    let name = signature.ident.unraw().to_string();
    let runner = runner(wrapped);
    let session = session(wrapped.session);
    let once = wrapped.once.map(once);
    let closure = closure(wrapped);
    quote! {
        #(#attributes)*
        #lints
        #visibility #signature {
            #(#inner)*
            #runner(#session, #policy, #name, #once #closure)
        }
    }
}

/// What all policies can say.
pub(crate) fn characteristics(common: &Common) -> TokenStream {
    let isolation = common.characteristics.isolation.iter();
    let read_only = common.characteristics.read_only.then(|| quote!(.read_only()));
    let deferrable = common.characteristics.deferrable.then(|| quote!(.deferrable()));
    quote! {
        #(.isolation_level(::aludel::IsolationLevel::#isolation))*
        #read_only
        #deferrable
    }
}

/// `_session`, which the body does not use, is passed on all the same, and so is what is bound anew.
pub(crate) fn lints<'a>(session: &'a Session<'_>, rebound: impl IntoIterator<Item = &'a Ident>) -> Option<TokenStream> {
    let session = match session {
        Session::Parameter(session) => Some(&session.binding.ident),
        Session::Ambient(_) => None,
    };
    let passed = session
        .into_iter()
        .chain(rebound)
        .any(|name| name.to_string().starts_with('_'));
    passed.then(|| quote!(#[allow(clippy::used_underscore_binding)]))
}

/// `aludel::plumbing::retry` and its like. The bound on the error type is reported at the return type.
fn runner(wrapped: &Wrapped<'_>) -> TokenStream {
    let answer = match &wrapped.signature.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => Span::call_site(),
    };
    let name = wrapped.function.wanted.name();
    let span = Span::mixed_site().located_at(answer);
    let once = if wrapped.once.is_some() { "_once" } else { "" };
    let ambient = match wrapped.session {
        Session::Parameter(_) => "",
        Session::Ambient(_) => "_ambient",
    };
    let runner = format_ident!("{name}{once}{ambient}", span = span);
    quote_spanned!(span=> ::aludel::plumbing::#runner)
}

/// The key, made once a call and before the body, which may move what it is made of.
fn once(key: &Expr) -> TokenStream {
    let borrowed = borrowed(key);
    quote_spanned!(key.span()=> ::aludel::plumbing::once_key(#borrowed),)
}

/// `&key`; syn writes the parentheses that an operator in it would need.
pub(crate) fn borrowed(expression: &Expr) -> ExprReference {
    ExprReference {
        attrs: Vec::new(),
        and_token: Token![&](expression.span()),
        mutability: None,
        expr: Box::new(expression.clone()),
    }
}

fn session(session: &Session<'_>) -> TokenStream {
    let ambient = match session {
        Session::Parameter(parameter) => {
            let name = &parameter.binding.ident;
            return quote!(#name);
        }
        Session::Ambient(ambient) => ambient,
    };
    match ambient {
        None => quote!(::aludel::plumbing::Ambient::innermost()),
        Some(Ambient { by: By::Name(name), .. }) => quote!(::aludel::plumbing::Ambient::named(#name)),
        Some(Ambient {
            by: By::Connection(ty), ..
        }) => quote!(::aludel::plumbing::Ambient::of::<#ty>()),
    }
}

/// As if the user had written it, at the place of the body: what is moved out of it is then called by name.
fn closure(wrapped: &Wrapped<'_>) -> TokenStream {
    let (body, answer) = (&wrapped.body, answer(&wrapped.signature.output));
    let span = wrapped.function.body.span();
    let Session::Parameter(parameter) = wrapped.session else {
        return quote_spanned!(span=> || #answer #body);
    };
    let PatIdent { mutability, ident, .. } = &parameter.binding;
    let ty = parameter.ty().map(|ty| quote!(: #ty));
    quote_spanned!(span=> |#mutability #ident #ty| #answer #body)
}

fn answer(output: &ReturnType) -> Option<TokenStream> {
    match output {
        ReturnType::Type(_, ty) if !Mentions::of(ty).impl_trait => Some(quote!(#output)),
        // A closure's own return type cannot be `impl`; the function's tells the compiler.
        ReturnType::Type(..) | ReturnType::Default => None,
    }
}
