//! Foreign keys: fields marked `belongs_to`, and those that the struct names.

use proc_macro2::Span;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Ident, Path, Type};

use crate::errors::{Errors, unknown};
use crate::model::ast::{Field, Input};
use crate::model::attr::BelongsTo;
use crate::types;

/// A foreign key.
pub(in crate::model) struct Reference<'a> {
    /// Of the constant.
    pub(in crate::model) name: Ident,
    pub(in crate::model) parent: &'a Path,
    /// Its fields, in the order of the parent's key.
    pub(in crate::model) parts: Vec<Part<'a>>,
    /// There is no other one to this parent.
    pub(in crate::model) only: bool,
}

/// A field of a foreign key.
pub(in crate::model) struct Part<'a> {
    pub(in crate::model) field: &'a Ident,
    pub(in crate::model) ty: &'a Type,
    /// The number of its column.
    pub(in crate::model) column: usize,
    pub(in crate::model) nullable: bool,
}

/// Those of the struct and of its fields, which stand in the order of their columns.
pub(super) fn all<'a>(input: &'a Input<'_>, fields: &[&'a Field<'a>], errors: &mut Errors) -> Vec<Reference<'a>> {
    let single = fields.iter().enumerate().filter_map(|(column, field)| {
        Some(Reference {
            name: constant(field.ident),
            parent: field.options.belongs_to.as_ref()?,
            parts: vec![part(column, field)],
            only: true,
        })
    });
    let mut references: Vec<_> = single.collect();
    for belongs_to in &input.options.belongs_to {
        references.push(of_struct(belongs_to, fields, errors));
    }
    check_names(&references, errors);
    let parents: Vec<_> = references.iter().map(|reference| text(reference.parent)).collect();
    for reference in &mut references {
        let parent = text(reference.parent);
        reference.only = parents.iter().filter(|other| **other == parent).count() == 1;
    }
    references
}

fn of_struct<'a>(belongs_to: &'a BelongsTo, fields: &[&'a Field<'a>], errors: &mut Errors) -> Reference<'a> {
    let mut parts: Vec<Part<'a>> = Vec::new();
    for name in &belongs_to.fields {
        let found = fields.iter().enumerate().find(|(_, field)| field.ident == name);
        let Some((column, field)) = found else {
            let known: Vec<_> = fields.iter().map(|field| field.ident.to_string()).collect();
            errors.at(name, unknown("field", &name.to_string(), &known));
            continue;
        };
        if parts.iter().any(|part| part.field == name) {
            errors.at(
                name,
                format!("`{name}` is named twice; name each column of the foreign key once"),
            );
        }
        parts.push(part(column, field));
    }
    Reference {
        name: constant_of(belongs_to),
        parent: &belongs_to.parent,
        parts,
        only: true,
    }
}

/// What the struct says, else `STOCK_EXCHANGE` for `StockExchange`.
pub(in crate::model) fn constant_of(belongs_to: &BelongsTo) -> Ident {
    if let Some(name) = &belongs_to.name {
        return name.clone();
    }
    let last = belongs_to
        .parent
        .segments
        .last()
        .expect("a path that was written has a part");
    capitals(&snake(&last.ident.unraw().to_string()), last.ident.span())
}

fn part<'a>(column: usize, field: &'a Field<'a>) -> Part<'a> {
    Part {
        field: field.ident,
        ty: field.ty,
        column,
        nullable: types::is_option(field.ty),
    }
}

/// Each constant is there once.
fn check_names(references: &[Reference<'_>], errors: &mut Errors) {
    for (index, reference) in references.iter().enumerate() {
        if references[..index].iter().any(|other| other.name == reference.name) {
            let message = format!(
                "there is another foreign key `{}` already; give this one a name of its own on the struct: \
                 `belongs_to({}, foreign_key(..), name = ..)`",
                reference.name,
                types::pretty(reference.parent),
            );
            errors.at(reference.parent, message);
        }
    }
}

/// `AUTHOR_ID` for `author_id`, at its place.
pub(in crate::model) fn constant(field: &Ident) -> Ident {
    capitals(&field.unraw().to_string(), field.span())
}

fn capitals(name: &str, place: Span) -> Ident {
    Ident::new(&name.to_uppercase(), Span::call_site().located_at(place))
}

/// `stock_exchange` for `StockExchange`
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

fn text(path: &Path) -> String {
    path.to_token_stream().to_string()
}
