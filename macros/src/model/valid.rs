//! Checks the whole: which fields are the key, who makes it, who writes the other columns, and whose children there are.

mod children;
mod fields;
pub(super) mod key;
mod reference;
mod role;

use syn::{Generics, Ident, Path, Visibility};

use super::ast::{Field, Input};
use crate::errors::Errors;

pub(super) use children::Children;
pub(super) use fields::{Column, Embed, Fields};
pub(super) use reference::{Part, Reference, constant, constant_of};

/// A struct that can be a model.
pub(super) struct Model<'a> {
    pub(super) ident: &'a Ident,
    pub(super) visibility: &'a Visibility,
    pub(super) table: &'a Path,
    /// The only backends that it is for, if the user names them.
    pub(super) backends: &'a [Path],
    /// The columns of the key come first.
    pub(super) fields: Fields<'a>,
    /// How many of them are the key.
    pub(super) keys: usize,
    /// Whether the database makes the key.
    pub(super) generated: bool,
    pub(super) references: Vec<Reference<'a>>,
    pub(super) children: Vec<Children<'a>>,
}

/// A struct whose fields are columns of the model that embeds it.
pub(super) struct Embedded<'a> {
    pub(super) ident: &'a Ident,
    pub(super) table: &'a Path,
    pub(super) backends: &'a [Path],
    pub(super) fields: Fields<'a>,
}

impl<'a> Model<'a> {
    pub(super) fn key(&self) -> &[Column<'a>] {
        &self.fields.columns[..self.keys]
    }

    /// The number of the first column that is marked so.
    pub(super) fn position(&self, is_marked: impl Fn(&Column<'_>) -> bool) -> Option<usize> {
        self.fields.columns.iter().position(is_marked)
    }

    pub(super) fn version(&self) -> Option<usize> {
        self.position(|column| column.options.version.is_some())
    }

    pub(super) fn soft_delete(&self) -> Option<usize> {
        self.position(|column| column.options.soft_delete.is_some())
    }
}

/// Checks everything; answers something whenever there are fields and a table.
pub(super) fn check<'a>(input: &'a Input<'a>, errors: &mut Errors) -> Option<Model<'a>> {
    let fields = check_struct(input, "a model", errors)?;
    let columns = fields::columns(fields);
    if columns.is_empty() {
        errors.at(
            input.ident,
            "a model needs a field for each column that it maps, the key among them: `id: i32`",
        );
        return None;
    }
    let key = key::find(input, &columns, errors);
    key::check_makers(&columns, &key, errors);
    role::check(&columns, &key, errors);
    fields::check_embedded(fields, errors);
    let ordered = in_order(&columns, &key);
    let references = reference::all(input, &ordered, errors);
    Some(Model {
        ident: input.ident,
        visibility: input.visibility,
        table: input.options.table.as_ref()?,
        backends: &input.options.backends,
        keys: key.len(),
        generated: key::is_generated(&key, &references),
        references,
        children: children::all(input, errors),
        fields: Fields::new(ordered, fields),
    })
}

/// Checks a struct that is embedded.
pub(super) fn check_embedded<'a>(input: &'a Input<'a>, errors: &mut Errors) -> Option<Embedded<'a>> {
    let fields = check_struct(input, "an embedded struct", errors)?;
    if let Some(key) = &input.options.model {
        let message = format!("`{key}` is said by the model that embeds this struct; move it there");
        errors.at(key, message);
    }
    let columns = fields::columns(fields);
    role::check(&columns, &[], errors);
    role::check_embeddable(&columns, errors);
    fields::check_embedded(fields, errors);
    Some(Embedded {
        ident: input.ident,
        table: input.options.table.as_ref()?,
        backends: &input.options.backends,
        fields: Fields::new(columns, fields),
    })
}

/// What a model and an embedded struct have in common; its fields.
fn check_struct<'a>(input: &'a Input<'a>, what: &str, errors: &mut Errors) -> Option<&'a [Field<'a>]> {
    check_generics(input.generics, what, errors);
    let fields = input.fields.as_deref()?;
    if !input.options.table_seen {
        let message =
            "which table? name it: `#[diesel(table_name = accounts)]`; it is not guessed from the name of the struct";
        errors.at(input.ident, message);
    }
    fields::check_columns(fields, errors);
    Some(fields)
}

/// The key first.
fn in_order<'a>(columns: &[&'a Field<'a>], key: &[&'a Field<'a>]) -> Vec<&'a Field<'a>> {
    let is_key = |field: &&Field<'_>| key.iter().any(|key| key.ident == field.ident);
    let others = columns.iter().copied().filter(|field| !is_key(field));
    key.iter().copied().chain(others).collect()
}

fn check_generics(generics: &Generics, what: &str, errors: &mut Errors) {
    if !generics.params.is_empty() {
        let message = format!(
            "{what} owns its values and has one table, so it cannot be generic; write the types out, and `String` for \
             `&str`"
        );
        errors.at(&generics.params, message);
    } else if let Some(clause) = &generics.where_clause {
        errors.at(clause, format!("{what} cannot be generic; remove the `where` clause"));
    }
}
