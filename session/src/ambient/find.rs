//! Which ambient session is meant.

use std::any::{Any, TypeId, type_name};
use std::rc::Rc;

use aludel_core::{Dialect, Error, Result};

use super::slot::{Scope, Slot, innermost};

/// Which ambient session a function takes: that of the innermost scope of which all is true that is said here.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Ambient<'a> {
    name: Option<&'a str>,
    connection: Option<ConnectionType>,
}

#[derive(Clone, Copy, Debug)]
struct ConnectionType {
    id: TypeId,
    name: fn() -> &'static str,
}

impl<'a> Ambient<'a> {
    /// The innermost one.
    pub const fn innermost() -> Self {
        Self {
            name: None,
            connection: None,
        }
    }

    /// Its engine has this logging name.
    pub const fn named(name: &'a str) -> Self {
        Self {
            name: Some(name),
            connection: None,
        }
    }

    /// Its engine makes these connections.
    pub fn of<C: Dialect>() -> Self {
        Self::innermost().with::<C>()
    }

    /// Its engine makes these connections, and the rest is true as well.
    pub fn with<C: Dialect>(mut self) -> Self {
        self.connection = Some(ConnectionType {
            id: TypeId::of::<C>(),
            name: connection_name::<C>,
        });
        self
    }

    pub(super) fn find(self) -> Result<Rc<dyn Slot>> {
        let innermost = innermost();
        let found = each(innermost.as_ref()).find(|slot| self.is(&***slot)).cloned();
        found.ok_or_else(|| self.missing(innermost.as_ref()))
    }

    fn is(self, slot: &dyn Slot) -> bool {
        let named = self.name.is_none_or(|name| slot.engine_name() == name);
        named
            && self
                .connection
                .is_none_or(|connection| slot.connection() == connection.id)
    }

    #[cold]
    fn missing(self, innermost: Option<&Rc<dyn Slot>>) -> Error {
        let there: Vec<String> = each(innermost).map(|slot| name_of(&**slot)).collect();
        if there.is_empty() {
            return Error::misuse(
                "there is no ambient session on this thread: put engine.scope(..) around the call. Scopes belong to a \
                 thread; give the thread engine.scope of its own where it was spawned inside one",
            );
        }
        let connection = self.connection.map_or("", |connection| (connection.name)());
        let wanted = match (self.name, connection) {
            (None, connection) => format!("an engine of {connection}"),
            (Some(name), "") => format!("an engine with the logging name {name:?}"),
            (Some(name), connection) => format!("an engine of {connection} with the logging name {name:?}"),
        };
        Error::misuse(format!(
            "there is no ambient session of {wanted} on this thread; there is, from the innermost on: {}",
            there.join(", ")
        ))
    }
}

/// The scopes, from the innermost on.
fn each(innermost: Option<&Rc<dyn Slot>>) -> impl Iterator<Item = &Rc<dyn Slot>> {
    std::iter::successors(innermost, |slot| slot.outer())
}

/// The scope as the one of a `C`, which it was found as.
pub(super) fn typed<C: Dialect>(slot: &Rc<dyn Slot>) -> &Scope<C> {
    let any: &dyn Any = &**slot;
    any.downcast_ref()
        .expect("a scope is found by the type of its connection")
}

/// A type without the modules that it is in.
pub(super) fn connection_name<C: Dialect>() -> &'static str {
    let name = type_name::<C>();
    let generics = name.find('<').unwrap_or(name.len());
    let start = name[..generics].rfind("::").map_or(0, |colons| colons + 2);
    &name[start..]
}

/// A scope in words. Every engine has a name, if only one that it was given.
pub(super) fn name_of(slot: &dyn Slot) -> String {
    let (name, connection, place) = (slot.engine_name(), slot.connection_name(), slot.place());
    format!("the engine {name:?} of {connection} (scope at {place})")
}
