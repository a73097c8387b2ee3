//! Checks the return type, as far as its name tells; an alias speaks through the bounds of `aludel::plumbing`.

use syn::{FnArg, ReturnType, Type};

use super::session::{Parameter, Session};
use crate::errors::Errors;
use crate::function::Macro;
use crate::function::ast::Function;
use crate::types::{self, Mentions};

/// Types of the prelude that are no `Result`, whatever the program calls its own.
const NO_RESULT: [&str; 22] = [
    "bool", "char", "str", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128",
    "usize", "Box", "Option", "String", "Vec", "Self",
];

/// The function answers a `Result` that does not borrow from the session.
pub(crate) fn check(function: &Function, session: Option<&Session<'_>>, errors: &mut Errors) {
    let why = why(function.wanted);
    let ReturnType::Type(_, ty) = &function.signature.output else {
        errors.at(
            &function.signature.ident,
            format!("{why}; write `-> aludel::Result<()>`"),
        );
        return;
    };
    if let Type::Never(_) = types::peel(ty) {
        errors.at(ty, format!("{why}; write `-> aludel::Result<()>`"));
    } else if is_no_result(ty) {
        errors.at(ty, format!("{why}; write `-> aludel::Result<{}>`", types::pretty(ty)));
    } else if let Some(Session::Parameter(session)) = session
        && borrows(function, ty, session)
    {
        let until = match function.wanted {
            Macro::Retry => "each attempt has only until it ends",
            Macro::Transactional => "the body has only until it ends",
        };
        let message = format!(
            "the answer borrows from the session, which {until}; answer an owned value, a clone or an `Entity`"
        );
        errors.at(ty, message);
    }
}

fn why(wanted: Macro) -> &'static str {
    match wanted {
        Macro::Retry => "a rerun is decided by the error, so a `#[retry]` function answers a `Result`",
        Macro::Transactional => "COMMIT can fail, so a `#[transactional]` function answers a `Result`",
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
