//! Finding out what has become of a COMMIT.
//!
//! A row that is there is the answer. A row that is missing is not one, because the COMMIT may still be on its way; so the
//! resolver writes the row itself. It gets through only if the transaction is dead, and from then on the transaction cannot
//! be committed any more, wherever its COMMIT is.

use std::time::{Duration, Instant};

use aludel_core::verify::{CommitTable, CommitToken, Mark, Resolution, ServerWord};
use aludel_core::{CancelToken, Class, Dialect, Engine, Error, Event, Flavour, Phase, Result};

use super::{Wish, read_committed};
use crate::connection::{Connection, no_text};
use crate::transaction::Origin;

/// How long one attempt waits for whoever holds the row. Longer would look at the deadline less often; shorter would cost
/// the server more.
const STEP: Duration = Duration::from_secs(1);

/// Before the old connection is ended it gets as long as a COMMIT that is on its way takes.
const GRACE: Duration = Duration::from_millis(200);

/// Between two attempts; where the database could not be asked, a longer one.
const PAUSE: Duration = Duration::from_millis(10);
const PAUSE_WITHOUT_DATABASE: Duration = Duration::from_millis(100);

/// See [`EngineExt::resolve`](crate::EngineExt::resolve). `by_force` ends the connection that still holds the row;
/// `cancel` is what whoever wants to know obeys.
#[track_caller]
pub(crate) fn resolve<C: Dialect>(
    engine: &Engine<C>,
    token: &CommitToken,
    deadline: Duration,
    by_force: bool,
    cancel: &CancelToken,
) -> Result<Resolution> {
    let clock = engine.clock();
    let started = clock.now();
    let mut last = None;
    let mut blocked = false;
    loop {
        let left = deadline.saturating_sub(clock.now() - started);
        let mut resolver = Resolver::new(engine, token, started, left);
        resolver.connection.set_cancel_token(cancel.clone());
        let ends_it = by_force && blocked && clock.now() - started >= GRACE;
        let answer = resolver.ask(if by_force { GRACE } else { STEP }, ends_it);
        resolver.leave();
        let pause = match answer {
            Ok(Answer::Resolved(resolution)) => {
                engine.emit(&Event::CommitResolved { token, resolution });
                return Ok(resolution);
            }
            Ok(Answer::Again) => PAUSE,
            Err(error) if error.class() == Class::Permanent && !error.is_commit_unknown() => {
                return Err(error.with_commit_token(*token));
            }
            Err(error) => {
                let waits = matches!(error.class(), Class::Retry | Class::Busy);
                blocked |= waits;
                last = Some(error);
                if waits { PAUSE } else { PAUSE_WITHOUT_DATABASE }
            }
        };
        if clock.now() - started + pause >= deadline {
            let error = Error::commit_unresolved(*token, deadline);
            return Err(match last {
                Some(last) => error.with_later(last),
                None => error,
            });
        }
        if let Err(exit) = cancel.sleep(clock, pause) {
            return Err(Error::from(exit).with_commit_token(*token));
        }
    }
}

impl<C: Dialect> Connection<C> {
    /// What has become of the COMMIT that `error` is about, where the root's owner wanted it resolved at once: nothing when
    /// it is committed, and otherwise the error to go on with.
    pub(crate) fn resolve_unknown(&mut self, error: Error) -> Result<()> {
        // Not the error's: where only a part is in doubt, it has none.
        let verification = &self.transaction.verification;
        let left = verification.patience(self.engine().clock().now());
        let (true, Some(left), Some(token)) = (error.is_commit_unknown(), left, verification.token()) else {
            return Err(error);
        };
        match resolve(self.engine(), &token, left, false, self.cancel_token()) {
            Ok(Resolution::Committed) => Ok(()),
            Ok(Resolution::NotCommitted) => Err(error.not_committed_after_all()),
            Ok(Resolution::Expired) => Err(error),
            Err(later) => Err(error.with_later(later)),
        }
    }
}

enum Answer {
    Resolved(Resolution),
    /// Nothing can be said yet, and nothing stands in the way of asking once more.
    Again,
}

/// One attempt, on one connection.
struct Resolver<'a, C: Dialect> {
    connection: Connection<C>,
    token: &'a CommitToken,
    /// Connections that are older are not trusted to lead to the server that serves now.
    since: Instant,
    left: Duration,
    lock_waits: Option<String>,
}

impl<'a, C: Dialect> Resolver<'a, C> {
    #[track_caller]
    fn new(engine: &Engine<C>, token: &'a CommitToken, since: Instant, left: Duration) -> Self {
        let mut connection = Connection::new(engine.clone(), false);
        // A first look needs some time, also where none is left.
        connection.patience = Some(left.max(STEP));
        Self {
            connection,
            token,
            since,
            left,
            lock_waits: None,
        }
    }

    fn ask(&mut self, step: Duration, ends_it: bool) -> Result<Answer> {
        self.connect()?;
        // First of all: who changes the table's definition, or backs it up, has it locked as a whole.
        let step = step.min(self.left);
        self.lock_waits = Some(self.call(Phase::Begin, |raw| raw.bound_lock_waits(step))?);
        let connection = &mut self.connection;
        let looked = connection.look_for_table::<CommitTable>();
        let Some(known) = looked.map_err(|error| connection.explain(error))? else {
            return Err(elsewhere("there is no table aludel_commits"));
        };
        if known.identity != self.token.recorded().table {
            connection.engine().remember_commit_table(None);
            return Err(elsewhere("the table aludel_commits is another one"));
        }
        if ends_it {
            let token = self.token;
            self.call(Phase::Begin, |raw| raw.end_backend_of(token))?;
        }
        self.connection.wish = Wish {
            verified: Some(false),
            ..Wish::default()
        };
        self.connection.begin_immediate = true;
        // A duplicate is an answer there, and not a serialization failure.
        self.connection.begin_root(Origin::Explicit, read_committed::<C>())?;
        let key = self.token.key();
        if self.is_expired()? {
            return Ok(Answer::Resolved(Resolution::Expired));
        }
        if let Some(mark) = self.statement(|raw| raw.read_commit(&key))? {
            return Ok(Answer::Resolved(of_mark(mark)));
        }
        let token = self.token;
        if self.statement(|raw| raw.ask_by_number(token, known))? == ServerWord::Aborted {
            return Ok(Answer::Resolved(Resolution::NotCommitted));
        }
        if !self.statement(|raw| raw.fence_commit(&key))? {
            // Who was first? Perhaps another resolver.
            return Ok(match self.statement(|raw| raw.read_commit(&key))? {
                Some(mark) => Answer::Resolved(of_mark(mark)),
                None => Answer::Again,
            });
        }
        // The row may have been there, and have been purged while this call was waiting.
        if self.is_expired()? {
            return Ok(Answer::Resolved(Resolution::Expired));
        }
        match self.connection.commit_root() {
            Ok(()) => Ok(Answer::Resolved(Resolution::NotCommitted)),
            // Whether the fence stands is found out as for any other COMMIT: by looking again.
            Err(error) if error.is_commit_unknown() || error.class() != Class::Permanent => Ok(Answer::Again),
            Err(error) => Err(error),
        }
    }

    /// A new connection, unless the database is a file, or in memory: those do not move.
    fn connect(&mut self) -> Result<()> {
        loop {
            let engine = self.connection.engine().clone();
            let asking_for = engine.clock().now() - self.since;
            let age = self.connection.connected()?.age();
            // Ages are right to about 50 ms.
            if C::FLAVOUR == Flavour::Sqlite || age <= asking_for + Duration::from_millis(100) {
                return Ok(());
            }
            self.connection.discard("a commit is resolved on a new connection");
        }
    }

    fn is_expired(&mut self) -> Result<bool> {
        let now = self.statement(C::server_clock)?;
        let retention = self.connection.engine().commit_token_retention().as_micros();
        let age = now.saturating_sub(self.token.recorded().created_at);
        Ok(u128::try_from(age).is_ok_and(|age| age > retention))
    }

    fn statement<T>(&mut self, f: impl FnOnce(&mut C) -> diesel::QueryResult<T>) -> Result<T> {
        self.call(Phase::Statement, f)
    }

    fn call<T>(&mut self, phase: Phase, f: impl FnOnce(&mut C) -> diesel::QueryResult<T>) -> Result<T> {
        let result = self.connection.call(phase, no_text, f);
        result.map_err(|error| self.connection.explain(error))
    }

    /// Nothing of the attempt is left on the connection.
    fn leave(&mut self) {
        let connection = &mut self.connection;
        connection.rollback_root();
        if let Some(was) = self.lock_waits.take()
            && connection.is_connected()
            && connection
                .send(Phase::Rollback, |raw| raw.put_lock_waits_back(&was))
                .is_err()
        {
            connection.discard("its lock time-out could not be put back");
        }
        connection.release();
    }
}

fn of_mark(mark: Mark) -> Resolution {
    match mark {
        Mark::Committed => Resolution::Committed,
        Mark::Fenced => Resolution::NotCommitted,
    }
}

fn elsewhere(what: &str) -> Error {
    Error::misuse(format!(
        "the commit token cannot be resolved here: {what}, not the one that it was written into; use an engine on the same \
         database, with the same search_path (a table that was dropped takes its tokens along)"
    ))
}
