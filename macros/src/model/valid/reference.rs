//! Foreign keys: fields marked `belongs_to`.

use proc_macro2::Span;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Ident, Path, Type};

use crate::model::ast::Field;
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

/// Those of the fields, which stand in the order of their columns.
pub(super) fn all<'a>(fields: &[&'a Field<'a>]) -> Vec<Reference<'a>> {
    let mut references: Vec<_> = fields
        .iter()
        .enumerate()
        .filter_map(|(column, field)| {
            let parent = field.options.belongs_to.as_ref()?;
            Some(Reference {
                name: constant(field.ident),
                parent,
                parts: vec![Part {
                    field: field.ident,
                    ty: field.ty,
                    column,
                    nullable: types::is_option(field.ty),
                }],
                only: true,
            })
        })
        .collect();
    let parents: Vec<_> = references.iter().map(|reference| text(reference.parent)).collect();
    for reference in &mut references {
        let parent = text(reference.parent);
        reference.only = parents.iter().filter(|other| **other == parent).count() == 1;
    }
    references
}

/// `AUTHOR_ID` for `author_id`, at its place.
fn constant(field: &Ident) -> Ident {
    let span = Span::call_site().located_at(field.span());
    Ident::new(&field.unraw().to_string().to_uppercase(), span)
}

fn text(path: &Path) -> String {
    path.to_token_stream().to_string()
}
