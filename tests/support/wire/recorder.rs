//! A wire where there is none.

use std::sync::{Arc, Mutex, PoisonError};

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
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hear(&self, event: &Event<'_>) {
        match *event {
            Event::Connect { connection } => self.note(connection, Went::Connected),
            Event::Close { connection } | Event::CloseDetached { connection } => self.note(connection, Went::Ended),
            Event::CommitResolved { .. } => self.note(0, Went::FoundOut),
            Event::BeforeStatement { connection, sql } => self.note(connection, Went::Asked(sql.to_owned())),
            Event::Statement { connection, failed, .. } => self.note(connection, Went::Answered { refused: failed }),
            // Told right after the statement that has failed.
            Event::Fault {
                connection, message, ..
            } => match message {
                Self::NEVER_ARRIVED => self.correct(connection, Went::NeverArrived),
                Self::ANSWER_LOST => self.correct(connection, Went::AnswerLost { refused: false }),
                _ => {}
            },
            _ => {}
        }
    }

    fn note(&self, connection: u64, went: Went) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(Line { connection, went });
    }

    /// What looked like an error was none of the database's.
    fn correct(&self, connection: u64, went: Went) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = lines.iter_mut().rev().find(|line| line.connection == connection);
        if let Some(last) = last
            && last.went == (Went::Answered { refused: true })
        {
            last.went = went;
        }
    }
}
