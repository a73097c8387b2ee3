//! How the transactions of a connection run: its options, AUTOCOMMIT, what is set on the raw connection and put back.
//!
//! **Invariant:** what was set on a raw connection beyond what it was set up with is put back when the transaction has
//! ended, and at the latest when the raw connection is returned; where that fails the raw connection is closed.

use std::borrow::Cow;
use std::time::Duration;

use aludel_core::dialect::{Characteristics, ServerTransaction};
use aludel_core::{AccessMode, Control, Dialect, Error, ExecutionOptions, IsolationLevel, Outcome, Phase, Result};
use diesel::result::QueryResult;

use super::{Connection, no_text};
use crate::transaction::TransactionBuilder;

impl<C: Dialect> Connection<C> {
    /// Changes how the transactions of this connection run, from the next one on and for as long as it exists
    /// (`Connection.execution_options` in SQLAlchemy). What is not named stays as it is.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::prelude::*;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut connection = engine.connect();
    /// connection.execution_options(ExecutionOptions::new().read_only())?;
    /// let refused = diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(&mut connection).unwrap_err();
    /// assert_eq!(refused.to_string(), "attempt to write a readonly database");
    ///
    /// let refused = connection.execution_options(ExecutionOptions::new().read_write()).unwrap_err();
    /// assert!(refused.to_string().contains("a transaction is open")); // which began with the first statement
    /// connection.rollback()?;
    /// connection.execution_options(ExecutionOptions::new().read_write())?;
    /// diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(&mut connection)?;
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the database does not have what is asked for, and while a transaction is open.
    pub fn execution_options(&mut self, options: ExecutionOptions) -> Result<&mut Self> {
        let options = options.checked::<C>()?;
        self.settle();
        if self.transaction.is_open() {
            return Err(Error::misuse(
                "execution_options cannot change how a transaction runs while a transaction is open; end it with commit() \
                 or rollback() first, or ask for it where one begins, with build_transaction()",
            ));
        }
        if self.is_guest() {
            return Err(Error::misuse(
                "execution_options cannot change how a transaction runs that somebody else has begun; set them before the \
                 session is put into it, or begin the outer one with them",
            ));
        }
        self.end_autocommit("AUTOCOMMIT is left for other options");
        self.options = options.over(self.options.characteristics());
        Ok(self)
    }

    /// Builds one transaction with an isolation level and a mode of its own; see
    /// [`Session::build_transaction`](crate::Session::build_transaction).
    pub fn build_transaction(&mut self) -> TransactionBuilder<'_, Self> {
        TransactionBuilder::new(self)
    }

    /// The isolation level that the server says the open transaction has, or the next one would have (`get_isolation_level`
    /// in SQLAlchemy). MariaDB and MySQL cannot be asked for a level that one transaction has to itself: it is answered as
    /// they were told. [`IsolationLevel::Autocommit`] is answered without asking anybody.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// let mut connection = engine.connect();
    /// assert_eq!(connection.isolation_level()?, IsolationLevel::Serializable);
    /// connection.execution_options(ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit))?;
    /// assert_eq!(connection.isolation_level()?, IsolationLevel::Autocommit);
    /// assert_eq!(engine.default_isolation_level(), Some(IsolationLevel::Serializable));
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When no connection could be made, when the server did not answer, and in a transaction that has failed.
    pub fn isolation_level(&mut self) -> Result<IsolationLevel> {
        let current = self.current()?;
        if current.is_autocommit() {
            return Ok(IsolationLevel::Autocommit);
        }
        let own = current.beyond(self.engine.connected_with()).isolation_level;
        match own {
            Some(next) if !self.transaction.is_live() => Ok(next),
            own => self.ask_about(|raw| raw.isolation_level(own)),
        }
    }

    /// Whether the open transaction may write, or the next one could; asked for as
    /// [`isolation_level`](Self::isolation_level) is.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use aludel::prelude::*;
    /// use diesel::SqliteConnection;
    ///
    /// let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    /// assert_eq!(engine.connect().access_mode()?, AccessMode::ReadWrite);
    /// # }
    /// # Ok::<(), aludel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same.
    pub fn access_mode(&mut self) -> Result<AccessMode> {
        let own = self.current()?.beyond(self.engine.connected_with()).access_mode;
        match own {
            Some(next) if !self.transaction.is_live() => Ok(next),
            own => self.ask_about(|raw| raw.access_mode(own)),
        }
    }

    /// What the open transaction was begun with, or the next one would be.
    fn current(&mut self) -> Result<Characteristics> {
        self.refuse_if_cancelled()?;
        self.settle();
        if let Some(cause) = self.transaction.doom().cloned() {
            return Err(Error::doomed(cause));
        }
        Ok(match self.transaction.begun_with() {
            Some(characteristics) => characteristics,
            None => self.wanted(),
        })
    }

    /// A question that needs no transaction, and begins none.
    fn ask_about<T>(&mut self, question: impl FnOnce(&mut C) -> QueryResult<T>) -> Result<T> {
        self.connected()?;
        let answer = self.call(Phase::Statement, no_text, question);
        if !self.transaction.has_begun() {
            self.release_between_transactions();
        }
        Ok(answer?)
    }

    /// What a transaction that somebody begins has unless it says otherwise.
    pub(crate) fn of_session(&self) -> Characteristics {
        self.options.characteristics().over(self.engine.characteristics())
    }

    /// What was asked for this connection, beyond what its engine has.
    pub(crate) fn own_characteristics(&self) -> Characteristics {
        self.options.characteristics()
    }

    /// What a factory was told is looked at when the first of its transactions begins.
    pub(crate) fn check_characteristics(&self) -> Result<()> {
        let characteristics = self.transaction.characteristics;
        if characteristics.is_empty() {
            return Ok(());
        }
        characteristics
            .check(C::FLAVOUR)
            .map_err(|error| error.with_outcome(Outcome::NotBegun))
    }

    /// What the next statement has where nobody has begun anything.
    pub(crate) fn wanted(&self) -> Characteristics {
        let own = self.of_session();
        match self.autocommit_around {
            None => own,
            Some(around) => around.over(own),
        }
    }

    // ---- beginning --------------------------------------------------------------------------------------------

    /// Begins a transaction on the server with what was noted for it.
    pub(crate) fn send_begin(&mut self, begin: Control) -> QueryResult<()> {
        // For a panic in between, as of a subscriber: what was said of the next transaction would be somebody else's.
        const BEGINNING: &str = "the beginning of a transaction was interrupted";
        let before = self.unfit.replace(BEGINNING);
        let result = self.send_beginning(begin);
        if self.unfit == Some(BEGINNING) {
            self.unfit = before;
        }
        result
    }

    fn send_beginning(&mut self, begin: Control) -> QueryResult<()> {
        let with = self.transaction.characteristics.beyond(self.engine.connected_with());
        let limit = match self.transaction.done_by {
            None => None,
            Some(done_by) => self.limit_until(done_by)?,
        };
        if with.is_empty() && limit.is_none() {
            return self.control(Phase::Begin, begin);
        }
        self.send_beginning_with(with, limit, begin)
    }

    fn send_beginning_with(
        &mut self,
        with: Characteristics,
        limit: Option<Duration>,
        begin: Control,
    ) -> QueryResult<()> {
        let mut beginning = C::beginning(with, begin);
        let mut announced = beginning.statements.len() > 1;
        if let (Some(limit), Some(last)) = (limit, beginning.statements.last_mut()) {
            if let Some(limited) = C::begin_within(last, limit) {
                *last = Cow::Owned(limited);
                announced = true; // half of it may have been done
            } else {
                self.bound_statements(limit)?;
            }
        }
        self.standing = beginning.standing;
        for statement in beginning.statements {
            if let Err(error) = self.steer(statement) {
                if self.is_standing() {
                    self.put_back();
                } else if announced {
                    // What was said of the next transaction would hold for somebody else's.
                    self.discard("a transaction was announced and did not begin");
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn steer(&mut self, statement: Cow<'static, str>) -> QueryResult<()> {
        let text = statement.clone();
        let watch = self.watch(|_| Ok(statement.clone().into_owned()));
        let result = watch.inside(|| self.call(Phase::Begin, || Some(text.into_owned()), |raw| raw.steer(statement)));
        watch.finish(None, result.is_err());
        result
    }

    /// Undoes what was set on the raw connection beyond what it was set up with. One that cannot be told so is closed.
    #[inline]
    pub(crate) fn put_back(&mut self) {
        if self.is_standing() {
            self.put_back_what_stands();
        }
    }

    #[inline]
    pub(super) fn is_standing(&self) -> bool {
        !self.standing.is_empty() || self.standing_limit.is_some()
    }

    #[cold]
    fn put_back_what_stands(&mut self) {
        let set = self.standing;
        if !self.is_connected() {
            self.standing = Characteristics::default();
            self.standing_limit = None;
            return;
        }
        if self.is_busy() || self.transaction.is_streaming() {
            return self.discard("a call was cut short on a connection with settings of its last transaction");
        }
        for statement in C::settings_put_back(set, self.engine.connected_with()) {
            let watch = self.watch(|_| Ok(statement.clone().into_owned()));
            let result = watch.inside(|| self.send(Phase::Rollback, |raw| raw.steer(statement)));
            watch.finish(None, result.is_err());
            if let Err(error) = result {
                return self.discard(&format!(
                    "settings of its last transaction could not be put back: {error}"
                ));
            }
        }
        if let Err(error) = self.put_limit_back() {
            return self.discard(&format!(
                "the limit of its last transaction's statements could not be put back: {error}"
            ));
        }
        // Not before: a database in memory is kept when this was interrupted, and then it is still to be done.
        self.standing = Characteristics::default();
    }

    // ---- AUTOCOMMIT -------------------------------------------------------------------------------------------

    /// Makes sure that a statement may be sent which stands for itself. What must be set for it is harmless to repeat, so a
    /// connection that died in the pool costs nobody an error here.
    pub(crate) fn enter_autocommit(&mut self) -> Result<()> {
        let wanted = self.wanted();
        self.connected()?;
        if !self.transaction.is_autocommit() {
            wanted.check(C::FLAVOUR)?;
            self.say("BEGIN (implicit; DBAPI should not BEGIN due to autocommit mode)");
            self.transaction.enter_autocommit(wanted);
        }
        let first = match self.set_for_autocommit(wanted) {
            Err(error) if !self.is_connected() => Error::from(error),
            result => return Ok(result?),
        };
        if !first.is_disconnect() {
            return Err(first);
        }
        self.transaction.forget_faults();
        self.connected()?;
        Ok(self.set_for_autocommit(wanted)?)
    }

    fn set_for_autocommit(&mut self, wanted: Characteristics) -> QueryResult<()> {
        let wanted = wanted.beyond(self.engine.connected_with());
        if self.standing == wanted {
            return Ok(());
        }
        self.put_back();
        self.connected().map_err(aludel_core::Refused::wrap)?;
        self.standing = wanted;
        for statement in C::settings(wanted) {
            if let Err(error) = self.steer(statement) {
                self.put_back();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Ends what never was a transaction, and says so in the words that belong to it; otherwise does nothing.
    pub(crate) fn end_autocommit(&mut self, text: &str) {
        if self.transaction.is_autocommit() {
            self.say(text);
            self.leave_autocommit();
        }
    }

    fn leave_autocommit(&mut self) {
        self.transaction.leave_autocommit();
        self.put_back();
        self.release_between_transactions();
    }

    /// Makes room for a transaction that wants a level of its own.
    pub(crate) fn make_room_in_autocommit(&mut self) {
        self.end_autocommit("AUTOCOMMIT is left for a transaction with a level of its own");
    }

    /// Whether what is done now stands for itself.
    pub(crate) fn stands_in_autocommit(&self) -> bool {
        !self.transaction.is_open() && self.wanted().is_autocommit() && !self.is_guest()
    }

    /// A transaction that is none is not begun: nothing of it could be rolled back. (One that is asked for inside a function
    /// that runs in AUTOCOMMIT is one: the session itself has another level.)
    pub(crate) fn refuse_in_autocommit(&self, verb: &str, own: Characteristics) -> Result<()> {
        self.refuse_as_autocommit(verb, own.over(self.of_session()))
    }

    /// The same for what would begin by itself, and be nobody's to end.
    pub(crate) fn refuse_to_autobegin_in_autocommit(&self, verb: &str) -> Result<()> {
        self.refuse_as_autocommit(verb, self.wanted())
    }

    fn refuse_as_autocommit(&self, verb: &str, characteristics: Characteristics) -> Result<()> {
        if !characteristics.is_autocommit() || self.is_guest() {
            return Ok(());
        }
        Err(Error::misuse(format!(
            "{verb} was called in AUTOCOMMIT, where each statement is committed by itself and nothing could be rolled \
             back; send the statements one by one, or ask for a transaction: build_transaction().isolation_level(..), or \
             execution_options with another isolation level"
        )))
    }

    /// Objects are written with several statements, of which none can be undone here when a later one fails.
    pub(crate) fn refuse_objects_in_autocommit(&self) -> Result<()> {
        if self.stands_in_autocommit() {
            return Err(Error::misuse(
                "objects were added, changed or deleted in AUTOCOMMIT, where a flush that fails half-way could not be \
                 rolled back; write them in a transaction: build_transaction().isolation_level(..), or execution_options \
                 with another isolation level",
            ));
        }
        Ok(())
    }

    /// A function that asks for a transaction of its own kind may join only one of that kind.
    pub(crate) fn refuse_to_join(&self, own: Characteristics) -> Result<()> {
        let open = self.transaction.characteristics;
        if own.over(open) == open {
            return Ok(());
        }
        Err(Error::misuse(format!(
            "a transaction with {} was asked for inside one with {}, which cannot be changed any more; begin the outer one \
             with it, or use a session of its own",
            words(own),
            words(open)
        )))
    }

    /// After something in AUTOCOMMIT that may have begun a transaction behind our back, `by` name: a BEGIN without its end
    /// would swallow the statements that come after it, and be the next borrower's.
    pub(crate) fn refuse_a_transaction_left_open(&mut self, by: &str) -> Result<()> {
        if !self.transaction.is_autocommit() {
            return Ok(());
        }
        let open = [ServerTransaction::Open, ServerTransaction::Aborted];
        let found = self.raw().map(Dialect::server_transaction);
        if !matches!(found, Some(Ok(state)) if open.contains(&state)) {
            return Ok(());
        }
        if let Err(error) = self.send(Phase::Rollback, |raw| raw.end_transaction(Control::Rollback)) {
            self.discard(&format!(
                "a transaction that was left open by {by} could not be ended: {error}"
            ));
        }
        Err(Error::misuse(format!(
            "{by} in AUTOCOMMIT has left a transaction open, and it was rolled back; end it where it was begun"
        )))
    }
}

fn words(characteristics: Characteristics) -> String {
    let level = characteristics.isolation_level.map(IsolationLevel::sql);
    let access = characteristics.access_mode.map(AccessMode::sql);
    let deferrable = characteristics.deferrable.map(aludel_core::Deferrable::sql);
    let words: Vec<&str> = level.into_iter().chain(access).chain(deferrable).collect();
    if words.is_empty() {
        "the server's defaults".to_owned()
    } else {
        words.join(", ")
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use std::fmt::Debug;
    use std::sync::{Arc, Mutex};

    use diesel::SqliteConnection;
    use diesel::connection::SimpleConnection as _;
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;
    use crate::Engine;
    use crate::engine::EngineExt as _;

    /// Keeps the lines of `aludel.engine`.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    impl Visit for Lines {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            if field.name() == "message" {
                let mut lines = self.0.lock().expect("nobody panics while it is held");
                lines.push(format!("{value:?}"));
            }
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "aludel.engine"
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    /// SQLAlchemy's `commit_engine_level_autocommit_exec_opt_nonauto`, and the texts of its neighbours.
    #[test]
    fn commit_engine_level_autocommit_exec_opt_nonauto() -> Result<()> {
        let engine = Engine::<SqliteConnection>::builder("sqlite://")
            .isolation_level(IsolationLevel::Autocommit)
            .build()?;
        let lines = Lines::default();
        tracing::subscriber::with_default(lines.clone(), || -> Result<()> {
            let mut connection = engine.connect();
            connection.batch_execute("SELECT 1")?;
            connection.batch_execute("SELECT 2")?;
            connection.commit()?;
            connection.commit()?; // nothing was done since
            connection.batch_execute("SELECT 3")?;
            connection.rollback()?;
            connection.execution_options(ExecutionOptions::new().isolation_level(IsolationLevel::Serializable))?;
            connection.batch_execute("SELECT 4")?;
            connection.commit()
        })?;
        let expected = [
            "BEGIN (implicit; DBAPI should not BEGIN due to autocommit mode)",
            "SELECT 1",
            "SELECT 2",
            "COMMIT using DBAPI connection.commit(), has no effect due to autocommit mode",
            "BEGIN (implicit; DBAPI should not BEGIN due to autocommit mode)",
            "SELECT 3",
            "ROLLBACK using DBAPI connection.rollback(), has no effect due to autocommit mode",
            "PRAGMA read_uncommitted = 0",
            "BEGIN",
            "SELECT 4",
            "COMMIT",
            "PRAGMA read_uncommitted = 0",
        ];
        assert_eq!(*lines.0.lock().unwrap(), expected);
        Ok(())
    }
}
