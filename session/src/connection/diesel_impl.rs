//! Diesel's traits for [`Connection`].

use aludel_core::{Dialect, Engine, Error, Flavour, Phase, Refused, annotate};
use diesel::connection::{
    CacheSize, Connection as DieselConnection, ConnectionSealed, Instrumentation, LoadConnection, SimpleConnection,
};
use diesel::expression::QueryMetadata;
use diesel::migration::MigrationConnection;
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::query_dsl::UpdateAndFetchResults;
use diesel::r2d2::R2D2Connection;
use diesel::result::{ConnectionError, ConnectionResult, Error as DieselError, QueryResult};

use super::cursor::Watching;
use super::raw_sql::{Effect, effect, effect_of_type, is_of_unit_of_work, may_begin};
use super::{Connection, Cursor, SharedInstrumentation, no_text, observe};
use crate::transaction::scope::{self, Unit};
use crate::transaction::{Manager, Origin, Transaction, by_text};

impl<C: Dialect> SimpleConnection for Connection<C> {
    fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        match effect(C::FLAVOUR, query) {
            Effect::Control => by_text::steer(self, query),
            effect => self.run_batch(effect, query),
        }
    }
}

impl<C: Dialect> Connection<C> {
    /// Sends a text of which it is known that it steers nothing.
    pub(crate) fn run_batch(&mut self, effect: Effect, query: &str) -> QueryResult<()> {
        self.admit(effect)?;
        let watch = self.watch(|_| Ok(query.to_owned()));
        self.note_write(effect, || query.to_owned());
        let text = || Some(query.to_owned());
        let result = watch.inside(|| self.call_of(effect, text, |raw| raw.batch_execute(query)));
        watch.finish(None, result.is_err());
        if let Err(error) = result {
            self.after_failure(effect, || Ok(query.to_owned()));
            return Err(error);
        }
        self.after(effect, query)
    }
}

impl<C: Dialect> ConnectionSealed for Connection<C> {}

impl<C: Dialect> DieselConnection for Connection<C> {
    type Backend = C::Backend;
    type TransactionManager = Manager;

    /// An engine of its own for one connection, connected at once, as Diesel's callers expect.
    fn establish(database_url: &str) -> ConnectionResult<Self> {
        let engine = Engine::new(database_url).map_err(|error| bad_connection(&error))?;
        let mut connection = Self::new(engine, false);
        connection.connected().map_err(|error| bad_connection(&error))?;
        Ok(connection)
    }

    fn begin_test_transaction(&mut self) -> QueryResult<()> {
        self.begin_test().map_err(Refused::wrap)
    }

    fn execute_returning_count<T>(&mut self, source: &T) -> QueryResult<usize>
    where
        T: QueryFragment<Self::Backend> + QueryId,
    {
        match Self::effect_of(source)? {
            Effect::Control => by_text::steer(self, &C::sql(source)?).map(|()| 0),
            effect => {
                let count = self.run_counted(effect, source)?;
                commit_a_recorded_migration::<_, T>(self)?;
                Ok(count)
            }
        }
    }

    fn transaction_state(&mut self) -> &mut Transaction {
        &mut self.transaction
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        &mut self.instrumentation
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.instrumentation = SharedInstrumentation::new(instrumentation);
        if let Some(checkout) = self.checkout.as_mut() {
            self.failed_statement = self.instrumentation.install(&mut **checkout);
        }
    }

    fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
        // It belongs to the raw connection; without one there is nothing to set, and an error cannot be answered.
        if let Ok(checkout) = self.connected() {
            checkout.set_prepared_statement_cache_size(size);
        }
    }
}

impl<C: Dialect> Connection<C> {
    /// Executes a query of which it is known that it steers nothing.
    pub(crate) fn run_counted<T>(&mut self, effect: Effect, source: &T) -> QueryResult<usize>
    where
        T: QueryFragment<C::Backend> + QueryId,
    {
        self.admit(effect)?;
        let watch = self.watch(|with_values| shown::<C, _>(source, with_values));
        self.note_write(effect, || C::sql(source).unwrap_or_default());
        let text = || C::sql(source).ok();
        let result = watch.inside(|| self.call_of(effect, text, |raw| raw.execute_returning_count(source)));
        watch.finish(result.as_ref().ok().copied(), result.is_err());
        if result.is_err() {
            self.after_failure(effect, || C::sql(source));
        }
        let count = result.map_err(|error| self.annotated(error, || C::sql_with_values(source)))?;
        if effect >= Effect::MayEnd {
            self.after(effect, &C::sql(source)?)?;
        }
        Ok(count)
    }
}

impl<B, C> LoadConnection<B> for Connection<C>
where
    C: Dialect + LoadConnection<B>,
{
    type Cursor<'conn, 'query>
        = Cursor<'conn, 'query, C, B>
    where
        C: 'conn;
    type Row<'conn, 'query>
        = <C as LoadConnection<B>>::Row<'conn, 'query>
    where
        C: 'conn;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> QueryResult<Self::Cursor<'conn, 'query>>
    where
        T: Query + QueryFragment<Self::Backend> + QueryId + 'query,
        Self::Backend: QueryMetadata<T::SqlType>,
    {
        let effect = Self::effect_of(&source)?;
        self.admit(effect)?;
        let watch = self.watch(|with_values| shown::<C, _>(&source, with_values));
        let rows_shown = self.watch_rows();
        let annotation = self.shows_parameters_in_errors().then(|| C::sql_with_values(&source));
        // Of the unit of work's own the driver's instrumentation knows the text, should one fail.
        let text = (effect != Effect::Read && !is_of_unit_of_work::<T>())
            .then(|| C::sql(&source).ok())
            .flatten();
        self.note_write(effect, || {
            text.clone().or_else(|| C::sql(&source).ok()).unwrap_or_default()
        });
        let number = self.number();
        if let Some(faults) = self.engine.faults()
            && let Err(error) = faults.before(Phase::Statement)
        {
            watch.finish(None, true);
            return Err(observe(
                &self.engine,
                number,
                &mut self.transaction,
                Phase::Statement,
                (text, self.failed_statement),
                error,
            ));
        }
        // The raw connection stays lent to the cursor, so an error's damage is judged when the next call comes.
        let checkout = self.checkout.as_mut().expect("admit() has connected");
        self.transaction.set_streaming(true);
        let loaded = watch.inside(|| LoadConnection::<B>::load(&mut **checkout, source));
        if Self::may_commit(effect) {
            self.transaction.left_definition(effect == Effect::Definition);
        }
        let loaded = loaded.and_then(|rows| match self.engine.faults() {
            Some(faults) => faults.after(Phase::Statement).map(|()| rows),
            None => Ok(rows),
        });
        match loaded {
            Ok(rows) => {
                self.transaction.succeeded();
                let watch = Watching {
                    watch,
                    rows: rows_shown,
                };
                Ok(Cursor::new(
                    rows,
                    &self.engine,
                    number,
                    &mut self.transaction,
                    self.failed_statement,
                    watch,
                ))
            }
            Err(error) => {
                self.transaction.set_streaming(false);
                self.transaction.left_failed_query();
                watch.finish(None, true);
                let error = observe(
                    &self.engine,
                    number,
                    &mut self.transaction,
                    Phase::Statement,
                    (text, self.failed_statement),
                    error,
                );
                Err(match annotation {
                    Some(annotation) => annotate(error, &annotation),
                    None => error,
                })
            }
        }
    }
}

impl<C: Dialect> Connection<C> {
    /// What a query may do to the transaction: told by its type, or else by its text.
    pub(crate) fn effect_of<T: QueryFragment<C::Backend>>(query: &T) -> QueryResult<Effect> {
        match effect_of_type::<T>() {
            Some(effect) => Ok(effect),
            None => Ok(effect(C::FLAVOUR, &C::sql(query)?)),
        }
    }

    /// Lets a statement pass, or refuses it before it is sent.
    fn admit(&mut self, effect: Effect) -> QueryResult<()> {
        if effect == Effect::Control {
            return Err(by_text::refused());
        }
        if effect == Effect::Definition
            && C::FLAVOUR == Flavour::MySql
            && self.engine.refuses_implicit_commits()
            && !self.stands_in_autocommit()
        {
            return Err(by_text::refused_because(
                "aludel: the statement would commit its transaction by the way, with all that came before, and this engine \
                 refuses that (refuse_implicit_commits); nothing was sent, and the transaction is as it was. Send it in \
                 AUTOCOMMIT: execution_options(ExecutionOptions::new().isolation_level(IsolationLevel::Autocommit))",
            ));
        }
        self.ready()
    }

    /// Sends a COMMIT or a ROLLBACK where nothing is open, so that it does whatever the server has it do.
    pub(crate) fn send_without_effect(&mut self, sql: &str) -> QueryResult<()> {
        self.refuse_if_cancelled().map_err(Refused::wrap)?;
        self.connected().map_err(Refused::wrap)?;
        let watch = self.watch(|_| Ok(sql.to_owned()));
        let text = || Some(sql.to_owned());
        let result = watch.inside(|| self.call(Phase::Statement, text, |raw| raw.batch_execute(sql)));
        watch.finish(None, result.is_err());
        if !self.transaction.has_begun() {
            self.release_between_transactions();
        }
        result
    }

    fn shows_parameters_in_errors(&self) -> bool {
        let log = self.engine.log();
        log.parameters_in_errors() && !log.hides_parameters()
    }

    /// The driver's error with the statement and its values behind its words, for those who asked for them.
    fn annotated(&self, error: DieselError, text: impl FnOnce() -> String) -> DieselError {
        if self.shows_parameters_in_errors() {
            annotate(error, &text())
        } else {
            error
        }
    }

    fn note_write(&mut self, effect: Effect, what: impl FnOnce() -> String) {
        if effect != Effect::Read {
            self.transaction.wrote(what);
        }
    }

    /// Whether the server commits the open transaction by the way, or may do so.
    fn may_commit(effect: Effect) -> bool {
        effect >= Effect::MayEnd && C::FLAVOUR == Flavour::MySql
    }

    /// A call with a statement of this effect. One that fails after it has committed the transaction leaves none behind,
    /// however plain its error.
    fn call_of<T>(
        &mut self,
        effect: Effect,
        text: impl FnOnce() -> Option<String>,
        f: impl FnOnce(&mut C) -> QueryResult<T>,
    ) -> QueryResult<T> {
        if !Self::may_commit(effect) {
            return self.call(Phase::Statement, text, f);
        }
        self.transaction.left_definition(effect == Effect::Definition);
        let value = self.call(Phase::Statement, text, f)?;
        self.transaction.definition_was_answered();
        Ok(value)
    }

    /// DDL on MariaDB and MySQL commits the transaction that it runs in, so the root is begun anew. In AUTOCOMMIT a
    /// procedure may have begun one and left it open.
    fn after(&mut self, effect: Effect, sql: &str) -> QueryResult<()> {
        if !Self::may_commit(effect) {
            return Ok(());
        }
        if self.transaction.is_live() {
            self.begin_anew_after_definition(sql, effect == Effect::Definition)?;
        } else if may_begin(C::FLAVOUR, sql) {
            self.refuse_a_transaction_left_open(CALL).map_err(Refused::wrap)?;
        }
        Ok(())
    }

    /// The same for a procedure that has failed in AUTOCOMMIT: what it had begun does not end with it. Its own error stays
    /// the error.
    fn after_failure(&mut self, effect: Effect, sql: impl FnOnce() -> QueryResult<String>) {
        if Self::may_commit(effect)
            && self.transaction.is_autocommit()
            && sql().is_ok_and(|sql| may_begin(C::FLAVOUR, &sql))
        {
            let _ = self.refuse_a_transaction_left_open(CALL);
        }
    }
}

impl<C: Dialect> R2D2Connection for Connection<C> {
    fn ping(&mut self) -> QueryResult<()> {
        self.settle();
        self.connected().map_err(Refused::wrap)?;
        self.call(Phase::Ping, no_text, R2D2Connection::ping)
    }

    fn is_broken(&mut self) -> bool {
        self.transaction.doom().is_some()
    }
}

impl<C: Dialect + MigrationConnection> MigrationConnection for Connection<C> {
    /// Creates Diesel's table of migrations, if it is missing. On a connection without a transaction it is committed at
    /// once: a program that only asks for pending migrations has no work of its own to commit or to lose.
    ///
    /// What a server refuses inside any transaction (`CREATE INDEX CONCURRENTLY`) needs a connection without one: run such
    /// migrations, marked with `run_in_transaction = false`, in [`IsolationLevel::Autocommit`](crate::IsolationLevel).
    fn setup(&mut self) -> QueryResult<usize> {
        let alone = !self.transaction.has_begun();
        // By itself it commits nothing of anybody's by the way.
        if alone {
            self.ready()?;
        } else {
            self.admit(Effect::Definition)?;
        }
        let text = || "CREATE TABLE IF NOT EXISTS __diesel_schema_migrations".to_owned();
        let watch = self.watch(|_| Ok(text()));
        self.transaction.wrote(text);
        let result = watch.inside(|| self.call_of(Effect::Definition, || Some(text()), MigrationConnection::setup));
        watch.finish(None, result.is_err());
        let count = result?;
        self.after(Effect::Definition, &text())?;
        if alone && self.transaction.is_open() {
            self.commit_root().map_err(Refused::wrap)?;
        }
        Ok(count)
    }
}

impl<C, Changes, Output> UpdateAndFetchResults<Changes, Output> for Connection<C>
where
    C: Dialect + UpdateAndFetchResults<Changes, Output>,
{
    fn update_and_fetch(&mut self, changeset: Changes) -> QueryResult<Output> {
        self.ready()?;
        // What is sent is between Diesel and its raw connection.
        let watch = self.watch(|_| Ok(format!("UPDATE (save_changes of {})", std::any::type_name::<Changes>())));
        self.transaction.wrote(|| "save_changes".to_owned());
        let result = watch.inside(|| self.call(Phase::Statement, no_text, |raw| raw.update_and_fetch(changeset)));
        watch.finish(None, result.is_err());
        result
    }
}

/// What can begin a transaction on MariaDB and MySQL that does not stand in its text.
/// A migration that is marked to run without a transaction is done once it is recorded: `diesel_migrations` calls no
/// `transaction()` for it, so the root that began with it would be nobody's, and be lost after success was reported.
pub(crate) fn commit_a_recorded_migration<U: Unit, T>(unit: &mut U) -> QueryResult<()> {
    let transaction = &unit.connection().transaction;
    let alone = transaction.origin() == Some(Origin::Autobegun) && !transaction.in_scope();
    if !alone || !std::any::type_name::<T>().contains("__diesel_schema_migrations") {
        return Ok(());
    }
    scope::commit_alone(unit).map_err(Refused::wrap)
}

const CALL: &str = "a CALL, an EXECUTE or the like";

fn bad_connection(error: &Error) -> ConnectionError {
    ConnectionError::BadConnection(error.to_string())
}

/// A query's text as the log may show it.
fn shown<C: Dialect, T: QueryFragment<C::Backend>>(query: &T, with_values: bool) -> QueryResult<String> {
    if with_values {
        Ok(C::sql_with_values(query))
    } else {
        C::sql(query)
    }
}
