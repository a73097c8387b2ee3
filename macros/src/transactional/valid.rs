//! Checks the function. Its body runs once, so its arguments may be moved and changed as in any other.

use super::attr::Options;
use crate::errors::Errors;
use crate::function::ast::Function;
use crate::function::valid::session::{self, Session};
use crate::function::valid::{self, answer};

/// A function whose body can be a transaction.
pub(super) struct Valid<'a> {
    pub(super) function: &'a Function,
    pub(super) options: &'a Options,
    pub(super) session: Session<'a>,
}

/// Checks everything; answers something whenever it is known what the function runs on.
pub(super) fn check<'a>(function: &'a Function, options: &'a Options, errors: &mut Errors) -> Option<Valid<'a>> {
    valid::check_kind(function, errors);
    let session = session::find(function, &options.common, &[], errors);
    answer::check(function, session.as_ref(), errors);
    Some(Valid {
        function,
        options,
        session: session?,
    })
}
