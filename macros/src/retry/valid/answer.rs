//! Checks the return type, as far as its name tells; an alias speaks through the bound on `aludel::plumbing::retry`.

use syn::{FnArg, ReturnType, Type};

use super::session::Parameter;
use crate::errors::Errors;
use crate::retry::ast::Function;
use crate::types::{self, Mentions};

/// Types of the prelude that are no `Result`, whatever the program calls its own.
const NO_RESULT: [&str; 22] = [
    "bool", "char", "str", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128",
    "usize", "Box", "Option", "String", "Vec", "Self",
];

/// The function answers a `Result` that does not borrow from the session.
pub(super) fn check(function: &Function, session: Option<&Parameter>, errors: &mut Errors) {
    const WHY: &str = "a rerun is decided by the error, so a `#[retry]` function answers a `Result`";
    let ReturnType::Type(_, ty) = &function.signature.output else {
        errors.at(
            &function.signature.ident,
            format!("{WHY}; write `-> aludel::Result<()>`"),
        );
        return;
    };
    if let Type::Never(_) = types::peel(ty) {
        errors.at(ty, format!("{WHY}; write `-> aludel::Result<()>`"));
    } else if is_no_result(ty) {
        errors.at(ty, format!("{WHY}; write `-> aludel::Result<{}>`", types::pretty(ty)));
    } else if session.is_some_and(|session| borrows(function, ty, session)) {
        let message = "the answer borrows from the session, which each attempt has only until it ends; answer an owned \
                       value, a clone or an `Entity`";
        errors.at(ty, message);
    }
}

fn is_no_result(ty: &Type) -> bool {
    match types::peel(ty) {
        Type::Path(_) => types::last_segment(ty).is_some_and(|name| NO_RESULT.iter().any(|other| name == other)),
        Type::Macro(_) | Type::Infer(_) | Type::Verbatim(_) => false,
        _ => true,
    }
}

/// Whether a lifetime in the return type can only be that of the session.
fn borrows(function: &Function, answer: &Type, session: &Parameter) -> bool {
    let answer = Mentions::of(answer);
    let receiver = function.signature.receiver().map(|receiver| Mentions::of(&receiver.ty));
    if answer.elided {
        // Elision means `self` if that is borrowed, else the only borrowed parameter; and the session is one.
        return !receiver.is_some_and(|receiver| receiver.elided || !receiver.lifetimes.is_empty());
    }
    let Some(lifetime) = session
        .reference
        .lifetime
        .as_ref()
        .filter(|lifetime| answer.lifetimes.contains(lifetime))
    else {
        return false;
    };
    let inputs = function.signature.inputs.iter().map(|input| match input {
        FnArg::Receiver(receiver) => Mentions::of(&receiver.ty),
        FnArg::Typed(parameter) => Mentions::of(&parameter.ty),
    });
    // One is the session itself.
    inputs.filter(|input| input.lifetimes.contains(lifetime)).count() == 1
}
