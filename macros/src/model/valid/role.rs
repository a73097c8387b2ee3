//! Who writes a column that is no key.

use syn::Ident;

use crate::errors::Errors;
use crate::model::ast::Field;
use crate::model::attr::{FieldOptions, VersionKind};
use crate::types;

/// Checks what each field says, and that there is one version and one mark of a deleted row.
pub(super) fn check(columns: &[&Field<'_>], key: &[&Field<'_>], errors: &mut Errors) {
    for field in columns {
        if key.iter().any(|key| key.ident == field.ident) {
            check_key(&field.options, errors);
        } else {
            check_agreement(&field.options, errors);
        }
        check_types(field, errors);
    }
    let version = |options: &FieldOptions| options.version.as_ref().map(|version| version.mark.clone());
    check_only(columns, "version", version, errors);
    let mark = |options: &FieldOptions| options.soft_delete.clone();
    check_only(columns, "mark of a deleted row", mark, errors);
}

/// What only a model can say.
pub(super) fn check_embeddable(columns: &[&Field<'_>], errors: &mut Errors) {
    const OF_A_MODEL: [&str; 7] = [
        "key",
        "generated",
        "assigned",
        "default",
        "version",
        "soft_delete",
        "belongs_to",
    ];
    for field in columns {
        for key in field
            .options
            .model
            .iter()
            .filter(|key| OF_A_MODEL.iter().any(|of| key == of))
        {
            let message =
                format!("`{key}` belongs on a field of the model itself, not of a struct that it embeds; move it");
            errors.at(key, message);
        }
    }
}

/// What a field says of who writes its column.
fn writers(options: &FieldOptions) -> impl Iterator<Item = &Ident> {
    let version = options.version.as_ref().map(|version| &version.mark);
    [
        version,
        options.read_only.as_ref(),
        options.server_default.as_ref(),
        options.created_at.as_ref(),
        options.updated_at.as_ref(),
        options.soft_delete.as_ref(),
    ]
    .into_iter()
    .flatten()
}

fn check_key(options: &FieldOptions, errors: &mut Errors) {
    for mark in writers(options) {
        let message = match mark.to_string().as_str() {
            "version" => {
                "a key does not change, and a version does with each UPDATE; mark another field `version`".to_owned()
            }
            "read_only" | "server_default" => {
                format!("a key that the database makes is `generated`; write that for `{mark}`")
            }
            _ => format!("a key does not change; mark another field `{mark}`"),
        };
        errors.at(mark, message);
    }
}

fn check_agreement(options: &FieldOptions, errors: &mut Errors) {
    let writers: Vec<_> = writers(options).collect();
    let [first, others @ ..] = &writers[..] else { return };
    for other in others {
        let message = match (first.to_string().as_str(), other.to_string().as_str()) {
            // Not deleted, says the database.
            ("server_default", "soft_delete") => continue,
            ("version", "read_only" | "server_default") => {
                "a version that the database makes is `version(server)`; write that, and keep nothing else".to_owned()
            }
            _ => format!("`{first}` says already who writes this column; keep it, or `{other}`"),
        };
        errors.at(other, message);
    }
}

fn check_types(field: &Field<'_>, errors: &mut Errors) {
    let counted = field.options.version.as_ref();
    if counted.is_some_and(|version| matches!(version.kind, VersionKind::Counted)) && !types::is_integer(field.ty) {
        let message = "a version is counted up, so it is an integer (`i16` to `i64`, `u16` to `u64`, by these names); \
                       write `version: i32`, or what makes it: `version = next_version`, `version(manual)`, \
                       `version(server)`";
        errors.at(field.ty, message);
    } else if counted.is_some() && types::is_option(field.ty) {
        let message = "a version is never NULL, since NULL equals nothing and every UPDATE would be a conflict; write the type \
                       without `Option`";
        errors.at(field.ty, message);
    }
    let is_mark = types::is_option(field.ty) || types::is_bool(field.ty);
    if field.options.soft_delete.is_some() && !is_mark {
        let message = "the mark of a deleted row is a time that is NULL until then, or a boolean; write `Option<..>` \
                       around the type, or `bool`";
        errors.at(field.ty, message);
    }
}

fn check_only(columns: &[&Field<'_>], what: &str, mark: impl Fn(&FieldOptions) -> Option<Ident>, errors: &mut Errors) {
    let mut marked = columns.iter().filter(|field| mark(&field.options).is_some());
    let Some(first) = marked.next() else { return };
    for field in marked {
        let message = format!("a model has one {what}, and `{}` is it already; keep one", first.ident);
        errors.at(mark(&field.options), message);
    }
}
