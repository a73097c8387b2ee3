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
}

impl<C: Dialect> SimpleConnection for Session<C> {
    fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        let effect = effect(C::FLAVOUR, query);
        if effect == Effect::Control {
            return by_text::steer(self, query);
        }
        self.before_statement()?.run_batch(effect, query)?;
        self.objects.expire(touched_by_text(C::FLAVOUR, query));
        Ok(())
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
        let count = self.before_statement()?.run_counted(effect, source)?;
        self.objects.expire(touched::<C, T>(source));
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
        self.objects.expire(touched::<C, T>(&source));
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
        let output = self.before_statement()?.update_and_fetch(changeset)?;
        self.objects.expire(Touched::Anything);
        Ok(output)
    }
}

/// Which rows a query may change behind the back of the identity map.
fn touched<C: Dialect, T: QueryFragment<C::Backend>>(query: &T) -> Touched {
    touched_by_type::<T>().unwrap_or_else(|| match C::sql(query) {
        Ok(sql) => touched_by_text(C::FLAVOUR, &sql),
        Err(_) => Touched::Anything,
    })
}
