//! Reads the struct and the attributes on it and on its fields.

use syn::{Data, DeriveInput, Fields, Generics, Ident, Type, Visibility};

use super::attr::{FieldOptions, StructOptions};
use crate::errors::Errors;

/// The struct as it is written.
pub(super) struct Input<'a> {
    pub(super) ident: &'a Ident,
    pub(super) visibility: &'a Visibility,
    pub(super) generics: &'a Generics,
    pub(super) options: StructOptions,
    /// None when it is not a struct with named fields.
    pub(super) fields: Option<Vec<Field<'a>>>,
}

/// A named field.
pub(super) struct Field<'a> {
    pub(super) ident: &'a Ident,
    pub(super) ty: &'a Type,
    pub(super) options: FieldOptions,
}

impl Field<'_> {
    /// The name of its column: what `#[diesel(column_name = ..)]` says, else its own.
    pub(super) fn column(&self) -> &Ident {
        self.options.column.as_ref().unwrap_or(self.ident)
    }
}

/// Reads everything that can be read, for `#[derive(..)]` of this name.
pub(super) fn read<'a>(input: &'a DeriveInput, derive: &str, errors: &mut Errors) -> Input<'a> {
    Input {
        ident: &input.ident,
        visibility: &input.vis,
        generics: &input.generics,
        options: StructOptions::read(&input.attrs, errors),
        fields: fields(input, derive, errors),
    }
}

fn fields<'a>(input: &'a DeriveInput, derive: &str, errors: &mut Errors) -> Option<Vec<Field<'a>>> {
    let what = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => return Some(fields.named.iter().map(|field| read_field(field, errors)).collect()),
            Fields::Unnamed(_) => "a tuple struct has no names for them; write `struct S { id: i32, .. }`",
            Fields::Unit => "a unit struct has none; write `struct S { id: i32, .. }`",
        },
        Data::Enum(_) => "an enum has none; derive it on a struct, and map the enum to one of its columns",
        Data::Union(_) => "a union has none of a known type; derive it on a struct",
    };
    errors.at(
        &input.ident,
        format!("`#[derive({derive})]` maps the fields of a struct to columns, and {what}"),
    );
    None
}

fn read_field<'a>(field: &'a syn::Field, errors: &mut Errors) -> Field<'a> {
    let ident = field.ident.as_ref().expect("a field among named fields has a name");
    Field {
        ident,
        ty: &field.ty,
        options: FieldOptions::read(&field.attrs, errors),
    }
}
