//! What is said of a field.

use syn::{Attribute, Ident, LitStr, Path};

use super::diesel;
use crate::entry::{self, Entry, Form};
use crate::errors::{Errors, unknown};

pub(super) const KEYS: [&str; 11] = [
    "key",
    "generated",
    "assigned",
    "default",
    "version",
    "read_only",
    "server_default",
    "created_at",
    "updated_at",
    "soft_delete",
    "belongs_to",
];

/// The attributes on a field; each holds the place where it was written.
#[derive(Default)]
pub(in crate::model) struct FieldOptions {
    pub(in crate::model) key: Option<Ident>,
    pub(in crate::model) generated: Option<Ident>,
    pub(in crate::model) assigned: Option<Ident>,
    /// A function of the program that makes the key.
    pub(in crate::model) default: Option<Path>,
    pub(in crate::model) version: Option<Version>,
    pub(in crate::model) read_only: Option<Ident>,
    pub(in crate::model) server_default: Option<Ident>,
    pub(in crate::model) created_at: Option<Ident>,
    pub(in crate::model) updated_at: Option<Ident>,
    pub(in crate::model) soft_delete: Option<Ident>,
    pub(in crate::model) belongs_to: Option<Path>,
    pub(in crate::model) column: Option<Ident>,
    /// The field is a struct of columns.
    pub(in crate::model) embed: Option<Ident>,
    /// The keys in `#[model(..)]`.
    pub(in crate::model) model: Vec<Ident>,
}

/// `version`, and what it says.
pub(in crate::model) struct Version {
    pub(in crate::model) mark: Ident,
    pub(in crate::model) kind: VersionKind,
}

/// Who makes the version.
pub(in crate::model) enum VersionKind {
    /// It is counted.
    Counted,
    /// A function of the program.
    Function(Path),
    /// The program, in the field.
    Manual,
    /// The database.
    Server,
}

impl FieldOptions {
    pub(in crate::model) fn read(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let mut options = Self::default();
        for entry in entry::of_attributes(attributes, "model", errors) {
            options.read_model(&entry, errors);
            options.model.push(entry.key);
        }
        for entry in diesel(attributes) {
            options.read_diesel(entry, errors);
        }
        options
    }

    fn read_diesel(&mut self, entry: Entry, errors: &mut Errors) {
        match entry.key.to_string().as_str() {
            "column_name" => self.column = column(&entry, errors),
            "embed" => self.embed = Some(entry.key),
            "serialize_as" => {
                let message = "a model writes the field itself, so that `serialize_as` would say nothing; give the type \
                               of the field `ToSql` and `#[derive(AsExpression)]`, and remove this";
                errors.at(&entry, message);
            }
            "select_expression" => {
                let message = "a field of a model is a column of its table, and an expression is none; make it a \
                               generated column of the table and the field `#[model(read_only)]`, or load it with \
                               Diesel's `Queryable` alone";
                errors.at(&entry, message);
            }
            _ => {}
        }
    }

    fn read_model(&mut self, entry: &Entry, errors: &mut Errors) {
        let key = entry.key.to_string();
        if self.model.iter().any(|seen| *seen == key) {
            errors.at(entry, format!("`{key}` is given twice; keep one"));
            return;
        }
        let word = match key.as_str() {
            "belongs_to" => {
                self.belongs_to = path(entry, "the path of a model: `#[model(belongs_to = Author)]`", errors);
                return;
            }
            "default" => {
                let what = "the path of a function that makes a key: `#[model(key, default = Uuid::now_v7)]`";
                self.default = path(entry, what, errors);
                return;
            }
            "version" => {
                let (mark, kind) = (entry.key.clone(), version(entry, errors));
                self.version = Some(Version { mark, kind });
                return;
            }
            "key" => &mut self.key,
            "generated" => &mut self.generated,
            "assigned" => &mut self.assigned,
            "read_only" => &mut self.read_only,
            "server_default" => &mut self.server_default,
            "created_at" => &mut self.created_at,
            "updated_at" => &mut self.updated_at,
            "soft_delete" => &mut self.soft_delete,
            "has_many" => {
                let message = "`has_many` belongs on the struct: `#[model(has_many(Book, on_delete = \"cascade\"))]`";
                errors.at(entry, message);
                return;
            }
            other => return errors.at(&entry.key, unknown("key", other, &KEYS)),
        };
        *word = Some(entry.key.clone());
        if !matches!(entry.form, Form::Word) {
            errors.at(entry, format!("`{key}` takes no value; write `#[model({key})]`"));
        }
    }
}

fn path(entry: &Entry, what: &str, errors: &mut Errors) -> Option<Path> {
    let path = entry.value();
    if path.is_none() {
        errors.at(entry.place(), format!("`{}` is {what}", entry.key));
    }
    path
}

/// After a mistake the program's: of whatever type it is, it is no second mistake.
fn version(entry: &Entry, errors: &mut Errors) -> VersionKind {
    let names = entry.names().unwrap_or_default();
    match (&entry.form, &names[..]) {
        (Form::Word, _) => return VersionKind::Counted,
        (Form::Value(_), _) => {
            if let Some(path) = entry.value() {
                return VersionKind::Function(path);
            }
        }
        (Form::List(_), [name]) if name == "manual" => return VersionKind::Manual,
        (Form::List(_), [name]) if name == "server" => return VersionKind::Server,
        (Form::List(_), [name]) => {
            errors.at(name, unknown("version", &name.to_string(), &["manual", "server"]));
            return VersionKind::Manual;
        }
        (Form::List(_), _) => {}
    }
    let message = "a version is counted (`version`), made by a function (`version = next_version`), by the program \
                   (`version(manual)`) or by the database (`version(server)`)";
    errors.at(entry.place(), message);
    VersionKind::Manual
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
