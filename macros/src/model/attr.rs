//! Checks what stands in `#[model(..)]` and, where it concerns us, in `#[diesel(..)]`. The rest of `#[diesel(..)]` is
//! for Diesel's own derives, which report their own mistakes.

use syn::{Attribute, Ident, LitStr, Path};

use crate::entry::{self, Entry, Form};
use crate::errors::{Errors, unknown};

const FIELD_KEYS: [&str; 5] = ["key", "version", "generated", "assigned", "belongs_to"];

/// The attributes on the struct.
#[derive(Default)]
pub(super) struct StructOptions {
    pub(super) table: Option<Path>,
    /// The table was named, if only by mistake.
    pub(super) table_seen: bool,
    /// Empty after a mistake.
    pub(super) primary_key: Option<Vec<Ident>>,
    /// Those that Diesel checks the struct for; empty when nothing is said.
    pub(super) backends: Vec<Path>,
}

/// The attributes on a field; each holds the place where it was written.
#[derive(Default)]
pub(super) struct FieldOptions {
    pub(super) key: Option<Ident>,
    pub(super) version: Option<Ident>,
    pub(super) generated: Option<Ident>,
    pub(super) assigned: Option<Ident>,
    pub(super) belongs_to: Option<Path>,
    pub(super) column: Option<Ident>,
}

impl StructOptions {
    pub(super) fn read(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let mut options = Self::default();
        for entry in entry::of_attributes(attributes, "model", errors) {
            errors.at(&entry, format!("`#[model({})]` belongs on a field", entry.key));
        }
        for entry in diesel(attributes) {
            if entry.key == "table_name" {
                options.read_table(&entry, errors);
            } else if entry.key == "primary_key" {
                options.read_primary_key(&entry, errors);
            } else if entry.key == "check_for_backend" {
                options.backends.extend(entry.paths());
            }
        }
        options
    }

    fn read_table(&mut self, entry: &Entry, errors: &mut Errors) {
        if self.table_seen {
            errors.at(entry, "a model has one table; remove this second `table_name`");
            return;
        }
        self.table_seen = true;
        self.table = entry.value();
        if self.table.is_none() {
            errors.at(
                entry.place(),
                "`table_name` is the path of a table: `#[diesel(table_name = accounts)]`",
            );
        }
    }

    fn read_primary_key(&mut self, entry: &Entry, errors: &mut Errors) {
        if self.primary_key.is_some() {
            errors.at(
                entry,
                "a model has one key; name all of its columns in one `primary_key(..)`",
            );
            return;
        }
        let names = entry.names();
        if names.is_none() {
            errors.at(
                entry,
                "`primary_key` takes the names of columns: `#[diesel(primary_key(id))]`",
            );
        }
        self.primary_key = Some(names.unwrap_or_default());
    }
}

impl FieldOptions {
    pub(super) fn read(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let mut options = Self::default();
        for entry in entry::of_attributes(attributes, "model", errors) {
            options.read_model(entry, errors);
        }
        for entry in diesel(attributes) {
            if entry.key == "column_name" {
                options.column = column(&entry, errors);
            } else if entry.key == "embed" {
                let message = "`embed` is not supported by `derive(Model)` yet; write the columns as fields of this \
                               struct, or load it with Diesel's `Queryable` alone";
                errors.at(&entry, message);
            }
        }
        options
    }

    fn read_model(&mut self, entry: Entry, errors: &mut Errors) {
        if entry.key == "belongs_to" {
            return self.read_belongs_to(&entry, errors);
        }
        let place = match entry.key.to_string().as_str() {
            "key" => &mut self.key,
            "version" => &mut self.version,
            "generated" => &mut self.generated,
            "assigned" => &mut self.assigned,
            other => return errors.at(&entry.key, unknown("key", other, &FIELD_KEYS)),
        };
        if !matches!(entry.form, Form::Word) {
            errors.at(
                &entry,
                format!("`{key}` takes no value; write `#[model({key})]`", key = entry.key),
            );
        } else if place.is_some() {
            errors.at(&entry, format!("`{}` is given twice; keep one", entry.key));
        }
        *place = Some(entry.key);
    }

    fn read_belongs_to(&mut self, entry: &Entry, errors: &mut Errors) {
        if self.belongs_to.is_some() {
            errors.at(entry, "`belongs_to` is given twice; keep one");
        }
        self.belongs_to = entry.value();
        if self.belongs_to.is_none() {
            errors.at(
                entry.place(),
                "`belongs_to` is the path of a model: `#[model(belongs_to = Author)]`",
            );
        }
    }
}

/// The arguments of `#[diesel(..)]`; what cannot be read is Diesel's to report.
fn diesel(attributes: &[Attribute]) -> Vec<Entry> {
    entry::of_attributes(attributes, "diesel", &mut Errors::default())
}

/// As an identifier or as text; a keyword becomes a raw identifier, as it does in Diesel.
fn column(entry: &Entry, errors: &mut Errors) -> Option<Ident> {
    let column = entry.value::<Ident>().or_else(|| from_text(&entry.value()?));
    if column.is_none() {
        let message = "`column_name` is the name that the column has in `table!`: `#[diesel(column_name = owner)]`";
        errors.at(entry.place(), message);
    }
    column
}

fn from_text(text: &LitStr) -> Option<Ident> {
    let name = text.value();
    let mut column = syn::parse_str::<Ident>(&name)
        .or_else(|_| syn::parse_str(&format!("r#{name}")))
        .ok()?;
    column.set_span(text.span());
    Some(column)
}
