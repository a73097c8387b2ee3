//! Who is told, and how somebody who fails is kept from harming the others.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, Weak};

use super::Event;
use crate::log::Log;
use crate::log::Meter;
use crate::sync::Arc;

/// A function that is told of events.
///
/// ```
/// use aludel_core::Event;
/// use aludel_core::event::{Listener, Listeners};
///
/// let listener: Box<Listener> = Box::new(|event: &Event<'_>| println!("{event:?}"));
/// assert!(!Listeners::new(vec![listener]).is_empty());
/// ```
pub type Listener = dyn Fn(&Event<'_>) + Send + Sync;

/// The listeners of one engine, in registration order.
///
/// Cloning shares them.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// use aludel_core::Event;
/// use aludel_core::event::Listeners;
///
/// let count = Arc::new(AtomicU32::new(0));
/// let counter = Arc::clone(&count);
/// let listeners = Listeners::new(vec![Box::new(move |_: &Event<'_>| {
///     counter.fetch_add(1, Ordering::Relaxed);
/// })]);
/// listeners.emit(&Event::Close { connection: 1 });
/// assert_eq!(count.load(Ordering::Relaxed), 1);
/// ```
#[derive(Clone, Default)]
pub struct Listeners(Arc<Ears>);

#[derive(Default)]
struct Ears {
    log: Option<Log>,
    meter: Option<Meter>,
    /// Everything but statements.
    events: Arc<Registry>,
    /// Statements, whose texts would have to be rendered for anybody else.
    statements: Arc<Registry>,
}

impl Listeners {
    /// Listeners from a list; order is kept.
    pub fn new(listeners: Vec<Box<Listener>>) -> Self {
        Self::of_engine(None, None, listeners, Vec::new())
    }

    pub(crate) fn of_engine(
        log: Option<Log>,
        meter: Option<Meter>,
        listeners: Vec<Box<Listener>>,
        statements: Vec<Box<Listener>>,
    ) -> Self {
        Self(Arc::new(Ears {
            log,
            meter,
            events: Arc::new(Registry::of(listeners)),
            statements: Arc::new(Registry::of(statements)),
        }))
    }

    /// Tells the log, and then every listener, in order. A listener that panics is caught and logged.
    ///
    /// ```
    /// use aludel_core::Event;
    /// use aludel_core::event::Listeners;
    ///
    /// let listeners = Listeners::new(vec![Box::new(|_: &Event<'_>| panic!("a listener only observes"))]);
    /// listeners.emit(&Event::Close { connection: 1 }); // and nobody is disturbed
    /// ```
    #[inline]
    pub fn emit(&self, event: &Event<'_>) {
        if !self.is_empty() {
            self.tell(event);
        }
    }

    fn tell(&self, event: &Event<'_>) {
        let ears = &*self.0;
        if let Some(log) = &ears.log {
            shield(|| log.event(event));
        }
        if let Some(meter) = &ears.meter {
            meter.event(event);
        }
        let name = ears.log.as_ref().map_or("", Log::name);
        EVERYWHERE.tell(name, event);
        ears.events.tell(name, event);
    }

    /// Tells those who listen to statements.
    #[doc(hidden)]
    pub fn emit_statement(&self, event: &Event<'_>) {
        let name = self.0.log.as_ref().map_or("", Log::name);
        self.0.statements.tell(name, event);
    }

    /// Whether nobody would hear of an event of the pool: no listener, no subscriber, no `echo`.
    #[inline]
    pub fn is_empty(&self) -> bool {
        let ears = &*self.0;
        ears.events.is_empty()
            && EVERYWHERE.is_empty()
            && ears.meter.is_none()
            && !ears.log.as_ref().is_some_and(Log::wants_events)
    }

    /// Whether anybody listens to statements.
    #[doc(hidden)]
    #[inline]
    pub fn wants_statements(&self) -> bool {
        !self.0.statements.is_empty()
    }

    pub(crate) fn meter(&self) -> Option<&Meter> {
        self.0.meter.as_ref()
    }

    pub(crate) fn listen(&self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Listening {
        Listening::to(&self.0.events, listener)
    }

    pub(crate) fn listen_statements(&self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Listening {
        Listening::to(&self.0.statements, listener)
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listeners({})", self.0.events.len() + self.0.statements.len())
    }
}

/// Adds a listener to every engine and every pool of this process, those that exist and those to come (SQLAlchemy's
/// listeners on the `Engine` and `Pool` classes). It is told the engine's `logging_name` and the event, before the
/// engine's own listeners are; of a pool without an engine the name is empty. Statements are told to the engine's
/// `listen_statements` only.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use std::sync::{Arc, Mutex};
///
/// use aludel_core::{Engine, Event, event};
/// use diesel::SqliteConnection;
///
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let log = Arc::clone(&seen);
/// let listening = event::listen_all(move |engine, event| {
///     if matches!(event, Event::Connect { .. }) {
///         log.lock().unwrap().push(engine.to_owned());
///     }
/// });
/// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:").logging_name("bank").build()?;
/// drop(engine.raw_connection()?);
/// drop(listening); // and from now on it is told nothing
/// assert_eq!(*seen.lock().unwrap(), ["bank"]);
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
pub fn listen_all(listener: impl Fn(&str, &Event<'_>) + Send + Sync + 'static) -> Listening {
    let number = EVERYWHERE.add(Arc::new(listener));
    Listening {
        place: Some(Place::Everywhere),
        number,
    }
}

/// A listener that was added to something alive; dropping this takes it away again.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use aludel_core::Engine;
/// use diesel::SqliteConnection;
///
/// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
/// let listening = engine.listen(|event| println!("{event:?}"));
/// drop(engine.raw_connection()?); // prints
/// drop(listening);
/// drop(engine.raw_connection()?); // prints no more
/// engine.listen(|event| println!("{event:?}")).keep(); // for as long as the engine lives
/// # }
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[must_use = "dropping it ends the listening; use keep() to listen for good"]
pub struct Listening {
    place: Option<Place>,
    number: usize,
}

enum Place {
    Everywhere,
    At(Weak<Registry>),
}

impl Listening {
    fn to(registry: &Arc<Registry>, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        let number = registry.add(Arc::new(move |_: &str, event: &Event<'_>| listener(event)));
        Self {
            place: Some(Place::At(Arc::downgrade(registry))),
            number,
        }
    }

    /// Listens for as long as what is listened to exists.
    pub fn keep(mut self) {
        self.place = None;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        match self.place.take() {
            None => {}
            Some(Place::Everywhere) => EVERYWHERE.remove(self.number),
            Some(Place::At(registry)) => {
                if let Some(registry) = registry.upgrade() {
                    registry.remove(self.number);
                }
            }
        }
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listening({})", self.number)
    }
}

/// The listeners of [`listen_all`].
static EVERYWHERE: Registry = Registry::new();

/// Each with the number by which it is taken away.
type Entries = Vec<(usize, Arc<Ear>)>;

type Ear = dyn Fn(&str, &Event<'_>) + Send + Sync;

/// A list that may change while it is read: whoever tells takes a copy of it along, and holds no lock while it tells.
#[derive(Default)]
struct Registry {
    /// How many there are, so that an event that nobody waits for costs one load and no lock.
    count: AtomicUsize,
    ears: RwLock<List>,
}

#[derive(Default)]
struct List {
    next: usize,
    entries: Option<Arc<Entries>>,
}

impl Registry {
    const fn new() -> Self {
        Self {
            count: AtomicUsize::new(0),
            ears: RwLock::new(List { next: 0, entries: None }),
        }
    }

    fn of(listeners: Vec<Box<Listener>>) -> Self {
        let registry = Self::new();
        for listener in listeners {
            registry.add(Arc::new(move |_: &str, event: &Event<'_>| listener(event)));
        }
        registry
    }

    #[inline]
    fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn add(&self, ear: Arc<Ear>) -> usize {
        self.change(|list| {
            let number = list.next;
            list.next += 1;
            let mut entries = list.entries.take().map_or_else(Vec::new, |entries| entries.to_vec());
            entries.push((number, ear));
            list.entries = Some(Arc::new(entries));
            number
        })
    }

    fn remove(&self, number: usize) {
        // What it is the last owner of is dropped outside the lock: it is the user's.
        let _old = self.change(|list| {
            let old = list.entries.take()?;
            let entries: Vec<_> = old.iter().filter(|(of, _)| *of != number).cloned().collect();
            list.entries = Some(Arc::new(entries));
            Some(old)
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut List) -> T) -> T {
        let mut list = self.ears.write().unwrap_or_else(PoisonError::into_inner);
        let answer = change(&mut list);
        self.count.store(
            list.entries.as_ref().map_or(0, |entries| entries.len()),
            Ordering::Release,
        );
        answer
    }

    fn tell(&self, name: &str, event: &Event<'_>) {
        if self.is_empty() {
            return;
        }
        let entries = self.ears.read().unwrap_or_else(PoisonError::into_inner).entries.clone();
        for (_, ear) in entries.iter().flat_map(|entries| entries.iter()) {
            shield(|| ear(name, event));
        }
    }
}

/// Runs what belongs to the user, or to its subscriber, and survives it.
fn shield(call: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(call)).is_err() {
        // The subscriber itself may be what panics.
        let _ = catch_unwind(|| {
            tracing::error!(
                target: "aludel.engine",
                "a listener panicked; it was told nothing more of this event, and the others were"
            );
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::{Mutex, lock};

    fn writer(log: &Arc<Mutex<Vec<String>>>, name: &'static str) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
        let log = Arc::clone(log);
        move |_| lock(&log).push(name.to_owned())
    }

    #[test]
    fn a_listener_that_is_dropped_hears_no_more_and_the_others_keep_their_order() {
        let log = Arc::default();
        let listeners = Listeners::new(vec![Box::new(writer(&log, "first"))]);
        let second = listeners.listen(writer(&log, "second"));
        listeners.listen(writer(&log, "third")).keep();
        listeners.emit(&Event::EngineDisposed);
        drop(second);
        listeners.emit(&Event::EngineDisposed);
        assert_eq!(*lock(&log), ["first", "second", "third", "first", "third"]);
    }

    #[test]
    fn a_listener_may_add_and_drop_listeners() {
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let listeners = Listeners::default();
        let (inner, into) = (listeners.clone(), Arc::clone(&log));
        let once = Mutex::new(None);
        let added = listeners.listen(move |_| {
            let mut once = lock(&once);
            if once.is_none() {
                *once = Some(inner.listen(writer(&into, "added")));
            }
        });
        listeners.emit(&Event::EngineDisposed);
        assert!(lock(&log).is_empty(), "from the next event on");
        listeners.emit(&Event::EngineDisposed);
        assert_eq!(*lock(&log), ["added"]);
        drop(added); // and with it, what it had added
        listeners.emit(&Event::EngineDisposed);
        assert_eq!(lock(&log).len(), 1);
        assert!(listeners.is_empty());
    }
}
