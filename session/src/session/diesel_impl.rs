//! Diesel's traits for [`Session`]: what is pending is written, then the connection takes over.

use aludel_core::{Dialect, Refused};
use diesel::connection::{
    CacheSize, Connection as DieselConnection, ConnectionSealed, Instrumentation, LoadConnection, SimpleConnection,
};
use diesel::expression::QueryMetadata;
use diesel::migration::MigrationConnection;
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::query_dsl::UpdateAndFetchResults;
use diesel::r2d2::R2D2Connection;
use diesel::result::{ConnectionResult, QueryResult};

use super::Session;
use crate::connection::{
    Connection, Cursor, Effect, Touched, commit_a_recorded_migration, effect, touched_by_text, touched_by_type,
};
use crate::transaction::scope::{Change, Unit as _};
use crate::transaction::{Manager, Transaction, by_text};

impl<C: Dialect> Session<C> {
    fn before_statement(&mut self) -> QueryResult<&mut Connection<C>> {
        self.about_to_use().map_err(Refused::wrap)?;
        Ok(&mut self.connection)
    }

    /// What a query may change behind the back of the identity map is read again.
    fn expire_touched<T: QueryFragment<C::Backend>>(&mut self, query: &T) {
        let touched = touched_by_type::<T>().unwrap_or_else(|| match C::sql(query) {
            Ok(sql) => touched_by_text(C::FLAVOUR, &sql),
            Err(_) => Touched::Anything,
        });
        match touched {
            Touched::Nothing => {}
            Touched::Table(table) => self.objects.expire_table(table, || C::sql(query).ok()),
            Touched::Anything => self.objects.expire_all(),
        }
    }

    fn commits_by_the_way(&self) -> u32 {
        self.connection.transaction.commits_by_the_way
    }

    /// What DDL on MariaDB and MySQL has committed by the way, no rollback undoes.
    fn follow_commits_by_the_way(&mut self, before: u32) {
        if self.commits_by_the_way() != before {
            self.objects.follow(Change::Committed);
        }
    }
}

impl<C: Dialect> SimpleConnection for Session<C> {
    fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        let effect = effect(C::FLAVOUR, query);
        if effect == Effect::Control {
            return by_text::steer(self, query);
        }
        let commits = self.commits_by_the_way();
        let result = self.before_statement()?.run_batch(effect, query);
        // Also when it has failed: a part of it may be done, and the transaction go on.
        self.follow_commits_by_the_way(commits);
        if touched_by_text(C::FLAVOUR, query) != Touched::Nothing {
            self.objects.expire_all();
        }
        result
    }
}

impl<C: Dialect> ConnectionSealed for Session<C> {}

impl<C: Dialect> DieselConnection for Session<C> {
    type Backend = C::Backend;
    type TransactionManager = Manager;

    /// An engine of its own for one session, connected at once, as Diesel's callers expect.
    fn establish(database_url: &str) -> ConnectionResult<Self> {
        Ok(Self::on_connection(Connection::establish(database_url)?, None))
    }

    fn begin_test_transaction(&mut self) -> QueryResult<()> {
        self.connection.begin_test_transaction()
    }

    fn execute_returning_count<T>(&mut self, source: &T) -> QueryResult<usize>
    where
        T: QueryFragment<Self::Backend> + QueryId,
    {
        let effect = Connection::<C>::effect_of(source)?;
        if effect == Effect::Control {
            return by_text::steer(self, &C::sql(source)?).map(|()| 0);
        }
        let commits = self.commits_by_the_way();
        let count = self.before_statement()?.run_counted(effect, source);
        self.follow_commits_by_the_way(commits);
        self.expire_touched(source);
        let count = count?;
        commit_a_recorded_migration::<_, T>(self)?;
        Ok(count)
    }

    fn transaction_state(&mut self) -> &mut Transaction {
        self.connection.transaction_state()
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        self.connection.instrumentation()
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.connection.set_instrumentation(instrumentation);
    }

    fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
        self.connection.set_prepared_statement_cache_size(size);
    }
}

impl<B, C> LoadConnection<B> for Session<C>
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
        self.about_to_use().map_err(Refused::wrap)?;
        // Before it is sent, since its rows borrow the session: what is pending has just been written.
        self.expire_touched(&source);
        LoadConnection::<B>::load(&mut self.connection, source)
    }
}

impl<C: Dialect> R2D2Connection for Session<C> {
    fn ping(&mut self) -> QueryResult<()> {
        self.connection.ping()
    }

    fn is_broken(&mut self) -> bool {
        self.connection.is_broken()
    }
}

impl<C: Dialect + MigrationConnection> MigrationConnection for Session<C> {
    fn setup(&mut self) -> QueryResult<usize> {
        let count = self.before_statement()?.setup()?;
        // It has committed what it has begun.
        if !self.connection.transaction.has_begun() {
            self.follow(Change::Superseded);
        }
        Ok(count)
    }
}

impl<C, Changes, Output> UpdateAndFetchResults<Changes, Output> for Session<C>
where
    C: Dialect + UpdateAndFetchResults<Changes, Output>,
{
    fn update_and_fetch(&mut self, changeset: Changes) -> QueryResult<Output> {
        let output = self.before_statement()?.update_and_fetch(changeset);
        self.objects.expire_all();
        output
    }
}
