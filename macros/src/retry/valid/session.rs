//! Finds the parameter that is the session.

use syn::{Ident, Pat, PatIdent, PatType, Type, TypeReference};

use crate::errors::{Errors, unknown};
use crate::retry::ast::{Function, bindings};
use crate::types::{self, Mentions};

/// The session parameter.
pub(in crate::retry) struct Parameter {
    /// Its name as written, with `mut` if it was there.
    pub(in crate::retry) binding: PatIdent,
    pub(in crate::retry) reference: TypeReference,
}

impl Parameter {
    /// The type that each attempt's session can be given in writing: without the lifetime, which is a new one in each
    /// attempt. None where the language allows no `impl`.
    pub(in crate::retry) fn ty(&self) -> Option<TypeReference> {
        let reference = TypeReference {
            lifetime: None,
            ..self.reference.clone()
        };
        (!Mentions::of(&self.reference.elem).impl_trait).then_some(reference)
    }
}

/// The parameter called `named`, else the first `&mut Session<..>`.
pub(in crate::retry) fn find(function: &Function, named: Option<&Ident>, errors: &mut Errors) -> Option<Parameter> {
    let parameter = match named {
        Some(named) => by_name(function, named, errors)?,
        None => by_type(function, errors)?,
    };
    let Some(reference) = exclusive(&parameter.ty) else {
        errors.at(
            &parameter.ty,
            format!(
                "the session is borrowed for the call; take it as `&mut {}`",
                owned(&parameter.ty)
            ),
        );
        return None;
    };
    match &*parameter.pat {
        Pat::Ident(binding) if binding.by_ref.is_none() && binding.subpat.is_none() => Some(Parameter {
            binding: binding.clone(),
            reference: reference.clone(),
        }),
        pattern => {
            errors.at(pattern, "the session needs a plain name, such as `session`");
            None
        }
    }
}

fn by_name<'a>(function: &'a Function, named: &Ident, errors: &mut Errors) -> Option<&'a PatType> {
    let found = function
        .parameters()
        .find(|parameter| bindings(&parameter.pat).iter().any(|binding| binding.ident == *named));
    if found.is_none() {
        let known: Vec<_> = function
            .parameters()
            .flat_map(|parameter| bindings(&parameter.pat))
            .collect();
        let known: Vec<_> = known.iter().map(|binding| binding.ident.to_string()).collect();
        errors.at(named, unknown("parameter", &named.to_string(), &known));
    }
    found
}

/// The first `&mut Session<..>`; if there is none, the first that may have been meant as one.
fn by_type<'a>(function: &'a Function, errors: &mut Errors) -> Option<&'a PatType> {
    let is_session = |ty: &Type| types::last_segment(ty).is_some_and(|name| name == "Session");
    let lent = |parameter: &&PatType| exclusive(&parameter.ty).is_some_and(|reference| is_session(&reference.elem));
    let meant = |parameter: &&PatType| match types::peel(&parameter.ty) {
        Type::Reference(reference) => is_session(&reference.elem),
        ty => is_session(ty),
    };
    let found = function
        .parameters()
        .find(lent)
        .or_else(|| function.parameters().find(meant));
    if found.is_none() {
        let message = "`#[retry]` runs on a session; take `session: &mut Session<..>` as a parameter, or name the one \
                       whose type is written in another way: `#[retry(session = name)]`";
        errors.at(&function.signature.ident, message);
    }
    found
}

fn exclusive(ty: &Type) -> Option<&TypeReference> {
    match types::peel(ty) {
        Type::Reference(reference) if reference.mutability.is_some() => Some(reference),
        _ => None,
    }
}

/// `Session<C>` of `&Session<C>`.
fn owned(ty: &Type) -> String {
    match types::peel(ty) {
        Type::Reference(reference) => types::pretty(&reference.elem),
        ty => types::pretty(ty),
    }
}
