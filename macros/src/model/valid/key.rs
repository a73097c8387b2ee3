//! Which fields are the key, and who makes it.

use syn::Ident;

use super::Reference;
use crate::errors::{Errors, unknown};
use crate::model::ast::{Field, Input};
use crate::types;

/// The fields marked `key`, else Diesel's primary key, else `id`; in the order of the fields.
pub(in crate::model) fn find<'a>(
    input: &Input<'_>,
    fields: &[&'a Field<'a>],
    errors: &mut Errors,
) -> Vec<&'a Field<'a>> {
    let marked: Vec<_> = fields
        .iter()
        .copied()
        .filter(|field| field.options.key.is_some())
        .collect();
    let key = match &input.options.primary_key {
        Some(names) => {
            let named = named(names, fields, errors);
            check_agreement(&marked, &named, errors);
            if marked.is_empty() { named } else { marked }
        }
        None if marked.is_empty() => fields.iter().copied().filter(|field| field.ident == "id").collect(),
        None => marked,
    };
    if key.is_empty() && input.options.primary_key.is_none() {
        let message = "which field is the key? mark it `#[model(key)]`, or name its column on the struct with \
                       `#[diesel(primary_key(..))]`, or call it `id`";
        errors.at(input.ident, message);
    }
    for field in key.iter().filter(|field| types::is_option(field.ty)) {
        let message =
            "a key is never NULL; write the type without `Option` (0 in an integer key means \"not yet made\")";
        errors.at(field.ty, message);
    }
    key
}

/// The fields whose columns are `names`.
fn named<'a>(names: &[Ident], fields: &[&'a Field<'a>], errors: &mut Errors) -> Vec<&'a Field<'a>> {
    let columns: Vec<_> = fields.iter().map(|field| field.column().to_string()).collect();
    for name in names.iter().filter(|name| !columns.contains(&name.to_string())) {
        errors.at(name, unknown("column", &name.to_string(), &columns));
    }
    fields
        .iter()
        .copied()
        .filter(|field| names.contains(field.column()))
        .collect()
}

/// Diesel's `find` and ours must mean the same key.
fn check_agreement(marked: &[&Field<'_>], named: &[&Field<'_>], errors: &mut Errors) {
    let [first, ..] = marked else { return };
    let same = marked.len() == named.len()
        && marked
            .iter()
            .zip(named)
            .all(|(marked, named)| marked.ident == named.ident);
    if !named.is_empty() && !same {
        let message =
            "`#[model(key)]` names another key than `#[diesel(primary_key(..))]` does; let them agree, or keep one";
        errors.at(&first.options.key, message);
    }
}

/// `generated`, `assigned` and `default` stand on key fields, one of them, where they can be done.
pub(super) fn check_makers(fields: &[&Field<'_>], key: &[&Field<'_>], errors: &mut Errors) {
    for field in fields {
        let is_key = key.iter().any(|key| key.ident == field.ident);
        if is_key || key.is_empty() {
            check_maker(field, key.len(), errors);
            continue;
        }
        let makers = ["generated", "assigned", "default"];
        for maker in field
            .options
            .model
            .iter()
            .filter(|mark| makers.iter().any(|maker| mark == maker))
        {
            let message = if maker == "default" {
                "`default` makes a key, and this field is none; set the value where the object is made, write \
                 `server_default` for one that the database has, or add `key`"
                    .to_owned()
            } else {
                format!("`{maker}` says who makes the key, and this field is none; remove it, or add `key`")
            };
            errors.at(maker, message);
        }
    }
}

fn check_maker(field: &Field<'_>, keys: usize, errors: &mut Errors) {
    let options = &field.options;
    if let (Some(_), Some(assigned)) = (&options.generated, &options.assigned) {
        errors.at(
            assigned,
            "a key is either `generated` by the database or `assigned` by the client; keep one",
        );
    }
    if let (Some(_), Some(default)) = (&options.generated, &options.default) {
        let message = "a key is either `generated` by the database or made by the `default` of the client; keep one";
        errors.at(default, message);
    }
    if let (Some(_), Some(default)) = (&options.belongs_to, &options.default) {
        let message = "the parent's key is filled in where the object is written; remove `default`";
        errors.at(default, message);
    }
    if let (Some(generated), true) = (&options.generated, keys > 1) {
        errors.at(
            generated,
            "a key of several columns is made by the client for now; remove `generated`",
        );
    }
}

/// Whether the database makes the key: a single one, by default of an integer type and no foreign key.
pub(super) fn is_generated(key: &[&Field<'_>], references: &[Reference<'_>]) -> bool {
    let [single] = key else { return false };
    let options = &single.options;
    let is_foreign = references
        .iter()
        .flat_map(|reference| &reference.parts)
        .any(|part| part.field == single.ident);
    let by_client = options.assigned.is_some() || options.default.is_some();
    options.generated.is_some() || (types::is_integer(single.ty) && !by_client && !is_foreign)
}
