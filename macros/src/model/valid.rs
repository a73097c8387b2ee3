//! Checks the whole: which fields are the key, who makes it, which one is the version, and whose children there are.

mod key;
mod reference;

use syn::{Generics, Ident, Path, Type, Visibility};

use super::ast::{Field, Input};
use crate::errors::Errors;
use crate::types;

pub(super) use reference::{Part, Reference};

/// A struct that can be a model.
pub(super) struct Model<'a> {
    pub(super) ident: &'a Ident,
    pub(super) visibility: &'a Visibility,
    pub(super) table: &'a Path,
    /// The only backends that it is for, if the user names them.
    pub(super) backends: &'a [Path],
    /// Those of the key first, then the others in the order of the fields.
    pub(super) columns: Vec<Column<'a>>,
    /// How many of them are the key.
    pub(super) keys: usize,
    /// Whether the database makes the key.
    pub(super) generated: bool,
    /// Which of them is the version.
    pub(super) version: Option<usize>,
    pub(super) references: Vec<Reference<'a>>,
}

/// A field and its column.
#[derive(Clone, Copy)]
pub(super) struct Column<'a> {
    pub(super) field: &'a Ident,
    pub(super) ty: &'a Type,
    pub(super) name: &'a Ident,
}

impl<'a> Model<'a> {
    pub(super) fn key(&self) -> &[Column<'a>] {
        &self.columns[..self.keys]
    }
}

impl<'a> From<&'a Field<'a>> for Column<'a> {
    fn from(field: &'a Field<'a>) -> Self {
        Self {
            field: field.ident,
            ty: field.ty,
            name: field.column(),
        }
    }
}

/// Checks everything; answers something whenever there are fields and a table.
pub(super) fn check<'a>(input: &'a Input<'a>, errors: &mut Errors) -> Option<Model<'a>> {
    check_generics(input.generics, errors);
    let fields = input.fields.as_deref()?;
    if !input.options.table_seen {
        let message =
            "which table? name it: `#[diesel(table_name = accounts)]`; it is not guessed from the name of the struct";
        errors.at(input.ident, message);
    }
    if fields.is_empty() {
        errors.at(
            input.ident,
            "a model needs a field for each column that it maps, the key among them: `id: i32`",
        );
        return None;
    }
    check_columns(fields, errors);
    let key = key::find(input, fields, errors);
    key::check_makers(fields, &key, errors);
    let version = version(fields, &key, errors);
    let ordered = in_order(fields, &key);
    let position = |field: &Field<'_>| ordered.iter().position(|other| other.ident == field.ident);
    Some(Model {
        ident: input.ident,
        visibility: input.visibility,
        table: input.options.table.as_ref()?,
        backends: &input.options.backends,
        keys: key.len(),
        generated: key::is_generated(&key),
        version: version.and_then(position),
        references: reference::all(&ordered),
        columns: ordered.into_iter().map(Column::from).collect(),
    })
}

/// The key first.
fn in_order<'a>(fields: &'a [Field<'a>], key: &[&'a Field<'a>]) -> Vec<&'a Field<'a>> {
    let is_key = |field: &&Field<'_>| key.iter().any(|key| key.ident == field.ident);
    let others = fields.iter().filter(|field| !is_key(field));
    key.iter().copied().chain(others).collect()
}

fn check_generics(generics: &Generics, errors: &mut Errors) {
    if !generics.params.is_empty() {
        let message = "a model owns its values and has one table, so it cannot be generic; write the types out, and \
                       `String` for `&str`";
        errors.at(&generics.params, message);
    } else if let Some(clause) = &generics.where_clause {
        errors.at(clause, "a model cannot be generic; remove the `where` clause");
    }
}

fn check_columns(fields: &[Field<'_>], errors: &mut Errors) {
    for (index, field) in fields.iter().enumerate() {
        if let Some(first) = fields[..index].iter().find(|first| first.column() == field.column()) {
            let message = format!(
                "column `{}` is mapped by the field `{}` too; keep one",
                field.column(),
                first.ident
            );
            errors.at(field.column(), message);
        }
    }
}

fn version<'a>(fields: &'a [Field<'a>], key: &[&Field<'_>], errors: &mut Errors) -> Option<&'a Field<'a>> {
    let mut first: Option<&Field<'_>> = None;
    for field in fields {
        let Some(mark) = &field.options.version else { continue };
        match first {
            None => first = Some(field),
            Some(Field { ident, .. }) => {
                errors.at(
                    mark,
                    format!("a model has one version, and `{ident}` is it already; keep one"),
                );
            }
        }
        if key.iter().any(|key| key.ident == field.ident) {
            errors.at(
                mark,
                "a key does not change, and a version does with each UPDATE; mark another field `version`",
            );
        }
        if !types::is_integer(field.ty) {
            let message = "a version is counted up, so it is an integer (`i16` to `i64`, `u16` to `u64`, by these \
                           names); write `version: i32`";
            errors.at(field.ty, message);
        }
    }
    first
}
