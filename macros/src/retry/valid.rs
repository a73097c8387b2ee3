//! Checks that the function can be run again, and decides what each attempt gets.

use syn::{Attribute, Ident, Pat, PatIdent, Receiver, Token, Type};

use super::attr::Options;
use crate::errors::{Errors, unknown};
use crate::function::ast::{Function, bindings};
use crate::function::valid::session::{self, Session};
use crate::function::valid::{self, answer};
use crate::types::Mentions;

/// A function that can be run again.
pub(super) struct Valid<'a> {
    pub(super) function: &'a Function,
    pub(super) options: &'a Options,
    pub(super) session: Session<'a>,
    pub(super) rebinds: Vec<Rebind>,
}

/// A `let` at the beginning of each attempt.
pub(super) struct Rebind {
    /// `#[cfg(..)]` of the parameter.
    pub(super) conditions: Vec<Attribute>,
    pub(super) mutability: Option<Token![mut]>,
    pub(super) name: Ident,
    pub(super) clone: bool,
}

/// Checks everything; answers something whenever it is known what the function runs on.
pub(super) fn check<'a>(function: &'a Function, options: &'a Options, errors: &mut Errors) -> Option<Valid<'a>> {
    valid::check_kind(function, errors);
    let said: Vec<_> = options.clone.iter().chain(&options.rerun_sees).collect();
    let session = session::find(function, &options.common, &said, errors);
    answer::check(function, session.as_ref(), errors);
    check_names(function, options, session.as_ref(), errors);
    check_receiver(function, options, errors);
    // What was meant as the session would look like a `&mut` beside it.
    let session = session?;
    check_exclusive(function, options, &session, errors);
    let rebinds = rebinds(function, options, &session);
    Some(Valid {
        function,
        options,
        session,
        rebinds,
    })
}

/// Every name in `clone(..)` and `rerun_sees(..)` is that of a parameter for which it can be done.
fn check_names(function: &Function, options: &Options, session: Option<&Session<'_>>, errors: &mut Errors) {
    let receiver = function.signature.receiver();
    let bound: Vec<_> = function
        .parameters()
        .flat_map(|parameter| bindings(&parameter.pat))
        .collect();
    let known: Vec<_> = bound.iter().map(|binding| binding.ident.to_string()).collect();
    for name in options.clone.iter().chain(&options.rerun_sees) {
        if session.is_some_and(|session| session.is(name)) {
            errors.at(name, "the session is lent to each attempt by itself; remove it here");
        } else if name == "self" && receiver.is_some() {
            if options.clone.contains(name) {
                errors.at(
                    name,
                    "`self` cannot be bound anew; begin the body with `let this = self.clone();` instead",
                );
            }
        } else if !bound.iter().any(|binding| binding.ident == *name) {
            errors.at(name, unknown("parameter", &name.to_string(), &known));
        }
    }
}

fn check_receiver(function: &Function, options: &Options, errors: &mut Errors) {
    let Some(receiver) = function.signature.receiver() else {
        return;
    };
    if options.rerun_sees.iter().any(|name| name == "self") {
        return;
    }
    if Mentions::of(&receiver.ty).exclusive {
        let message = "a rerun would find `self` as the attempt before left it; take `&self`, or say that this is \
                       fine: `#[retry(rerun_sees(self))]`";
        errors.at(receiver, message);
    } else if let Receiver {
        mutability: Some(_),
        reference: None,
        ..
    } = receiver
    {
        let message = "`self` cannot be bound anew in each attempt; take `&self` and begin the body with \
                       `let mut this = self.clone();`";
        errors.at(receiver, message);
    }
}

/// What a `&mut` points at is changed by an attempt that failed; only the writer of the function can allow that.
fn check_exclusive(function: &Function, options: &Options, session: &Session<'_>, errors: &mut Errors) {
    for parameter in function.parameters() {
        for binding in exclusive(&parameter.pat, &parameter.ty) {
            let name = &binding.ident;
            if session.is(name) || options.rerun_sees.contains(name) {
                continue;
            }
            if options.clone.contains(name) {
                let message = format!(
                    "`{name}` is `&mut`, and what is written to a clone would be lost; take it by value, or write \
                     `rerun_sees({name})`"
                );
                errors.at(name, message);
            } else {
                let or_session = match session {
                    Session::Ambient(None) => {
                        format!("; if it is the session, say that: `#[retry(session = {name})]`")
                    }
                    Session::Ambient(Some(_)) | Session::Parameter(_) => String::new(),
                };
                let message = format!(
                    "a rerun would find `{name}` as the attempt before left it; return the change instead, or say that \
                     this is fine: `#[retry(rerun_sees({name}))]`{or_session}"
                );
                errors.at(parameter, message);
            }
        }
    }
}

/// The bindings through which a body can change what belongs to the caller, or to the parameter itself (`ref mut`).
fn exclusive(pattern: &Pat, ty: &Type) -> Vec<PatIdent> {
    match (pattern, ty) {
        (Pat::Tuple(patterns), Type::Tuple(types)) if patterns.elems.len() == types.elems.len() => patterns
            .elems
            .iter()
            .zip(&types.elems)
            .flat_map(|(pattern, ty)| exclusive(pattern, ty))
            .collect(),
        _ => {
            let all = Mentions::of(ty).exclusive;
            let exclusive = |binding: &PatIdent| all || (binding.by_ref.is_some() && binding.mutability.is_some());
            bindings(pattern).into_iter().filter(exclusive).collect()
        }
    }
}

/// Each `mut` by-value binding and each clone, unless a rerun is to see what the attempt before left.
fn rebinds(function: &Function, options: &Options, session: &Session<'_>) -> Vec<Rebind> {
    let mut rebinds = Vec::new();
    for parameter in function.parameters() {
        for binding in bindings(&parameter.pat) {
            let clone = options.clone.contains(&binding.ident);
            let anew = binding.mutability.is_some() && binding.by_ref.is_none();
            let kept = session.is(&binding.ident) || options.rerun_sees.contains(&binding.ident);
            if (clone || anew) && !kept {
                let conditions = parameter
                    .attrs
                    .iter()
                    .filter(|attribute| attribute.path().is_ident("cfg"));
                rebinds.push(Rebind {
                    conditions: conditions.cloned().collect(),
                    mutability: binding.mutability.filter(|_| anew),
                    name: binding.ident,
                    clone,
                });
            }
        }
    }
    rebinds
}
