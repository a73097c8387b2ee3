//! A wire where there is none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aludel::{Dialect, EngineBuilder, Event};

use super::{Line, Went};

/// Writes down what an engine tells of its statements and connections, as a proxy writes down what goes by. Clones write
/// into the same book.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Vec<Line>>>);

impl Recorder {
    /// What a fault script says of a statement that it does not let through.
    pub const NEVER_ARRIVED: &'static str = "the connection was lost on the way to the database";

    /// What it says of one whose answer it keeps.
    pub const ANSWER_LOST: &'static str = "the connection was lost on the way back";

    /// An engine with such a book.
    pub fn on<C: Dialect>(&self, builder: EngineBuilder<C>) -> EngineBuilder<C> {
        let (of_pool, of_statements) = (self.clone(), self.clone());
        builder
            .listen(move |event| of_pool.hear(event))
            .listen_statements(move |event| of_statements.hear(event))
    }

    /// What was written, which is forgotten.
    pub fn take(&self) -> Vec<Line> {
        std::mem::take(&mut *self.lines())
    }

    fn hear(&self, event: &Event<'_>) {
        match *event {
            Event::Connect { connection } => self.note(connection, Went::Connected),
            Event::Close { connection } | Event::CloseDetached { connection } => self.note(connection, Went::Ended),
            Event::CommitResolved { .. } => self.note(0, Went::FoundOut),
            Event::BeforeStatement { connection, sql } => self.note(connection, Went::Asked(sql.to_owned())),
            Event::Statement { connection, failed, .. } => self.answer(connection, Went::Answered { refused: failed }),
            // Of a statement that has failed, and told before its end or after it.
            Event::Fault {
                connection, message, ..
            } => match message {
                Self::NEVER_ARRIVED => self.answer(connection, Went::NeverArrived),
                Self::ANSWER_LOST => self.answer(connection, Went::AnswerLost { refused: false }),
                _ => {}
            },
            _ => {}
        }
    }

    fn note(&self, connection: u64, went: Went) {
        self.lines().push(Line { connection, went });
    }

    /// What became of the statement that was asked last on a connection. That it was lost is no error of the database's.
    fn answer(&self, connection: u64, went: Went) {
        let mut lines = self.lines();
        let Some(last) = lines.iter_mut().rev().find(|line| line.connection == connection) else {
            return;
        };
        match (&last.went, &went) {
            (Went::Asked(_), _) => lines.push(Line { connection, went }),
            (Went::Answered { refused: true }, Went::NeverArrived | Went::AnswerLost { .. }) => last.went = went,
            _ => {}
        }
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
