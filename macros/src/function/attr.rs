//! Checks the arguments that both macros take, as far as that can be done without the function.

mod characteristics;

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident};
use syn::{Expr, Ident, LitStr, TypePath};

pub(crate) use self::characteristics::Characteristics;
use super::Macro;
use crate::duration::Span;
use crate::entry::{Entry, Form};
use crate::errors::{Errors, unknown};

/// The keys that both macros take.
pub(crate) const KEYS: [&str; 9] = [
    "deadline",
    "isolation",
    "read_only",
    "deferrable",
    "commit",
    "once",
    "session",
    "engine",
    "connection",
];

/// What both macros take. What is not given is left to the policy, and that to the engine.
#[derive(Default)]
pub(crate) struct Common {
    pub(crate) deadline: Option<Span>,
    pub(crate) characteristics: Characteristics,
    /// A variant of `CommitPolicy`.
    pub(crate) commit: Option<Ident>,
    /// What makes the idempotency key.
    pub(crate) once: Option<Expr>,
    pub(crate) session: Option<Ident>,
    pub(crate) ambient: Option<Ambient>,
}

/// Which ambient session was asked for.
pub(crate) struct Ambient {
    pub(crate) by: By,
    /// The argument that says so.
    pub(crate) place: TokenStream,
    pub(crate) key: Ident,
}

/// What an ambient session is told by.
pub(crate) enum By {
    /// The logging name of its engine.
    Name(LitStr),
    /// The type of its connection.
    Connection(TypePath),
}

impl Common {
    /// Reads `entry`, if it is one of [`KEYS`]; an argument with a mistake counts as not given.
    pub(crate) fn take(&mut self, entry: &Entry, wanted: Macro, errors: &mut Errors) -> bool {
        match entry.key.to_string().as_str() {
            "deadline" => self.deadline = deadline(entry, errors),
            "commit" => self.commit = commit(entry, wanted, errors),
            "once" => self.once = once(entry, errors),
            "session" => self.session = session(entry, errors),
            "engine" => self.choose(entry, engine(entry, errors), errors),
            "connection" => self.choose(entry, connection(entry, errors), errors),
            _ => return self.characteristics.take(entry, wanted, errors),
        }
        true
    }

    fn choose(&mut self, entry: &Entry, by: Option<By>, errors: &mut Errors) {
        let Some(by) = by else { return };
        if self.ambient.is_some() {
            errors.at(
                entry,
                "`engine` and `connection` both choose the ambient session; keep one",
            );
            return;
        }
        self.ambient = Some(Ambient {
            by,
            place: entry.to_token_stream(),
            key: entry.key.clone(),
        });
    }
}

/// The arguments without those whose key was there before.
pub(crate) fn distinct(entries: Vec<Entry>, errors: &mut Errors) -> Vec<Entry> {
    let mut distinct: Vec<Entry> = Vec::new();
    for entry in entries {
        if distinct.iter().any(|other| other.key == entry.key) {
            errors.at(&entry, format!("`{}` is given twice; keep one", entry.key));
        } else {
            distinct.push(entry);
        }
    }
    distinct
}

/// A key that stands alone.
pub(crate) fn word(entry: &Entry, wanted: Macro, errors: &mut Errors) {
    if !matches!(entry.form, Form::Word) {
        let (key, name) = (&entry.key, wanted.name());
        errors.at(entry, format!("`{key}` takes no value; write `#[{name}({key})]`"));
    }
}

fn deadline(entry: &Entry, errors: &mut Errors) -> Option<Span> {
    const FORM: &str = "`deadline` is a duration in quotes, such as \"10s\", \"500ms\" or \"1m 30s\"";
    let Some(text) = entry.value::<LitStr>() else {
        errors.at(entry.place(), FORM);
        return None;
    };
    match Span::read(&text.value()) {
        Ok(deadline) if deadline.is_zero() => {
            errors.at(
                text,
                "a `deadline` of nothing leaves no time for anything; leave it out",
            );
        }
        Ok(deadline) => return Some(deadline),
        Err(error) => errors.at(text, format!("{FORM}: {error}")),
    }
    None
}

fn commit(entry: &Entry, wanted: Macro, errors: &mut Errors) -> Option<Ident> {
    let (known, list) = match wanted {
        Macro::Retry => (
            &["fail", "verify", "idempotent"][..],
            "\"fail\", \"verify\" or \"idempotent\"",
        ),
        Macro::Transactional => (&["fail", "verify"][..], "\"fail\" or \"verify\""),
    };
    let text = entry.value::<LitStr>();
    match (text.as_ref().map(LitStr::value).as_deref(), wanted) {
        (Some("fail"), _) => return Some(format_ident!("Fail")),
        (Some("verify"), _) => return Some(format_ident!("Verify")),
        (Some("idempotent"), Macro::Retry) => return Some(format_ident!("Idempotent")),
        (Some("idempotent"), Macro::Transactional) => {
            let message = "\"idempotent\" promises that a rerun does no harm, and nothing is run again here; write \
                           \"verify\", or make this a `#[retry(commit = \"idempotent\")]`";
            errors.at(text, message);
        }
        (Some(other), _) => errors.at(text, unknown("commit policy", other, known)),
        (None, _) => errors.at(entry.place(), format!("`commit` is {list}, in quotes")),
    }
    None
}

fn once(entry: &Entry, errors: &mut Errors) -> Option<Expr> {
    let once = entry.value::<Expr>();
    match &once {
        None => errors.at(
            entry.place(),
            "`once` is an expression of the parameters, which makes the key of the call: `once = format!(\"order-{order}\")`",
        ),
        Some(Expr::Lit(literal)) => {
            let message = "every call would have the same key, and none but the first ever run; make it of the parameters: \
                           `once = format!(\"order-{order}\")`";
            errors.at(literal, message);
            return None;
        }
        Some(_) => {}
    }
    once
}

/// A key and its result are written, which a transaction that only reads cannot do.
pub(crate) fn check_once(entries: &[Entry], errors: &mut Errors) {
    let find = |key: &str| entries.iter().find(|entry| entry.key == key);
    if let (Some(_), Some(reads)) = (find("once"), find("read_only")) {
        let message = "`once` writes the key and the result, also where the body only reads; remove one of them";
        errors.at(reads, message);
    }
}

fn session(entry: &Entry, errors: &mut Errors) -> Option<Ident> {
    let session = entry.value::<Ident>();
    if session.is_none() {
        errors.at(entry.place(), "`session` is the name of a parameter: `session = name`");
    }
    session
}

fn engine(entry: &Entry, errors: &mut Errors) -> Option<By> {
    let name = entry.value::<LitStr>().filter(|name| !name.value().is_empty());
    if name.is_none() {
        let message = "`engine` is the logging name of an engine, in quotes: `engine = \"reports\"`";
        errors.at(entry.place(), message);
    }
    name.map(By::Name)
}

fn connection(entry: &Entry, errors: &mut Errors) -> Option<By> {
    let path = entry.value::<TypePath>();
    if path.is_none() {
        let message = "`connection` is the type of a connection: `connection = PgConnection`";
        errors.at(entry.place(), message);
    }
    path.map(By::Connection)
}
