//! Listeners, which observe, and hooks, which act.

use super::EngineBuilder;
use crate::dialect::Dialect;
use crate::engine::{ConnectInfo, ErrorContext};
use crate::error::Result;
use crate::event::Event;
use crate::pool::{CheckoutInfo, Refuse};

impl<C: Dialect> EngineBuilder<C> {
    /// Adds a listener. It only observes; listeners run in the order in which they were added, after those of
    /// [`listen_all`](crate::event::listen_all), with no lock of ours held. One that panics is caught and logged, and the
    /// next ones still run; one that uses the engine is told of what it causes itself ([`event`](crate::event) has the
    /// rules). [`Engine::listen`](crate::Engine::listen) adds one to an engine that is in use.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
    ///     .listen(|event| println!("{event:?}"))
    ///     .build()?;
    /// drop(engine.raw_connection()?);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn listen(mut self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.listeners.push(Box::new(listener));
        self
    }

    /// Adds a listener to statements: [`Event::BeforeStatement`] and [`Event::Statement`], and nothing else. Statements
    /// are rendered for those who listen, and for nobody otherwise.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::{Engine, Event};
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
    ///     .listen_statements(|event| {
    ///         if let Event::Statement { sql, duration, .. } = event {
    ///             println!("{duration:?}  {sql}");
    ///         }
    ///     })
    ///     .build()?;
    /// # drop(engine);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn listen_statements(mut self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.statement_listeners.push(Box::new(listener));
        self
    }

    /// Adds a hook that sees the engine's first connection, before the `on_connect` hooks do (`first_connect` in
    /// SQLAlchemy). It runs once; other threads that connect meanwhile wait for its end, and if it fails, which fails the
    /// connect, the next connection is the first. If it uses the engine itself, what it connects does not wait for it.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    /// use diesel::connection::SimpleConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
    ///     .on_first_connect(|connection, _info| Ok(connection.batch_execute("PRAGMA journal_mode = WAL")?))
    ///     .build()?;
    /// drop(engine.raw_connection()?);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn on_first_connect(
        mut self,
        hook: impl Fn(&mut C, &ConnectInfo<'_>) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.on_first_connect.push(Box::new(hook));
        self
    }

    /// Adds a hook that prepares each new connection; hooks run in the order in which they were added. An error, and a
    /// panic, fails the connect, closes the connection and frees its place in the pool.
    ///
    /// An isolation level and a mode are not for hooks: what one transaction has to itself is put back to what the engine
    /// was built with ([`isolation_level`](Self::isolation_level), [`access_mode`](Self::access_mode)), and of the hook's
    /// the engine does not know. Nor is MariaDB's `autocommit`, which stays on.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    /// use diesel::connection::SimpleConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
    ///     .on_connect(|connection, _info| Ok(connection.batch_execute("PRAGMA foreign_keys = ON")?))
    ///     .build()?;
    /// drop(engine.raw_connection()?); // connects, and so runs the hook
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn on_connect(mut self, hook: impl Fn(&mut C, &ConnectInfo<'_>) -> Result<()> + Send + Sync + 'static) -> Self {
        self.on_connect.push(Box::new(hook));
        self
    }

    /// Adds a hook that sees each connection before it is handed out, and may refuse it: with
    /// [`Refuse::Reconnect`] it is replaced, with [`Refuse::Error`] the checkout fails.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    /// use aludel_core::pool::Refuse;
    ///
    /// let owner = std::process::id();
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
    ///     // SQLAlchemy's guard against a fork: what a parent has connected is replaced.
    ///     .on_checkout(move |_connection, _info| {
    ///         if std::process::id() == owner { Ok(()) } else { Err(Refuse::Reconnect) }
    ///     })
    ///     .build()?;
    /// drop(engine.raw_connection()?);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn on_checkout(
        mut self,
        hook: impl Fn(&mut C, &CheckoutInfo) -> std::result::Result<(), Refuse> + Send + Sync + 'static,
    ) -> Self {
        self.on_checkout.push(Box::new(hook));
        self
    }

    /// Adds a hook that sees each error of the driver before anything is decided because of it, and may change the
    /// decision: those of statements, those of connecting, where there is no connection yet
    /// ([`ErrorContext::connection`]), and those of a pre-ping ([`ErrorContext::is_pre_ping`]).
    ///
    /// Hooks run in the order in which they were added, and each sees what those before it have changed. One that panics
    /// is caught and logged, and what it had changed does not count.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel_core::Engine;
    /// use diesel::SqliteConnection;
    /// use aludel_core::Class;
    ///
    /// let engine = Engine::<SqliteConnection>::builder("sqlite://:memory:")
    ///     .handle_error(|context| {
    ///         if context.message().starts_with("too hot") {
    ///             context.set_class(Class::Retry);
    ///         }
    ///     })
    ///     .build()?;
    /// # drop(engine);
    /// # }
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn handle_error(mut self, hook: impl Fn(&mut ErrorContext<'_>) + Send + Sync + 'static) -> Self {
        self.handle_error.push(Box::new(hook));
        self
    }
}
