//! What went by in a scene, in words, and held against the rules.

use std::collections::{BTreeSet, HashMap};

use aludel::prelude::*;
use diesel::connection::SimpleConnection as _;
use diesel::result::QueryResult;

use crate::stage::Staged;
use crate::wire::rules::{self, Again, Books, Step};
use crate::wire::{Line, Verb, Went};

/// What went by in a scene.
#[derive(Debug)]
pub struct Told {
    lines: Vec<Line>,
    books: Books,
}

impl Told {
    /// The rules hold, and what is in the database is what was committed on the wire, once each, and nothing else.
    pub(super) fn by_the_rules(lines: Vec<Line>, again: impl Fn(u32) -> Again, there: &[Step]) -> Result<Self, String> {
        let books = rules::check(&lines, read, again).map_err(|broken| format!("{broken}\n{}", shown(&lines)))?;
        let told = Self { lines, books };
        let calls: BTreeSet<u32> = told.steps().map(|step| step.call).collect();
        let there: Vec<&Step> = there.iter().filter(|step| calls.contains(&step.call)).collect();
        let sure: Vec<&Step> = told.books.sure.iter().collect();
        let all: Vec<&Step> = told.books.sure.union(&told.books.perhaps).collect();
        if there == sure || there == all {
            Ok(told)
        } else {
            Err(format!("there is {there:?}\n{told}"))
        }
    }

    /// What is there of a call, as far as the wire tells.
    pub(super) fn of_call(&self, call: u32) -> Vec<Step> {
        let steps = self.books.sure.iter().copied();
        steps.filter(|step| step.call == call).collect()
    }

    fn steps(&self) -> impl Iterator<Item = Step> {
        self.lines.iter().filter_map(|line| match &line.went {
            Went::Asked(sql) => read(sql),
            _ => None,
        })
    }

    /// The number of the first call.
    pub fn call(&self) -> u32 {
        self.steps().next().map_or(0, |step| step.call)
    }

    /// How many steps were committed for sure.
    pub fn committed(&self) -> usize {
        self.books.sure.len()
    }

    /// How often a step went by.
    pub fn times(&self, call: u32, number: u32) -> usize {
        self.steps()
            .filter(|step| (step.call, step.number) == (call, number))
            .count()
    }

    /// The steps and what steers transactions, in words; `?` where the answer was lost, `~` where the statement was, and `!`
    /// for an error.
    pub fn said(&self) -> Vec<String> {
        let mut said: Vec<String> = Vec::new();
        // The place of what is on its way on a connection.
        let mut pending: HashMap<u64, usize> = HashMap::new();
        for line in &self.lines {
            let mark = match &line.went {
                Went::Asked(sql) => {
                    pending.remove(&line.connection);
                    if let Some(words) = words(sql) {
                        pending.insert(line.connection, said.len());
                        said.push(words);
                    }
                    continue;
                }
                Went::Answered { refused: true } => " !",
                Went::AnswerLost { .. } => " ?",
                Went::NeverArrived => " ~",
                _ => continue,
            };
            if let Some(place) = pending.remove(&line.connection) {
                said[place].push_str(mark);
            }
        }
        said
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&shown(&self.lines))
    }
}

/// Writes a step.
///
/// # Errors
///
/// Whatever the database answers.
pub(super) fn write<C: Staged>(session: &mut Session<C>, step: Step, as_batch: bool) -> QueryResult<()> {
    let Step { call, run, number } = step;
    let sql = format!("INSERT INTO steps VALUES ({call}, {run}, {number})");
    if as_batch {
        session.batch_execute(&sql)
    } else {
        C::execute(session, &sql).map(drop)
    }
}

/// What [`write`] has sent.
fn read(sql: &str) -> Option<Step> {
    let values = sql.strip_prefix("INSERT INTO steps VALUES (")?.strip_suffix(')')?;
    let mut numbers = values.split(", ").map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten();
    Some(Step {
        call: next()?,
        run: next()?,
        number: next()?,
    })
}

fn words(sql: &str) -> Option<String> {
    let name = match Verb::of(sql) {
        Verb::Begin => "BEGIN",
        Verb::Commit => "COMMIT",
        Verb::Rollback => "ROLLBACK",
        Verb::Savepoint => "SAVEPOINT",
        Verb::Release => "RELEASE",
        Verb::RollbackTo => "ROLLBACK TO",
        Verb::Other => return read(sql).map(|step| format!("step {}", step.number)),
    };
    Some(name.to_owned())
}

fn shown(lines: &[Line]) -> String {
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
