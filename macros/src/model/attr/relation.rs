//! What is said on the struct of other models: `belongs_to(..)` and `has_many(..)`.

use syn::{Ident, LitStr, Path};

use crate::entry::Entry;
use crate::errors::{Errors, unknown};

/// `belongs_to(Author, foreign_key(country, number), name = AUTHOR)`
pub(in crate::model) struct BelongsTo {
    pub(in crate::model) parent: Path,
    /// Fields, in the order of the parent's key.
    pub(in crate::model) fields: Vec<Ident>,
    /// Of the constant.
    pub(in crate::model) name: Option<Ident>,
}

/// `has_many(Book, foreign_key = AUTHOR_ID, on_delete = "cascade")`
pub(in crate::model) struct HasMany {
    pub(in crate::model) child: Path,
    /// The name of its constant in the child.
    pub(in crate::model) foreign_key: Option<Ident>,
    pub(in crate::model) on_delete: OnDelete,
}

/// What becomes of children.
pub(in crate::model) enum OnDelete {
    Database,
    Cascade,
    /// With its place: not every foreign key can be NULL.
    SetNull(LitStr),
}

impl BelongsTo {
    pub(super) fn read(entry: &Entry, errors: &mut Errors) -> Option<Self> {
        const FORM: &str = "on a struct it is `belongs_to(Author, foreign_key(country, number))`: a model, and the fields \
                            that are its key; for one field alone write `#[model(belongs_to = Author)]` on it";
        let Some((parent, arguments)) = entry.path_and_arguments(errors) else {
            errors.at(entry, FORM);
            return None;
        };
        let (mut fields, mut name) = (None, None);
        if !arguments.iter().any(|argument| argument.key == "foreign_key") {
            errors.at(entry, FORM);
        }
        for argument in arguments {
            let key = argument.key.to_string();
            match key.as_str() {
                "foreign_key" => fields = once(&argument, fields, || argument.names(), FORM, errors),
                "name" => {
                    let form = "`name` is the name of a constant: `name = AUTHOR`";
                    name = once(&argument, name, || argument.value(), form, errors);
                }
                other => errors.at(&argument.key, unknown("key", other, &["foreign_key", "name"])),
            }
        }
        Some(Self {
            parent,
            fields: fields?,
            name,
        })
    }
}

impl HasMany {
    pub(super) fn read(entry: &Entry, errors: &mut Errors) -> Option<Self> {
        let Some((child, arguments)) = entry.path_and_arguments(errors) else {
            let form =
                "it is written `has_many(Book, foreign_key = AUTHOR_ID, on_delete = \"cascade\")`: a model comes first";
            errors.at(entry, form);
            return None;
        };
        let (mut foreign_key, mut on_delete) = (None, None);
        for argument in arguments {
            let key = argument.key.to_string();
            match key.as_str() {
                "foreign_key" => {
                    let form = "`foreign_key` is the name of a constant of the child: `foreign_key = AUTHOR_ID`";
                    foreign_key = once(&argument, foreign_key, || argument.value(), form, errors);
                }
                "on_delete" => {
                    let form = "`on_delete` is \"database\", \"cascade\" or \"set_null\"";
                    on_delete = once(&argument, on_delete, || argument.value(), form, errors);
                }
                other => errors.at(&argument.key, unknown("key", other, &["foreign_key", "on_delete"])),
            }
        }
        if let Some(name) = &foreign_key {
            check_constant(name, errors);
        }
        Some(Self {
            child,
            foreign_key,
            on_delete: on_delete.map_or(OnDelete::Database, |text| OnDelete::read(text, errors)),
        })
    }
}

impl OnDelete {
    fn read(text: LitStr, errors: &mut Errors) -> Self {
        match text.value().as_str() {
            "database" => Self::Database,
            "cascade" => Self::Cascade,
            "set_null" => Self::SetNull(text),
            other => {
                let known = ["database", "cascade", "set_null"];
                errors.at(&text, unknown("`on_delete`", other, &known));
                Self::Database
            }
        }
    }
}

/// The value of an argument that may be given once.
fn once<T>(
    argument: &Entry,
    before: Option<T>,
    read: impl FnOnce() -> Option<T>,
    form: &str,
    errors: &mut Errors,
) -> Option<T> {
    if before.is_some() {
        errors.at(argument, format!("`{}` is given twice; keep one", argument.key));
        return before;
    }
    let value = read();
    if value.is_none() {
        errors.at(argument.place(), form);
    }
    value
}

/// A field's name where that of its constant belongs.
fn check_constant(name: &Ident, errors: &mut Errors) {
    let constant = name.to_string().to_uppercase();
    if *name != constant {
        errors.at(
            name,
            format!("`foreign_key` is the constant that the child's derive makes: `{constant}`"),
        );
    }
}
