//! Checks the function: what kind it is, what it runs on, what it answers.

pub(crate) mod answer;
pub(crate) mod session;

use syn::Attribute;

use super::Macro;
use super::ast::Function;
use crate::errors::Errors;

/// It is a plain function, and under one macro of ours only.
pub(crate) fn check_kind(function: &Function, errors: &mut Errors) {
    let signature = &function.signature;
    if let Some(asyncness) = &signature.asyncness {
        let message = "an `async fn` cannot be a transaction: a database connection blocks, and a dropped future would \
                       leave the transaction open; remove `async` and call the function on a blocking thread";
        errors.at(asyncness, message);
    }
    if let Some(constness) = &signature.constness {
        errors.at(constness, "a `const fn` cannot talk to a database; remove `const`");
    }
    if let Some(abi) = &signature.abi {
        let message = "a `Result` cannot be passed to another language; remove `extern`, and call this function from \
                       one that has it";
        errors.at(abi, message);
    }
    if let Some(variadic) = &signature.variadic {
        errors.at(
            variadic,
            "arguments without a type cannot be passed to the body; take a slice",
        );
    }
    for attribute in &function.attributes {
        if let Some(other) = ours(attribute) {
            errors.at(attribute, two_macros(function.wanted, other));
        }
    }
}

/// Which macro of ours an attribute is.
pub(crate) fn ours(attribute: &Attribute) -> Option<Macro> {
    let mut segments = attribute.path().segments.iter().rev();
    let name = &segments.next()?.ident;
    if segments.next().is_some_and(|segment| segment.ident != "aludel") {
        return None;
    }
    [Macro::Retry, Macro::Transactional]
        .into_iter()
        .find(|known| name == known.name())
}

fn two_macros(one: Macro, other: Macro) -> String {
    if one == other {
        return format!("`{one}` is on this function twice; keep one, with the arguments of both");
    }
    "`#[retry]` is a transaction already, and `#[transactional]` is one that is not run again; keep `#[retry]` where the \
     body may run twice, else `#[transactional]`"
        .to_owned()
}
