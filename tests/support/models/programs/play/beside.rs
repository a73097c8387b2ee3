//! Statements beside the objects, other people, lost connections.

use aludel::prelude::*;
use aludel::{Flavour, Phase};
use diesel::result::DatabaseErrorKind;

use super::around::{Learn, trouble};
use super::{Play, Stop, same, wrong};
use crate::models::programs::program::{Plan, Way};
use crate::models::programs::reference::{Object, Stage, Trouble};
use crate::models::programs::tables::{Letter, Library, Plain, Tables, Topic, Writer};
use crate::wire::Recorder;

impl<C: Library> Play<'_, C>
where
    Writer: Object<C>,
    Topic: Object<C>,
    Letter: Object<C>,
{
    pub(super) fn plain(&mut self, session: &mut Session<C>, plan: Plan, way: Way, quiet: bool) -> Result<(), Stop> {
        let Some(statement) = self.resolved(plan) else {
            return Ok(());
        };
        self.with(statement.sql());
        let own = self.refusal(&statement, quiet);
        let result = if quiet {
            let verb = |session: &mut Session<C>| {
                session.no_autoflush(|session| C::run(session, &statement, way).map_err(aludel::Error::from))
            };
            self.around(session, Learn::ByReading, own, verb)?
        } else {
            let verb = |session: &mut Session<C>| C::run(session, &statement, way).map_err(aludel::Error::from);
            self.around(session, Learn::ByReading, own, verb)?
        };
        if !quiet && self.reference.now.has_work() {
            return wrong("a statement has left something unwritten");
        }
        match (result, own) {
            (Ok(()), None) => {
                let applied = self.reference.now.tables.apply(&statement);
                applied.or_else(|trouble| wrong(format!("it was done, in spite of {trouble:?}")))
            }
            // Not every driver says what kind of error a batch has met.
            (Err(error), Some(own)) if trouble(&error) == Some(own) || way == Way::Batch => {
                self.with(format!("refused: {error}"));
                if C::FLAVOUR == Flavour::PostgreSql {
                    return wrong("PostgreSQL's transaction is aborted, and the level is not doomed");
                }
                Ok(())
            }
            (Ok(()), Some(own)) => wrong(format!("it was done, in spite of {own:?}")),
            (Err(error), own) => wrong(format!("the reference knows {own:?}, and it has failed: {error}")),
        }
    }

    /// Why the database will refuse it.
    fn refusal(&self, statement: &Plain, quiet: bool) -> Option<Trouble> {
        let mut tables: Tables = if quiet {
            self.reference.now.tables.clone()
        } else {
            let mut next = i32::MIN;
            let forecast = self.reference.now.flush(&mut |_, _| {
                next += 1;
                next
            });
            forecast.after.tables
        };
        tables.apply(statement).err()
    }

    /// With rows that are there, if there are any.
    fn resolved(&mut self, plan: Plan) -> Option<Plain> {
        fn nth<K: Clone, V>(rows: &std::collections::BTreeMap<K, V>, index: u8) -> Option<K> {
            rows.keys().nth(usize::from(index).checked_rem(rows.len())?).cloned()
        }
        let name = self.fresh("plain");
        let Tables {
            writers,
            topics,
            letters,
        } = &self.reference.now.tables;
        Some(match plan {
            Plan::Grade(row, with) => {
                Plain::Grade(nth(writers, row)?, (!with.is_multiple_of(4)).then_some(i32::from(with)))
            }
            Plan::Bump(row) => Plain::Bump(nth(writers, row)?),
            Plan::Rename(row, with) if with.is_multiple_of(4) => {
                let other = nth(writers, with)?;
                Plain::Rename(nth(writers, row)?, writers.get(&other)?.name.clone())
            }
            Plan::Rename(row, _) => Plain::Rename(nth(writers, row)?, name),
            Plan::AddWriter(with) => Plain::AddWriter(-1 - i32::from(with % 6), name),
            Plan::RemoveWriter(row) => Plain::RemoveWriter(nth(writers, row)?),
            Plan::Weight(row, with) => Plain::Weight(nth(topics, row)?, i32::from(with)),
            Plan::WeightAll(with) => Plain::WeightAll(i32::from(with)),
            Plan::Retitle(row, with) if with.is_multiple_of(4) => Plain::Retitle(nth(topics, row)?, nth(topics, with)?),
            Plan::Retitle(row, with) => Plain::Retitle(nth(topics, row)?, self.title(with).unwrap_or(name)),
            Plan::AddTopic(with) => Plain::AddTopic(self.title(with).unwrap_or(name), i32::from(with)),
            Plan::RemoveTopic(row) => Plain::RemoveTopic(nth(topics, row)?),
            Plan::Text(row, with) => Plain::Text(nth(letters, row)?, format!("plain{with}")),
            Plan::Give(row, with) => Plain::Give(nth(letters, row)?, nth(writers, with)),
            Plan::RemoveLetter(row) => Plain::RemoveLetter(nth(letters, row)?),
        })
    }

    /// A name that objects have had and no row has.
    fn title(&self, with: u8) -> Option<String> {
        let now = &self.reference.now;
        let things = now.things.topics.iter().filter_map(|thing| thing.key.clone());
        let free: Vec<String> = things.filter(|key| !now.tables.topics.contains_key(key)).collect();
        free.get(usize::from(with).checked_rem(free.len())?).cloned()
    }

    /// Between transactions.
    pub(super) fn rival(&mut self, session: &mut Session<C>, plan: Plan) -> Result<(), Stop> {
        if session.in_transaction() || self.keeps {
            return Ok(());
        }
        let Some(statement) = self.resolved(plan) else {
            return Ok(());
        };
        self.with(statement.sql());
        let refusal = self.reference.committed().clone().apply(&statement).err();
        let mut raw = self.place.outside.raw_connection().expect("the database is there");
        match (raw.batch_execute(&statement.sql()), refusal) {
            (Ok(()), None) => {
                self.reference
                    .meanwhile(|tables| tables.apply(&statement).expect("it was tried"));
                Ok(())
            }
            (Err(_), Some(_)) => Ok(()),
            (result, refusal) => wrong(format!(
                "the reference knows {refusal:?} of a statement outside: {result:?}"
            )),
        }
    }

    /// The connection is lost, and the next statement learns it.
    pub(super) fn kill(&mut self, session: &mut Session<C>) -> Result<(), Stop> {
        if !session.in_transaction() {
            return Ok(());
        }
        if C::FLAVOUR == Flavour::Sqlite {
            let closed = DatabaseErrorKind::ClosedConnection;
            let script = &self.place.script;
            script.fail_before(Phase::Statement, closed, Recorder::NEVER_ARRIVED);
        } else {
            let backend = session.no_autoflush(Session::backend_id);
            let backend = backend.or_else(|error| wrong(format!("backend_id: {error}")))?;
            C::kill(backend.expect("a server has a number for each connection"));
        }
        let result = session.no_autoflush(|session| C::typed(session).map_err(aludel::Error::from));
        match result {
            Err(error) if error.is_disconnect() => Err(Stop::Lost),
            Err(error) => wrong(format!("the connection is lost: {error}")),
            Ok(_) => wrong("the connection is lost, and answers"),
        }
    }

    /// Nobody knows what has become of the transaction. The objects are as after a rollback, and read again.
    pub(super) fn cut_commit(&mut self, session: &mut Session<C>, arrives: bool) -> Result<(), Stop> {
        self.flush(session)?;
        if !session.in_transaction() {
            return Ok(());
        }
        let closed = DatabaseErrorKind::ClosedConnection;
        if arrives {
            self.place
                .script
                .fail_after(Phase::Commit, closed, Recorder::ANSWER_LOST);
        } else {
            self.place
                .script
                .fail_before(Phase::Commit, closed, Recorder::NEVER_ARRIVED);
        }
        match session.commit() {
            Err(error) if error.is_commit_unknown() => {}
            // Nothing was written.
            other if self.reference.now.tables == *self.reference.committed() => drop(other),
            other => return wrong(format!("the answer to COMMIT was lost: {other:?}")),
        }
        same("faults that are still to come", &self.place.script.remaining(), &0)?;
        let written = self.reference.now.tables.clone();
        self.reference.rollback();
        if arrives {
            self.reference.meanwhile(|tables| tables.clone_from(&written));
        }
        self.compare_outside()
    }

    /// A writer is edited, and has another version when that is written.
    pub(super) fn conflict(&mut self, session: &mut Session<C>, index: u8) -> Result<(), Stop> {
        let Some(at) = self
            .pick_alive::<Writer>(index)
            .filter(|&at| self.stage::<Writer>(at) == Stage::Persistent)
        else {
            return Ok(());
        };
        let entity = self.entity::<Writer>(at);
        let change = |writer: &mut Writer| writer.grade = Some(writer.grade.unwrap_or(0) + 1000);
        let result = self.around(session, Learn::ByReading, None, |session| {
            session.edit(entity).map(change)
        })?;
        if !self.is_there::<Writer, _>(at, &result)? {
            return Ok(());
        }
        change(self.reference.now.draft::<Writer>(at));
        let key = self.reference.now.things.writers[at].key.expect("it is persistent");
        if self.reference.now.tables.writers.contains_key(&key) {
            self.bump(session, key)?;
        }
        self.flush(session)?;
        wrong("a row with another version was written")
    }

    /// By somebody else if that can be, and otherwise beside the objects.
    fn bump(&mut self, session: &mut Session<C>, key: i32) -> Result<(), Stop> {
        let statement = Plain::Bump(key);
        let is_committed = self.reference.committed().writers.contains_key(&key);
        if self.reference.depth() == 0 && C::FLAVOUR != Flavour::Sqlite && is_committed {
            let mut raw = self.place.outside.raw_connection().expect("the database is there");
            let lock = format!("BEGIN; SELECT id FROM writers WHERE id = {key} FOR UPDATE NOWAIT");
            if raw.batch_execute(&lock).is_ok() {
                let done = raw.batch_execute(&format!("{}; COMMIT", statement.sql()));
                done.or_else(|error| wrong(format!("somebody else: {error}")))?;
                self.reference
                    .meanwhile(|tables| tables.apply(&statement).expect("it is only a version"));
                self.with("changed by somebody else");
                return Ok(());
            }
            raw.batch_execute("ROLLBACK").expect("somebody else goes away");
        }
        let run = |session: &mut Session<C>| C::run(session, &statement, Way::Typed);
        session
            .no_autoflush(run)
            .or_else(|error| wrong(format!("a version: {error}")))?;
        self.reference
            .now
            .tables
            .apply(&statement)
            .expect("it is only a version");
        self.with("changed beside it");
        Ok(())
    }
}
