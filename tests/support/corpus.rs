//! What a server really says, held against the corpus of the classifier.
//!
//! A story provokes an error through an engine that has [`Heard::hook`], or shows one of a plain connection to
//! [`Heard::note`], and says with [`Heard::expect`] what it must have been taken for. Each error must also stand in
//! `core/src/classify/corpus.txt`, with its phase, its kind and its words, values and names excepted.

use std::fmt::{self, Debug};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use aludel::classify::{Flavour, Verdict, classify, classify_connect};
use aludel::{Dialect, Engine, EngineBuilder, ErrorContext, Phase};
use diesel::ConnectionError;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

const CORPUS: &str = include_str!("../../core/src/classify/corpus.txt");

/// A text of the corpus.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whose text it is.
    pub flavour: Flavour,
    /// When it came.
    pub phase: Phase,
    /// The kind that Diesel gave it.
    pub kind: DatabaseErrorKind,
    /// The words.
    pub text: String,
}

impl Line {
    /// What it is taken for.
    pub fn verdict(&self) -> Verdict {
        self.verdict_of(&self.text)
    }

    /// What other words would be taken for in its place.
    pub fn verdict_of(&self, text: &str) -> Verdict {
        if self.phase == Phase::Connect {
            classify_connect(self.flavour, &ConnectionError::BadConnection(text.to_owned()))
        } else {
            let error = DieselError::DatabaseError(self.kind, Box::new(text.to_owned()));
            classify(self.flavour, self.phase, &error)
        }
    }
}

/// All texts of the corpus.
///
/// # Panics
///
/// If the corpus is not as its head says.
pub fn lines() -> Vec<Line> {
    let lines = CORPUS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (given, _) = line.rsplit_once(" → ").expect("a line has an arrow");
            let [flavour, phase, kind, _, _, text] = given.splitn(6, " | ").collect::<Vec<_>>()[..] else {
                panic!("six fields before the arrow: {line}")
            };
            let flavours = [Flavour::MySql, Flavour::PostgreSql, Flavour::Sqlite];
            let flavour = flavours.into_iter().find(|known| name(*known) == flavour);
            let phase = PHASES.iter().find(|known| word(**known) == phase);
            let kind = KINDS.iter().find(|known| format!("{known:?}") == kind);
            Line {
                flavour: flavour.expect("a flavour"),
                phase: *phase.expect("a phase"),
                kind: *kind.expect("a kind"),
                text: unescaped(text),
            }
        })
        .collect()
}

const PHASES: [Phase; 10] = [
    Phase::Connect,
    Phase::Ping,
    Phase::Begin,
    Phase::Statement,
    Phase::Fetch,
    Phase::Savepoint,
    Phase::Release,
    Phase::RollbackTo,
    Phase::Commit,
    Phase::Rollback,
];

const KINDS: [DatabaseErrorKind; 10] = [
    DatabaseErrorKind::UniqueViolation,
    DatabaseErrorKind::ForeignKeyViolation,
    DatabaseErrorKind::UnableToSendCommand,
    DatabaseErrorKind::SerializationFailure,
    DatabaseErrorKind::ReadOnlyTransaction,
    DatabaseErrorKind::NotNullViolation,
    DatabaseErrorKind::CheckViolation,
    DatabaseErrorKind::ExclusionViolation,
    DatabaseErrorKind::ClosedConnection,
    DatabaseErrorKind::Unknown,
];

/// What was heard from one kind of server since the last look.
#[derive(Clone, Debug)]
pub struct Heard {
    flavour: Flavour,
    said: Arc<Mutex<Vec<Said>>>,
}

#[derive(Clone, Debug)]
struct Said {
    phase: Phase,
    kind: DatabaseErrorKind,
    text: String,
    verdict: Verdict,
}

impl Heard {
    /// Nothing yet.
    pub fn new(flavour: Flavour) -> Self {
        Self {
            flavour,
            said: Arc::default(),
        }
    }

    /// For [`handle_error`](aludel::EngineBuilder::handle_error): hears every error of the engine and changes nothing.
    pub fn hook(&self) -> impl Fn(&mut ErrorContext<'_>) + Send + Sync + use<> + 'static {
        let heard = self.clone();
        move |context| {
            heard.push(Said {
                phase: context.phase(),
                kind: context.kind().unwrap_or(DatabaseErrorKind::Unknown),
                text: context.message().to_owned(),
                verdict: context.verdict(),
            });
        }
    }

    /// An engine that is heard.
    pub fn listened_to<C: Dialect>(&self, url: &str) -> EngineBuilder<C> {
        Engine::builder(url).handle_error(self.hook())
    }

    /// An engine that nobody can connect with, and by which rule.
    ///
    /// # Panics
    ///
    /// If it can connect, or is refused for another reason.
    #[track_caller]
    pub fn refused<C: Dialect>(&self, url: &str, rule: &str) {
        let engine = self.listened_to::<C>(url).build().expect("a good URL");
        engine.raw_connection().map(drop).expect_err("it is refused");
        self.expect(Phase::Connect, rule);
    }

    /// An error of a plain connection.
    ///
    /// # Panics
    ///
    /// If it is none of a database.
    #[track_caller]
    pub fn note(&self, phase: Phase, error: &DieselError) {
        let DieselError::DatabaseError(kind, information) = error else {
            panic!("no database said {error:?}");
        };
        self.push(Said {
            phase,
            kind: *kind,
            text: information.message().to_owned(),
            verdict: classify(self.flavour, phase, error),
        });
    }

    /// An error of a plain connection that could not be made.
    pub fn note_connect(&self, error: &ConnectionError) {
        self.push(Said {
            phase: Phase::Connect,
            kind: DatabaseErrorKind::Unknown,
            text: error.to_string(),
            verdict: classify_connect(self.flavour, error),
        });
    }

    /// Among what was heard since the last look there is an error of this phase that was taken for this; and everything
    /// that was heard stands in the corpus.
    ///
    /// # Panics
    ///
    /// If not. What is missing in the corpus is shown as the line that it would be.
    #[track_caller]
    pub fn expect(&self, phase: Phase, rule: &str) {
        self.expect_any(phase, &[rule]);
    }

    /// [`expect`](Self::expect) where it is up to the moment which of these it is.
    ///
    /// # Panics
    ///
    /// As there.
    #[track_caller]
    pub fn expect_any(&self, phase: Phase, rules: &[&str]) {
        let said = mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner));
        assert!(
            said.iter()
                .any(|said| said.phase == phase && rules.contains(&said.verdict.rule)),
            "{rules:?} was not heard at {phase}, but {said:#?}"
        );
        let missing: Vec<String> = said
            .iter()
            .filter(|said| !self.is_in_corpus(said))
            .map(|said| format!("{} | {said} ({})", name(self.flavour), said.verdict.rule))
            .collect();
        assert!(missing.is_empty(), "not in the corpus:\n{}", missing.join("\n"));
    }

    /// Forgets what was heard: what a story needs on its way and is not about.
    pub fn forget(&self) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn push(&self, said: Said) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).push(said);
    }

    fn is_in_corpus(&self, said: &Said) -> bool {
        let expected = verdict(said.verdict);
        let known = |line: &str| {
            let (given, verdict) = line.rsplit_once(" → ")?;
            let verdict = verdict.split(" ⇒ ").next()?;
            let [flavour, phase, kind, _, _, text] = given.splitn(6, " | ").collect::<Vec<_>>()[..] else {
                return None;
            };
            let same = flavour == name(self.flavour)
                && group(phase) == group(&word(said.phase))
                && kind == format!("{:?}", said.kind)
                && shape(&unescaped(text)) == shape(&said.text)
                && verdict == expected;
            same.then_some(())
        };
        CORPUS.lines().any(|line| known(line).is_some())
    }
}

/// As a line of the corpus, without the codes.
impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            phase,
            kind,
            text,
            verdict: taken_for,
        } = self;
        let text = text.replace('\n', "\\n").replace('\t', "\\t");
        write!(
            f,
            "{} | {kind:?} | - | - | {text} → {}",
            word(*phase),
            verdict(*taken_for)
        )
    }
}

fn name(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::MySql => "mysql",
        Flavour::PostgreSql => "postgres",
        _ => "sqlite",
    }
}

/// A phase as the corpus writes it.
fn word(phase: Phase) -> String {
    phase.to_string().to_lowercase().replace(' ', "-")
}

fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t")
}

/// A verdict as the corpus writes it.
fn verdict(verdict: Verdict) -> String {
    let scope = verdict
        .scope
        .map_or_else(|| "-".to_owned(), |scope| format!("{scope:?}"));
    let Verdict {
        class, fate, at_commit, ..
    } = verdict;
    format!("{class:?}, {fate:?}, {at_commit:?}, {scope}")
}

/// Only connecting and COMMIT change what an error means; everything else is one to the classifier.
fn group(phase: &str) -> &'static str {
    match phase {
        "connect" => "connect",
        "commit" => "commit",
        _ => "connected",
    }
}

/// The first line without what the server fills in: what stands in quotes, and numbers.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    let mut quote = None;
    let mut before = ' ';
    for character in text.split(['\n', '\r']).next().unwrap_or_default().chars() {
        match quote {
            Some(end) if character == end => {
                quote = None;
                shape.push(character);
            }
            Some(_) => {}
            None if character.is_ascii_digit() => {
                if !before.is_ascii_digit() {
                    shape.push('#');
                }
            }
            None => {
                // An apostrophe inside a word is one.
                if matches!(character, '"' | '`') || character == '\'' && !before.is_alphanumeric() {
                    quote = Some(character);
                }
                shape.push(character.to_ascii_lowercase());
            }
        }
        before = character;
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_numbers_are_left_out_and_words_are_not() {
        assert_eq!(
            shape("Duplicate entry '1' for key 'it''s'"),
            shape("duplicate entry 'b' for key 'it''t'")
        );
        assert_eq!(shape("Can't connect (111)\nmore"), "can't connect (#)");
        assert_ne!(shape("table 'a' is full"), shape("table 'a' is empty"));
    }

    #[test]
    fn what_the_corpus_does_not_have_is_shown() {
        let heard = Heard::new(Flavour::PostgreSql);
        let unknown = |text: &str| DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(text.to_owned()));
        heard.note(Phase::Statement, &unknown("deadlock detected"));
        heard.expect(Phase::Statement, "postgres 40P01 deadlock");
        heard.note(Phase::Statement, &unknown("deadlock detected on 1 page"));
        let panic = std::panic::catch_unwind(|| heard.expect(Phase::Statement, "postgres 40P01 deadlock"));
        let text = *panic
            .expect_err("it is missing")
            .downcast::<String>()
            .expect("it has a text");
        assert!(
            text.contains("not in the corpus") && text.contains("on 1 page"),
            "{text}"
        );
    }
}
