//! What is looked at after a step.

use aludel::ObjectState;
use aludel::prelude::*;

use super::{Play, Stop, of, same, wrong};
use crate::models::programs::program::{Look, Pick, Which};
use crate::models::programs::reference::{Link, Object, Stage, Thing};
use crate::models::programs::tables::{Letter, Library, Topic, Writer};

impl<C: Library> Play<'_, C>
where
    Writer: Object<C>,
    Topic: Object<C>,
    Letter: Object<C>,
{
    /// Whatever can be seen without a statement.
    pub(super) fn compare(&self, session: &mut Session<C>) -> Result<(), Stop> {
        session.assert_invariants();
        same("doomed", &session.is_doomed(), &false)?;
        if self.reference.now.tables != *self.reference.committed() {
            same("in a transaction", &session.in_transaction(), &true)?;
        }
        same("what waits", &Self::session_waits(session), &self.waiting())?;
        self.compare_things::<Writer>(session)?;
        self.compare_things::<Topic>(session)?;
        self.compare_things::<Letter>(session)
    }

    fn compare_things<M: Object<C>>(&self, session: &mut Session<C>) -> Result<(), Stop> {
        for thing in self.reference.now.of::<M>() {
            let Some(entity) = thing.entity else {
                continue;
            };
            let what = |what: &str| format!("{what} of {entity:?}, key {:?}", thing.key);
            same(&what("state"), &session.state(entity), &state(thing.stage))?;
            same(&what("contains"), &session.contains(entity), &thing.is_alive())?;
            if thing.is_alive() {
                Self::compare_changes(session, entity, thing)?;
            } else {
                let read = session.read(entity).map(drop);
                match read {
                    Err(error) if error.is_stale_entity() => {}
                    other => return wrong(format!("{}: {other:?}", what("a read"))),
                }
            }
        }
        Ok(())
    }

    fn compare_changes<M: Object<C>>(session: &Session<C>, entity: Entity<M>, thing: &Thing<M>) -> Result<(), Stop> {
        if thing.stage == Stage::Pending {
            return Ok(());
        }
        let changes = session.changes(entity);
        let mut changes = changes.or_else(|error| wrong(format!("changes of {entity:?}: {error}")))?;
        let mut said = match (&thing.draft, &thing.before) {
            (Some(draft), Some(before)) => draft.differs(before),
            _ => Vec::new(),
        };
        if thing.links.is_empty() {
            same(
                &format!("modified, of {entity:?}"),
                &session.is_modified(entity),
                &!said.is_empty(),
            )?;
        }
        for list in [&mut changes, &mut said] {
            list.retain(|column| !thing.links.keys().any(|link| column == &name(*link)));
            list.sort_unstable();
        }
        same(&format!("changes of {entity:?}"), &changes, &said)
    }

    pub(super) fn look(&mut self, session: &mut Session<C>, look: Look) -> Result<(), Stop> {
        match look {
            Look::Away => Ok(()),
            Look::One(Pick(which, index)) => of!(which, M => match self.pick::<M>(index) {
                Some(at) => self.look_at::<M>(session, at),
                None => Ok(()),
            }),
            Look::All => {
                self.look_at_all::<Writer>(session)?;
                self.look_at_all::<Topic>(session)?;
                self.look_at_all::<Letter>(session)
            }
            Look::Rows => {
                self.flush(session)?;
                let rows = if self.names.is_multiple_of(2) {
                    C::typed(session)
                } else {
                    C::raw(session)
                };
                let rows = rows.or_else(|error| wrong(format!("rows: {error}")))?;
                same("the rows", &rows, &self.reference.now.tables)
            }
        }
    }

    fn look_at_all<M: Object<C>>(&mut self, session: &mut Session<C>) -> Result<(), Stop> {
        for at in 0..self.reference.now.of::<M>().len() {
            if self.reference.now.of::<M>()[at].entity.is_some() && self.is_alive::<M>(at) {
                self.look_at::<M>(session, at)?;
            }
        }
        Ok(())
    }

    fn look_at<M: Object<C>>(&mut self, session: &mut Session<C>, at: usize) -> Result<(), Stop> {
        let entity = self.entity::<M>(at);
        let read = session.no_autoflush(|session| session.read(entity).cloned());
        self.was_read::<M>(at, read)
    }

    /// What everybody else sees is what is committed.
    pub(super) fn compare_outside(&self) -> Result<(), Stop> {
        let mut raw = self.place.outside.raw_connection().expect("the database is there");
        let seen = C::seen(&mut raw).or_else(|error| wrong(format!("rows outside: {error}")))?;
        same("what others see", &seen, self.reference.committed())
    }
}

fn state(stage: Stage) -> ObjectState {
    match stage {
        Stage::Pending => ObjectState::Pending,
        Stage::Persistent => ObjectState::Persistent,
        Stage::Doomed | Stage::Deleted => ObjectState::Deleted,
        Stage::Gone => ObjectState::Detached,
    }
}

fn name(link: Link) -> &'static str {
    match link {
        Link::Writer => "writer_id",
        Link::Reply => "reply_to",
    }
}
