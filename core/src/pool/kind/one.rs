//! The kinds that keep one connection, or none.

use std::fmt;

use super::{Asker, Idle, Kind, Rule};

/// Keeps nothing: each checkout makes a connection, each return closes it (SQLAlchemy's `NullPool`).
///
/// For programs behind a pooler such as pgbouncer, and for those that connect once an hour.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::{Engine, pool};
/// use diesel::SqliteConnection;
///
/// let engine = Engine::<SqliteConnection>::builder("sqlite://bank.db").pool(pool::Null).build()?;
/// # let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:").pool(pool::Null).build()?;
/// drop(engine.raw_connection()?);
/// assert_eq!((engine.pool().opened(), engine.pool().closed()), (1, 1));
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Null;

/// What [`Null`], and a pool that only borrows, keep: nothing. It has their name.
#[derive(Clone, Copy, Debug)]
pub(in crate::pool) struct Nothing(pub(in crate::pool) &'static str);

impl<C: Send + 'static> Kind<C> for Nothing {
    fn name(&self) -> &'static str {
        self.0
    }

    fn keep(&self) -> usize {
        0
    }

    fn take(&mut self, _: &Asker) -> Option<Idle<C>> {
        None
    }

    fn put(&mut self, idle: Idle<C>) -> Result<(), Idle<C>> {
        Err(idle)
    }

    fn idle(&self) -> usize {
        0
    }

    fn remove(&mut self, _: &mut dyn FnMut(&Idle<C>) -> bool) -> Vec<Idle<C>> {
        Vec::new()
    }

    fn recreate(&self) -> Box<dyn Kind<C>> {
        Box::new(*self)
    }
}

/// One connection for everybody, made on first use (SQLAlchemy's `StaticPool`).
///
/// SQLAlchemy hands it to several borrowers at once. Here it is lent to one at a time; the next one waits for it, up to
/// `pool_timeout`.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::{Engine, pool};
/// use diesel::SqliteConnection;
///
/// // One database in memory for all threads.
/// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:").pool(pool::Static).build()?;
/// drop(engine.raw_connection()?);
/// let other = engine.clone();
/// std::thread::spawn(move || assert_eq!(other.raw_connection().unwrap().id(), 1)).join().unwrap();
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Static;

/// One connection, and nobody may ask for a second one meanwhile (SQLAlchemy's `AssertionPool`): for tests of programs
/// that should never hold two.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::{Engine, pool};
/// use diesel::SqliteConnection;
///
/// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:").pool(pool::Assertion).build()?;
/// let first = engine.raw_connection()?;
/// let error = engine.raw_connection().unwrap_err();
/// assert!(error.to_string().contains("connection 1 checked out at"), "{error}");
/// # drop(first);
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Assertion;

/// Where [`Static`] and [`Assertion`] keep their connection.
pub(in crate::pool) struct One<C: Send + 'static> {
    name: &'static str,
    rule: Rule,
    idle: Option<Idle<C>>,
}

impl<C: Send + 'static> One<C> {
    pub(in crate::pool) fn of_static() -> Self {
        Self {
            name: "StaticPool",
            rule: Rule::Wait,
            idle: None,
        }
    }

    pub(in crate::pool) fn of_assertion() -> Self {
        Self {
            name: "AssertionPool",
            rule: Rule::Refuse,
            idle: None,
        }
    }
}

impl<C: Send + 'static> Kind<C> for One<C> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn limit(&self) -> usize {
        1
    }

    fn rule(&self) -> Rule {
        self.rule
    }

    fn take(&mut self, _: &Asker) -> Option<Idle<C>> {
        self.idle.take()
    }

    fn put(&mut self, idle: Idle<C>) -> Result<(), Idle<C>> {
        match self.idle.replace(idle) {
            None => Ok(()),
            Some(other) => Err(other),
        }
    }

    fn idle(&self) -> usize {
        usize::from(self.idle.is_some())
    }

    fn remove(&mut self, unfit: &mut dyn FnMut(&Idle<C>) -> bool) -> Vec<Idle<C>> {
        self.idle.take_if(|idle| unfit(idle)).into_iter().collect()
    }

    fn recreate(&self) -> Box<dyn Kind<C>> {
        Box::new(Self {
            name: self.name,
            rule: self.rule,
            idle: None,
        })
    }
}

impl<C: Send + 'static> fmt::Debug for One<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}({})",
            self.name,
            if self.idle.is_some() { "idle" } else { "empty" }
        )
    }
}
