//! What a program may be made of.
//!
//! A number stands for one of those that are there, counted round; where none is, the step does nothing.

use std::fmt;

/// Steps on one session.
#[derive(Clone)]
pub(super) struct Program {
    /// One after the other.
    pub steps: Vec<Step>,
    /// A commit leaves values as they are; nobody else changes rows then.
    pub keeps: bool,
    /// INSERTs give nothing back, and statements have few rows.
    pub sparing: bool,
}

/// A step, and how closely is looked at everything after it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// What is done.
    pub deed: Deed,
    /// What is read afterwards; what is not read may be old without anybody noticing.
    pub look: Look,
}

/// What is read after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Only what costs no statement.
    Away,
    /// One object.
    One(Pick),
    /// Every object, without a flush.
    All,
    /// Everything is flushed, and the rows are read.
    Rows,
}

/// One object of one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pick(pub Which, pub u8);

/// One of the models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The one with a version.
    Writer,
    /// The one whose key may change.
    Topic,
    /// The one with parents.
    Letter,
}

/// What is done.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// `add`.
    Add(Make),
    /// `add_all` of so many.
    AddMany(Which, u8),
    /// `add_to`: a letter of this writer, and an answer to this letter.
    AddTo(u8),
    /// The same with this letter.
    Answer(u8),
    /// `set_parent` of this letter to this writer.
    SetWriter(u8, u8),
    /// `set_parent` of this letter to this one.
    SetReply(u8, u8),
    /// `clear_parent`.
    ClearWriter(u8),
    /// `clear_parent`.
    ClearReply(u8),
    /// `edit`.
    Edit(u8, Change),
    /// `edit_two`: both have the text or name of the other's, or the grade.
    Swap(Which, u8, u8),
    /// `edit_many`: all that are alive.
    EditAll(Which, u8),
    /// `delete`.
    Delete(Pick),
    /// `merge` of a value with this object's key, or with none.
    Merge(Pick, u8),
    /// `expunge`.
    Expunge(Pick),
    /// `detach`.
    Detach(Pick),
    /// `expire`.
    Expire(Pick),
    /// `expire_all`.
    ExpireAll,
    /// `refresh`.
    Refresh(Pick),
    /// `read`.
    Read(Pick),
    /// `get` of the key of a row, or of an object, or of none.
    Get(Pick),
    /// `get_many` of the keys of rows and objects.
    GetMany(Which, u8),
    /// `query`.
    Query(Which, bool),
    /// `parent`, by both foreign keys.
    Parents(u8),
    /// `children` of a writer.
    Letters(u8),
    /// A statement beside the objects.
    Plain(Plan, Way),
    /// The same inside of `no_autoflush`.
    Quietly(Plan, Way),
    /// `flush`.
    Flush,
    /// `begin_nested`.
    Nested(Vec<Step>, Leave),
    /// `commit`.
    Commit,
    /// `rollback`.
    Rollback,
    /// `commit`, and the connection is lost before it arrives, or before its answer does.
    CutCommit(bool),
    /// The connection is lost.
    Kill,
    /// This writer is edited, and somebody changes the row meanwhile.
    Conflict(u8),
    /// Somebody else, while there is no transaction.
    Rival(Plan),
}

/// How a savepoint is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// By Ok.
    Ok,
    /// By Err.
    Err,
}

/// A new object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Make {
    /// Of which model.
    pub which: Which,
    /// What it is filled with.
    pub with: u8,
    /// With a key of the program's, where the database would make it.
    pub keyed: bool,
    /// A name that may be taken, a note that is missing, a parent that is not there.
    pub wrong: bool,
}

/// How an object is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A writer's grade.
    Grade(u8),
    /// A writer's name; one that may be taken if it is small.
    Name(u8),
    /// Both.
    Writer(u8),
    /// To what it is already.
    Equal(Which),
    /// A topic's weight.
    Weight(u8),
    /// A topic's key.
    Title(u8),
    /// A topic's note is taken away, or given.
    Note(bool),
    /// A letter's text.
    Text(u8),
    /// A letter's foreign key, by hand; none, or that of a row.
    WriterId(u8),
}

/// How a statement is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As Diesel writes it.
    Typed,
    /// By `sql_query`.
    Text,
    /// By `batch_execute`.
    Batch,
}

/// A statement, before it is known which rows there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// UPDATE of a writer.
    Grade(u8, u8),
    /// UPDATE of a version.
    Bump(u8),
    /// UPDATE of a writer's name.
    Rename(u8, u8),
    /// INSERT of a writer.
    AddWriter(u8),
    /// DELETE of a writer.
    RemoveWriter(u8),
    /// UPDATE of a topic.
    Weight(u8, u8),
    /// UPDATE of all topics.
    WeightAll(u8),
    /// UPDATE of a key.
    Retitle(u8, u8),
    /// INSERT of a topic.
    AddTopic(u8),
    /// DELETE of a topic.
    RemoveTopic(u8),
    /// UPDATE of a letter.
    Text(u8, u8),
    /// UPDATE of a letter's writer.
    Give(u8, u8),
    /// DELETE of a letter.
    RemoveLetter(u8),
}

impl Program {
    fn write(steps: &[Step], depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in steps {
            let look = match step.look {
                Look::Away => String::new(),
                look => format!("   look at {look:?}"),
            };
            let indent = "    ".repeat(depth + 1);
            match &step.deed {
                Deed::Nested(inner, leave) => {
                    writeln!(f, "{indent}begin_nested")?;
                    Self::write(inner, depth + 1, f)?;
                    writeln!(f, "{indent}leave by {leave:?}{look}")?;
                }
                deed => writeln!(f, "{indent}{deed:?}{look}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = |is: bool, text| if is { text } else { "" };
        let (keeps, sparing) = (
            with(self.keeps, " keeps values"),
            with(self.sparing, " without RETURNING"),
        );
        writeln!(f, "Program:{keeps}{sparing}")?;
        Self::write(&self.steps, 0, f)
    }
}

// proptest shows the smallest program that fails in this way.
impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
