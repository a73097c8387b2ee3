//! What users attach to a session.

use std::sync::LazyLock;

use aludel_core::Dialect;
use aludel_core::pool::Extensions;

use super::Session;

/// Of sessions to which nothing is attached, which is nearly all of them.
static NOTHING: LazyLock<Extensions> = LazyLock::new(Extensions::default);

impl<C: Dialect> Session<C> {
    /// A number that no other session of this process has (`Session.hash_key` in SQLAlchemy).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// assert_ne!(engine.session().number(), engine.session().number());
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn number(&self) -> u64 {
        self.objects.session()
    }

    /// What was attached to this session, by type (`Session.info` in SQLAlchemy): what its factory has for all of its sessions
    /// ([`SessionFactory::info`](crate::SessionFactory::info)), copied, and what was put in since. It belongs to the session, not
    /// to its transaction.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::SessionFactory;
    /// use aludel::prelude::*;
    /// use diesel::SqliteConnection;
    ///
    /// #[derive(Clone, PartialEq, Debug)]
    /// struct Tenant(u32);
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let factory = SessionFactory::new(&engine).info(Tenant(7));
    /// let mut session = factory.session();
    /// session.info_mut().insert(Tenant(8));
    /// assert_eq!(session.info().get(), Some(&Tenant(8)));
    /// assert_eq!(factory.session().info().get(), Some(&Tenant(7))); // each has its own copy
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    pub fn info(&self) -> &Extensions {
        self.info.as_deref().unwrap_or(&NOTHING)
    }

    /// The same, to be changed.
    pub fn info_mut(&mut self) -> &mut Extensions {
        self.info.get_or_insert_default()
    }
}
