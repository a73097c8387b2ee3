//! Checks what stands in `#[model(..)]` and, where it concerns us, in `#[diesel(..)]`. The rest of `#[diesel(..)]` is
//! for Diesel's own derives, which report their own mistakes.

mod field;
mod relation;

use syn::{Attribute, Ident, Path};

use crate::entry::{self, Entry};
use crate::errors::{Errors, unknown};

pub(super) use field::{FieldOptions, Version, VersionKind};
pub(super) use relation::{BelongsTo, HasMany, OnDelete};

const STRUCT_KEYS: [&str; 2] = ["belongs_to", "has_many"];

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
    /// Foreign keys of several columns, or with a name of their own.
    pub(super) belongs_to: Vec<BelongsTo>,
    pub(super) has_many: Vec<HasMany>,
    /// The first key in `#[model(..)]`.
    pub(super) model: Option<Ident>,
}

impl StructOptions {
    pub(super) fn read(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let mut options = Self::default();
        for entry in entry::of_attributes(attributes, "model", errors) {
            options.read_model(entry, errors);
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

    fn read_model(&mut self, entry: Entry, errors: &mut Errors) {
        let key = entry.key.to_string();
        match key.as_str() {
            "belongs_to" => self.belongs_to.extend(BelongsTo::read(&entry, errors)),
            "has_many" => self.has_many.extend(HasMany::read(&entry, errors)),
            key if field::KEYS.contains(&key) => errors.at(&entry, format!("`#[model({key})]` belongs on a field")),
            other => errors.at(&entry.key, unknown("key", other, &STRUCT_KEYS)),
        }
        self.model.get_or_insert(entry.key);
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

/// The arguments of `#[diesel(..)]`; what cannot be read is Diesel's to report.
fn diesel(attributes: &[Attribute]) -> Vec<Entry> {
    entry::of_attributes(attributes, "diesel", &mut Errors::default())
}
