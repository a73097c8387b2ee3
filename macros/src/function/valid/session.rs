//! Finds what the body runs on: the parameter that is the session, or the ambient one.

use syn::{Ident, Pat, PatIdent, PatType, Type, TypeReference};

use crate::errors::{Errors, unknown};
use crate::function::Macro;
use crate::function::ast::{Function, bindings};
use crate::function::attr::{Ambient, Common};
use crate::types::{self, Mentions};

/// What the body runs on.
pub(crate) enum Session<'a> {
    /// What the caller lends.
    Parameter(Parameter),
    /// The ambient one: the innermost, or the one that was asked for.
    Ambient(Option<&'a Ambient>),
}

/// The session parameter.
pub(crate) struct Parameter {
    /// Its name as written, with `mut` if it was there.
    pub(crate) binding: PatIdent,
    pub(crate) reference: TypeReference,
}

impl Session<'_> {
    /// Whether the caller lends it under this name.
    pub(crate) fn is(&self, name: &Ident) -> bool {
        matches!(self, Self::Parameter(parameter) if parameter.binding.ident == *name)
    }
}

impl Parameter {
    /// The type that the body's session can be given in writing: without the lifetime, which is another one inside.
    /// None where the language allows no `impl`.
    pub(crate) fn ty(&self) -> Option<TypeReference> {
        let reference = TypeReference {
            lifetime: None,
            ..self.reference.clone()
        };
        (!Mentions::of(&self.reference.elem).impl_trait).then_some(reference)
    }
}

/// The parameter that `session = ..` names; else the first `&mut Session<..>`; else the ambient session, if no parameter
/// looks as if it was meant. Those in `said` are known to be something else.
pub(crate) fn find<'a>(
    function: &Function,
    options: &'a Common,
    said: &[&Ident],
    errors: &mut Errors,
) -> Option<Session<'a>> {
    let parameter = match &options.session {
        Some(named) => Some(by_name(function, named, errors)?),
        None => by_type(function),
    };
    let ambient = options.ambient.as_ref();
    if let (Some(parameter), Some(ambient)) = (parameter, ambient) {
        let message = format!(
            "`{}` chooses the ambient session, and this function is lent one as `{}`; remove one of them",
            ambient.key,
            types::pretty(&parameter.pat),
        );
        errors.at(&ambient.place, message);
        return None;
    }
    if let Some(parameter) = parameter {
        return lent(parameter, errors).map(Session::Parameter);
    }
    if ambient.is_none()
        && let Some(meant) = meant(function, said)
    {
        mistaken(function.wanted, &meant, errors);
        return None;
    }
    Some(Session::Ambient(ambient))
}

fn lent(parameter: &PatType, errors: &mut Errors) -> Option<Parameter> {
    let Some(reference) = exclusive(&parameter.ty) else {
        errors.at(&parameter.ty, take_it_as(&parameter.ty));
        return None;
    };
    match &*parameter.pat {
        Pat::Ident(binding) if binding.by_ref.is_none() && binding.subpat.is_none() => Some(Parameter {
            binding: binding.clone(),
            reference: reference.clone(),
        }),
        pattern => {
            errors.at(pattern, "the session needs a plain name, such as `session`");
            None
        }
    }
}

fn by_name<'a>(function: &'a Function, named: &Ident, errors: &mut Errors) -> Option<&'a PatType> {
    let found = function
        .parameters()
        .find(|parameter| bindings(&parameter.pat).iter().any(|binding| binding.ident == *named));
    if found.is_none() {
        let known: Vec<_> = function
            .parameters()
            .flat_map(|parameter| bindings(&parameter.pat))
            .collect();
        let known: Vec<_> = known.iter().map(|binding| binding.ident.to_string()).collect();
        errors.at(named, unknown("parameter", &named.to_string(), &known));
    }
    found
}

/// The first `&mut Session<..>`.
fn by_type(function: &Function) -> Option<&PatType> {
    let lent = |parameter: &&PatType| exclusive(&parameter.ty).is_some_and(|reference| is_session(&reference.elem));
    function.parameters().find(lent)
}

/// The first parameter that may have been meant as the session, and its name. Without a word the function would run on
/// another one.
fn meant<'a>(function: &'a Function, said: &[&Ident]) -> Option<(&'a PatType, Ident)> {
    function.parameters().find_map(|parameter| {
        let by_type = is_like_a_session(&parameter.ty);
        let name = bindings(&parameter.pat)
            .into_iter()
            .map(|binding| binding.ident)
            .find(|name| {
                let by_name = NAMES.iter().any(|other| name == other);
                (by_name || by_type) && !said.contains(&name)
            });
        Some((parameter, name?))
    })
}

/// What people call a session.
const NAMES: [&str; 4] = ["session", "db", "conn", "connection"];

/// `Session<C>` by whatever pointer, and types whose name says that they are for such a thing: `PgConnection`, `DbSession`.
fn is_like_a_session(ty: &Type) -> bool {
    let owned = types::owned(ty);
    let named = types::names(owned).iter().any(|name| {
        let name = name.to_string();
        name.ends_with("Session") || name.ends_with("Connection")
    });
    named || Mentions::of(owned).types.iter().any(|name| name == "Session")
}

fn mistaken(wanted: Macro, (meant, name): &(&PatType, Ident), errors: &mut Errors) {
    if is_session(types::owned(&meant.ty)) {
        errors.at(&meant.ty, take_it_as(&meant.ty));
        return;
    }
    let instead = match wanted {
        Macro::Retry => format!("`#[retry(rerun_sees({name}))]`"),
        Macro::Transactional => {
            "`#[transactional(connection = ..)]` with the type of its connection, or `engine = \"..\"`".to_owned()
        }
    };
    let message = format!(
        "is `{name}` the session? then take it as `&mut Session<{raw}>`, or as `&mut` and say \
         `#[{macro_name}(session = {name})]`; if it is not, and the ambient session is meant, say that: {instead}",
        raw = raw(&meant.ty).unwrap_or_else(|| "..".to_owned()),
        macro_name = wanted.name(),
    );
    errors.at(meant, message);
}

/// `PgConnection`, which is what a session can be for.
fn raw(ty: &Type) -> Option<String> {
    let owned = types::owned(ty);
    let Type::Path(path) = owned else { return None };
    let last = path.path.segments.last()?;
    let plain = last.arguments.is_none() && last.ident != "Connection";
    (plain && last.ident.to_string().ends_with("Connection")).then(|| types::pretty(owned))
}

fn is_session(ty: &Type) -> bool {
    types::last_segment(ty).is_some_and(|name| name == "Session")
}

fn exclusive(ty: &Type) -> Option<&TypeReference> {
    match types::peel(ty) {
        Type::Reference(reference) if reference.mutability.is_some() => Some(reference),
        _ => None,
    }
}

fn take_it_as(ty: &Type) -> String {
    format!(
        "the session is borrowed for the call; take it as `&mut {}`",
        types::pretty(types::owned(ty))
    )
}
