//! The fields: columns, and structs of columns.

use syn::{Ident, Type};

use crate::errors::Errors;
use crate::model::ast::Field;
use crate::model::attr::FieldOptions;
use crate::types;

/// What a struct maps.
pub(in crate::model) struct Fields<'a> {
    pub(in crate::model) columns: Vec<Column<'a>>,
    /// Their columns come after all others.
    pub(in crate::model) embedded: Vec<Embed<'a>>,
}

/// A field and its column.
#[derive(Clone, Copy)]
pub(in crate::model) struct Column<'a> {
    pub(in crate::model) field: &'a Ident,
    pub(in crate::model) ty: &'a Type,
    pub(in crate::model) name: &'a Ident,
    pub(in crate::model) options: &'a FieldOptions,
}

/// A field that is a struct of columns.
#[derive(Clone, Copy)]
pub(in crate::model) struct Embed<'a> {
    pub(in crate::model) field: &'a Ident,
    pub(in crate::model) ty: &'a Type,
}

impl<'a> Fields<'a> {
    pub(super) fn new(columns: Vec<&'a Field<'a>>, all: &'a [Field<'a>]) -> Self {
        let embedded = all.iter().filter(|field| field.options.embed.is_some());
        Self {
            columns: columns.into_iter().map(Column::from).collect(),
            embedded: embedded
                .map(|Field { ident, ty, .. }| Embed { field: ident, ty })
                .collect(),
        }
    }
}

impl<'a> From<&'a Field<'a>> for Column<'a> {
    fn from(field: &'a Field<'a>) -> Self {
        Self {
            field: field.ident,
            ty: field.ty,
            name: field.column(),
            options: &field.options,
        }
    }
}

/// The fields that are columns themselves.
pub(super) fn columns<'a>(fields: &'a [Field<'a>]) -> Vec<&'a Field<'a>> {
    fields.iter().filter(|field| field.options.embed.is_none()).collect()
}

/// No column is mapped twice.
pub(super) fn check_columns(fields: &[Field<'_>], errors: &mut Errors) {
    let columns = columns(fields);
    for (index, field) in columns.iter().enumerate() {
        if let Some(first) = columns[..index].iter().find(|first| first.column() == field.column()) {
            let message = format!(
                "column `{}` is mapped by the field `{}` too; keep one",
                field.column(),
                first.ident
            );
            errors.at(field.column(), message);
        }
    }
}

/// An embedded struct is there as a whole, and says for itself what its columns are.
pub(super) fn check_embedded(fields: &[Field<'_>], errors: &mut Errors) {
    for field in fields.iter().filter(|field| field.options.embed.is_some()) {
        for key in &field.options.model {
            let message = format!(
                "`{key}` is said of a column, and `{}` is a struct of columns; write it on a field of that struct, or \
                 the column as a field here",
                field.ident
            );
            errors.at(key, message);
        }
        if types::is_option(field.ty) {
            let message = "an embedded struct is always there; write the type without `Option`, and `Option` around the \
                           types of those of its fields that can be NULL";
            errors.at(field.ty, message);
        }
    }
}
