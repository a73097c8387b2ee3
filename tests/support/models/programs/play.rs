//! How a program is played: each step is done on a session and in the [reference](super::reference), and both are compared.
//!
//! | File | What is done there |
//! |---|---|
//! | `around` | what a verb may have written before it did anything else, and how it fails |
//! | `objects` | the verbs on objects |
//! | `family` | those on parents and children |
//! | `beside` | statements beside the objects, other people, lost connections |
//! | `compare` | what is looked at after a step |

use aludel::SessionFactory;
use aludel::prelude::*;
use aludel::testing::FaultScript;

mod around;
mod beside;
mod compare;
mod family;
mod objects;

use super::program::{Deed, Leave, Look, Pick, Program, Step, Which};
use super::reference::{Kind, Object, Reference, Stage};
use super::tables::{EMPTY, Letter, Library, Topic, Writer};
use around::Learn;

/// Where programs are played, one after the other.
pub(super) struct Place<C: Dialect> {
    engine: Engine<C>,
    /// Its INSERTs give nothing back, and its statements have few rows.
    sparing: Engine<C>,
    outside: Engine<C>,
    script: FaultScript,
    _kept: Box<dyn std::any::Any>,
}

/// A program under way.
struct Play<'p, C: Dialect> {
    place: &'p Place<C>,
    reference: Reference,
    keeps: bool,
    /// Names that nobody has yet.
    names: u32,
    /// What was done, with what.
    diary: Vec<String>,
}

/// Why a level is left.
#[derive(Debug)]
enum Stop {
    /// Session and reference disagree.
    Wrong(String),
    /// The innermost level takes nothing but its rollback.
    Doomed,
    /// The connection is lost.
    Lost,
    /// By choice.
    Chosen,
    /// What the session says when it leaves a level.
    Ours(aludel::Error),
}

impl From<aludel::Error> for Stop {
    fn from(error: aludel::Error) -> Self {
        Self::Ours(error)
    }
}

/// What is wrong.
fn wrong<T>(text: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Wrong(text.into()))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, session: &T, reference: &T) -> Result<(), Stop> {
    if session == reference {
        Ok(())
    } else {
        wrong(format!(
            "{what}:\n      {session:?} of the session's,\n      {reference:?} of the reference's"
        ))
    }
}

/// Does something with the model that a [`Which`] names.
macro_rules! of {
    ($which:expr, $model:ident => $done:expr) => {
        match $which {
            Which::Writer => {
                type $model = Writer;
                $done
            }
            Which::Topic => {
                type $model = Topic;
                $done
            }
            Which::Letter => {
                type $model = Letter;
                $done
            }
        }
    };
}
use of;

impl<C: Library> Place<C>
where
    Writer: Object<C>,
    Topic: Object<C>,
    Letter: Object<C>,
{
    pub(super) fn open(name: &str) -> Self {
        let (url, kept) = C::place(name);
        let url = match C::FLAVOUR {
            aludel::Flavour::Sqlite => format!("{url}?foreign_keys=on&synchronous=off"),
            _ => url,
        };
        let outside = Engine::<C>::new(url.as_str()).expect("the URL of a test is sound");
        let mut raw = outside.raw_connection().expect("the database is there");
        for sql in C::TABLES {
            raw.batch_execute(sql).expect("the database is empty");
        }
        // It is about what is written, not about what survives a power cut; this makes a program three times as fast.
        if C::FLAVOUR == aludel::Flavour::PostgreSql {
            let lazily = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit TO off', \
                          current_database()); END $$; SET synchronous_commit TO off";
            raw.batch_execute(lazily).expect("the database is the test's own");
        }
        drop(raw);
        let script = FaultScript::new();
        let builder = || Engine::<C>::builder(url.as_str()).faults(script.clone());
        let sparing = builder().implicit_returning(false).insertmanyvalues_page_size(4);
        Self {
            engine: builder().build().expect("the options fit together"),
            sparing: sparing.build().expect("the options fit together"),
            outside,
            script,
            _kept: kept,
        }
    }

    /// Plays a program.
    ///
    /// # Errors
    ///
    /// What was done, and where session and reference disagree.
    pub(super) fn play(&self, program: &Program) -> Result<(), String> {
        let mut raw = self.outside.raw_connection().expect("the database is there");
        raw.batch_execute(EMPTY).expect("nobody holds a lock");
        drop(raw);
        let mut play = Play {
            place: self,
            reference: Reference::new(),
            keeps: program.keeps,
            names: 0,
            diary: Vec::new(),
        };
        let engine = if program.sparing { &self.sparing } else { &self.engine };
        let factory = SessionFactory::new(engine).expire_on_commit(!program.keeps);
        let mut session = factory.session();
        let result = play.all(&mut session, &program.steps);
        let text = match result {
            Ok(()) => return Ok(()),
            Err(Stop::Wrong(text)) => text,
            Err(other) => format!("the program was left in a way that is none: {other:?}"),
        };
        let held = session.objects().to_string();
        drop(session);
        Err(format!(
            "{text}\n\n  What was done:\n    {}\n\n  The session holds:\n{held}",
            play.diary.join("\n    ")
        ))
    }
}

impl<C: Library> Play<'_, C>
where
    Writer: Object<C>,
    Topic: Object<C>,
    Letter: Object<C>,
{
    fn all(&mut self, session: &mut Session<C>, steps: &[Step]) -> Result<(), Stop> {
        for step in steps {
            match self.step(session, step) {
                Err(Stop::Doomed | Stop::Lost) => self.rollback(session)?,
                other => other?,
            }
        }
        match self.commit(session) {
            Err(Stop::Doomed | Stop::Lost) => self.rollback(session),
            other => other,
        }
    }

    fn step(&mut self, session: &mut Session<C>, step: &Step) -> Result<(), Stop> {
        self.note(|| match &step.deed {
            Deed::Nested(..) => "begin_nested".to_owned(),
            deed => format!("{deed:?}"),
        });
        self.deed(session, &step.deed)?;
        self.compare(session)?;
        if step.look != Look::Away {
            self.look(session, step.look)?;
            self.compare(session)?;
        }
        Ok(())
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        let indent = "    ".repeat(self.reference.depth());
        self.diary.push(format!("{indent}{}", text()));
    }

    /// A detail of the last step.
    fn with(&mut self, text: impl AsRef<str>) {
        if let Some(last) = self.diary.last_mut() {
            last.push_str("; ");
            last.push_str(text.as_ref());
        }
    }

    fn deed(&mut self, session: &mut Session<C>, deed: &Deed) -> Result<(), Stop> {
        match deed {
            Deed::Add(make) => {
                of!(make.which, M => self.add::<M>(session, *make));
                Ok(())
            }
            Deed::AddMany(which, count) => of!(*which, M => self.add_many::<M>(session, *count)),
            Deed::AddTo(parent) => self.add_to_writer(session, *parent),
            Deed::Answer(letter) => self.answer(session, *letter),
            Deed::SetWriter(child, parent) => self.set_writer(session, *child, *parent),
            Deed::SetReply(child, parent) => self.set_reply(session, *child, *parent),
            Deed::ClearWriter(child) => self.clear(session, *child, super::reference::Link::Writer),
            Deed::ClearReply(child) => self.clear(session, *child, super::reference::Link::Reply),
            Deed::Edit(which, change) => self.change(session, *which, *change),
            Deed::Swap(which, a, b) => of!(*which, M => self.swap::<M>(session, *a, *b)),
            Deed::EditAll(which, with) => of!(*which, M => self.edit_all::<M>(session, *with)),
            Deed::Delete(Pick(which, index)) => of!(*which, M => self.delete::<M>(session, *index)),
            Deed::Merge(Pick(which, index), with) => of!(*which, M => self.merge::<M>(session, *index, *with)),
            Deed::Expunge(Pick(which, index)) => of!(*which, M => self.expunge::<M>(session, *index)),
            Deed::Detach(Pick(which, index)) => of!(*which, M => self.detach::<M>(session, *index)),
            Deed::Expire(Pick(which, index)) => of!(*which, M => self.expire::<M>(session, *index)),
            Deed::ExpireAll => {
                session.expire_all();
                Ok(())
            }
            Deed::Refresh(Pick(which, index)) => of!(*which, M => self.refresh::<M>(session, *index)),
            Deed::Read(Pick(which, index)) => of!(*which, M => self.read::<M>(session, *index)),
            Deed::Get(Pick(which, index)) => of!(*which, M => self.get::<M>(session, *index)),
            Deed::GetMany(which, first) => of!(*which, M => self.get_many::<M>(session, *first)),
            Deed::Query(which, all) => self.query(session, *which, *all),
            Deed::Parents(child) => self.parents(session, *child),
            Deed::Letters(parent) => self.letters(session, *parent),
            Deed::Plain(plan, way) => self.plain(session, *plan, *way, false),
            Deed::Quietly(plan, way) => self.plain(session, *plan, *way, true),
            Deed::Flush => self.flush(session),
            Deed::Nested(steps, leave) => self.nested(session, steps, *leave),
            Deed::Commit => self.commit(session),
            Deed::Rollback => self.rollback(session),
            Deed::CutCommit(arrives) => self.cut_commit(session, *arrives),
            Deed::Kill => self.kill(session),
            Deed::Conflict(which) => self.conflict(session, *which),
            Deed::Rival(plan) => self.rival(session, *plan),
        }
    }

    fn flush(&mut self, session: &mut Session<C>) -> Result<(), Stop> {
        let result = self.around(session, Learn::ByIndex, None, Session::flush)?;
        result.or_else(|error| wrong(format!("flush: {error}")))?;
        if self.reference.now.has_work() {
            return wrong("flush has left something unwritten");
        }
        Ok(())
    }

    fn commit(&mut self, session: &mut Session<C>) -> Result<(), Stop> {
        let waiting = self.waiting();
        if let Err(error) = session.commit() {
            self.failure_was_expected(&error, None)?;
            return Err(Stop::Doomed);
        }
        if !waiting.is_empty() {
            self.flushed(session, Learn::ByIndex)?;
        }
        self.reference.commit();
        self.compare_outside()
    }

    fn rollback(&mut self, session: &mut Session<C>) -> Result<(), Stop> {
        if session.is_doomed() {
            Self::refused(session)?;
        }
        self.note(|| "rollback".to_owned());
        session
            .rollback()
            .or_else(|error| wrong(format!("rollback: {error}")))?;
        same("doomed after the rollback", &session.is_doomed(), &false)?;
        self.reference.rollback();
        self.compare_outside()?;
        self.compare(session)
    }

    /// A doomed level takes nothing.
    fn refused(session: &mut Session<C>) -> Result<(), Stop> {
        match session.no_autoflush(|session| C::raw(session).map_err(aludel::Error::from)) {
            Err(error) if error.is_doomed() => Ok(()),
            Err(error) => wrong(format!("a doomed level has answered: {error}")),
            Ok(_) => wrong("a doomed level has answered a query"),
        }
    }

    fn nested(&mut self, session: &mut Session<C>, steps: &[Step], leave: Leave) -> Result<(), Stop> {
        let mut entered = false;
        let waiting = self.waiting();
        let result = session.begin_nested_with(|nested| -> Result<(), Stop> {
            entered = true;
            if !waiting.is_empty() {
                self.flushed(nested, Learn::ByReading)?;
            }
            self.reference.push();
            let left = self.inside(nested, steps, leave);
            if matches!(left, Err(Stop::Doomed)) {
                Self::refused(nested)?;
            }
            left
        });
        if !entered {
            return match result {
                Err(Stop::Ours(error)) => Err(self.has_failed(session, &error, None)),
                other => wrong(format!("begin_nested was not entered: {other:?}")),
            };
        }
        match result {
            Ok(()) => {
                self.reference.release();
                self.note(|| "released".to_owned());
                if !self.waiting().is_empty() {
                    self.flushed(session, Learn::ByReading)?;
                }
            }
            Err(Stop::Ours(error)) => {
                self.failure_was_expected(&error, None)?;
                self.reference.undo();
                self.note(|| "undone, since what was pending could not be written".to_owned());
            }
            Err(Stop::Chosen | Stop::Doomed) => {
                self.reference.undo();
                self.note(|| "undone".to_owned());
            }
            Err(other) => return Err(other),
        }
        same("doomed after the savepoint", &session.is_doomed(), &false)?;
        Ok(())
    }

    fn inside(&mut self, nested: &mut Session<C>, steps: &[Step], leave: Leave) -> Result<(), Stop> {
        self.compare(nested)?;
        for step in steps {
            self.step(nested, step)?;
        }
        match leave {
            Leave::Ok => Ok(()),
            Leave::Err => Err(Stop::Chosen),
        }
    }

    /// A name that nobody has.
    fn fresh(&mut self, with: &str) -> String {
        self.names += 1;
        format!("{with}{}", self.names)
    }

    /// One of the objects that somebody was given; most of them are alive.
    fn pick<M: Object<C>>(&self, index: u8) -> Option<usize> {
        let known = |at: &usize| self.reference.now.of::<M>()[*at].entity.is_some();
        let all: Vec<usize> = (0..self.reference.now.of::<M>().len()).filter(known).collect();
        let alive: Vec<usize> = all.iter().copied().filter(|&at| self.is_alive::<M>(at)).collect();
        let among = if index.is_multiple_of(16) { all } else { alive };
        among.get(usize::from(index).checked_rem(among.len())?).copied()
    }

    fn pick_alive<M: Object<C>>(&self, index: u8) -> Option<usize> {
        self.pick::<M>(index).filter(|&at| self.is_alive::<M>(at))
    }

    fn is_alive<M: Kind>(&self, at: usize) -> bool {
        self.reference.now.of::<M>()[at].is_alive()
    }

    fn entity<M: Kind>(&self, at: usize) -> Entity<M> {
        self.reference.now.of::<M>()[at]
            .entity
            .expect("it was picked from those that are known")
    }

    fn stage<M: Kind>(&self, at: usize) -> Stage {
        self.reference.now.of::<M>()[at].stage
    }
}
