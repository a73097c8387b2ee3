//! Bind values on their way through statements that work and that fail, and a look for them in everything that a program
//! could see ([`crate::secrets`]).

use std::fmt::Write as _;

use aludel::Error;
use diesel::result::Error as DieselError;

mod story;

/// What every text and every byte string begins with.
const MARK: &str = "Zq7Val";

/// What every number begins with.
const NUMBERS: i64 = 770_011_000_000_000_000;

/// One row's worth of values that stand nowhere else.
#[derive(Clone, Debug)]
pub struct Values {
    /// Begins with a mark; what follows is whatever a user may have typed.
    pub word: String,
    /// Has 18 digits, the first of which say what it is.
    pub number: i64,
    /// Begins with the same mark.
    pub bytes: Vec<u8>,
}

impl Values {
    /// Those of this number, with odd letters behind them.
    pub fn new(number: u32, odd: &str) -> Self {
        let word = format!("{MARK}{number:08x}");
        Self {
            bytes: word.bytes().chain(0..=255).collect(),
            word: word + odd,
            number: NUMBERS + i64::from(number),
        }
    }
}

/// What is done with the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A typed INSERT.
    Insert,
    /// The same twice: the second one fails.
    InsertTwice,
    /// More letters than the column takes.
    TooLong,
    /// A number that the table's CHECK refuses.
    Check,
    /// Text with a zero byte, which `PostgreSQL` refuses.
    ZeroByte,
    /// A typed UPDATE, with a filter.
    Update,
    /// A typed SELECT, with a filter.
    Select,
    /// Two rows in one INSERT.
    Batch,
    /// The same row twice in one INSERT.
    BatchTwice,
    /// `sql_query` with binds.
    Raw,
    /// The same, on a table that is not there.
    RawMissing,
    /// The same, with a value that is no number where one is expected.
    RawNumber,
    /// Diesel's `save_changes`, with a text that another row has.
    SaveChanges,
    /// On the driver's own connection, twice.
    WithRaw,
    /// Text that is read as a number.
    ReadAsNumber,
    /// An object, added and edited.
    Object,
    /// The same object twice.
    ObjectTwice,
    /// An object that has left its session is looked at: a panic.
    Panic,
}

/// All of them.
pub const DEEDS: [Deed; 18] = [
    Deed::Insert,
    Deed::InsertTwice,
    Deed::TooLong,
    Deed::Check,
    Deed::ZeroByte,
    Deed::Update,
    Deed::Select,
    Deed::Batch,
    Deed::BatchTwice,
    Deed::Raw,
    Deed::RawMissing,
    Deed::RawNumber,
    Deed::SaveChanges,
    Deed::WithRaw,
    Deed::ReadAsNumber,
    Deed::Object,
    Deed::ObjectTwice,
    Deed::Panic,
];

/// Where it is done, and what becomes of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    /// In a transaction.
    Transaction,
    /// In a savepoint.
    Savepoint,
    /// In a transaction that swallows the error and goes on.
    Swallowed,
    /// Under a retry policy.
    Retry,
}

/// All of them.
pub const AROUND: [Around; 4] = [Around::Transaction, Around::Savepoint, Around::Swallowed, Around::Retry];

/// One step of a story.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is done.
    pub deed: Deed,
    /// Where.
    pub around: Around,
    /// With what.
    pub values: Values,
}

/// What a story has shown beside what the engine shows by itself.
#[derive(Debug, Default)]
pub struct Seen {
    text: String,
    /// The server's own words, which may repeat a value.
    servers: Vec<String>,
    failed: usize,
}

impl Seen {
    /// Anything that a program could print.
    pub fn note(&mut self, text: &str) {
        let _ = writeln!(self.text, "{text}");
    }

    /// An error, in every way in which it can be printed.
    pub fn error(&mut self, error: &Error) {
        self.failed += 1;
        self.note(&format!("{error} {error:?} {error:#?} {}", error.first_cause()));
        for later in error.later() {
            self.note(&format!("{later} {later:?}"));
        }
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            self.note(&format!("{error} {error:?}"));
            cause = error.source();
        }
        if let Some(error) = error.as_diesel() {
            self.servers(error);
        }
    }

    /// How many errors there were.
    pub fn failed(&self) -> usize {
        self.failed
    }

    fn servers(&mut self, error: &DieselError) {
        if let DieselError::DatabaseError(_, information) = error {
            let words = [Some(information.message()), information.details(), information.hint()];
            self.servers.extend(words.into_iter().flatten().map(str::to_owned));
        }
    }

    /// Looks for values in all of it but the server's own words.
    ///
    /// # Panics
    ///
    /// If one is there; the message shows what was looked at.
    #[track_caller]
    pub fn expect_hidden(mut self, engines: &str, all: &[Step]) {
        self.note(engines);
        // The longest first: one may be the beginning of another.
        self.servers.sort_by_key(|words| std::cmp::Reverse(words.len()));
        let mut shown = self.text;
        for words in self.servers.iter().filter(|words| !words.is_empty()) {
            let debug = format!("{words:?}");
            let twice = format!("{debug:?}");
            for spelling in [&twice[1..twice.len() - 1], &debug[1..debug.len() - 1], words] {
                shown = shown.replace(spelling, "(the server's words)");
            }
        }
        for step in all {
            for part in traces(&step.values) {
                assert!(!shown.contains(&part), "{part:?} of {step:?} is in\n{shown}");
            }
        }
    }
}

/// Whatever shows that somebody has printed one of these values.
fn traces(values: &Values) -> Vec<String> {
    let mark = MARK.as_bytes();
    let list = mark.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let hex = mark.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    vec![
        MARK.to_owned(),
        values.number.to_string(),
        list,
        hex.to_uppercase(),
        hex,
    ]
}

/// Whether a text shows one of these values.
pub fn shows(text: &str, values: &Values) -> bool {
    traces(values).iter().any(|part| text.contains(part))
}
