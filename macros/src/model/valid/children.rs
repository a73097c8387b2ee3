//! What is said of children: `has_many`.

use quote::ToTokens as _;

use crate::errors::Errors;
use crate::model::ast::Input;
use crate::model::attr::{HasMany, OnDelete};

/// Children whom a deletion concerns.
pub(in crate::model) type Children<'a> = &'a HasMany;

/// Those that the unit of work sees to.
pub(super) fn all<'a>(input: &'a Input<'_>, errors: &mut Errors) -> Vec<Children<'a>> {
    let all = &input.options.has_many;
    for (index, has_many) in all.iter().enumerate() {
        if all[..index].iter().any(|other| is_same(other, has_many)) {
            let message = "these children are named already; keep one, or name the other foreign key: \
                           `foreign_key = EDITOR_ID`";
            errors.at(&has_many.child, message);
        }
    }
    let concerned = |has_many: &&HasMany| !matches!(has_many.on_delete, OnDelete::Database);
    all.iter().filter(concerned).collect()
}

fn is_same(one: &HasMany, other: &HasMany) -> bool {
    let text = |has_many: &HasMany| has_many.child.to_token_stream().to_string();
    text(one) == text(other) && one.foreign_key == other.foreign_key
}
