//! What a model consists of, as data: its columns, in an order that everything else counts by.

/// The columns of a model: those of the key first, in the order of the key; then the others in the order of the fields, the
/// version among them; then those of embedded structs.
#[derive(Debug)]
pub struct Shape {
    /// All columns.
    pub columns: Vec<Column>,
    /// How many of them are the key.
    pub keys: usize,
    /// Whether the database makes the key, where nobody has set one.
    pub generated: bool,
    /// The column of the version.
    pub version: Option<usize>,
    /// Who makes the version.
    pub version_kind: VersionKind,
    /// The column that says that a row is deleted.
    pub soft_delete: Option<usize>,
}

/// A column of a model.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name in the database.
    pub name: &'static str,
    /// The name of its field.
    pub field: &'static str,
    /// Who writes it.
    pub role: Role,
}

/// Who writes a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The program.
    Plain,
    /// The database alone.
    ReadOnly,
    /// The database, where the program leaves the default of the field's type.
    ServerDefault,
}

/// Who makes the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionKind {
    /// The unit of work: it counts, or asks a function.
    Client,
    /// The program, in the field.
    Manual,
    /// The database.
    Server,
}

/// A set of columns. Diesel has tables of at most 128.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Columns(u128);

impl Columns {
    /// No column.
    pub const NONE: Self = Self(0);

    /// The first `count` columns.
    pub const fn first(count: usize) -> Self {
        Self(if count >= 128 { u128::MAX } else { (1 << count) - 1 })
    }

    /// One column.
    pub const fn one(column: usize) -> Self {
        Self(1 << column)
    }

    /// One column, or none.
    #[must_use]
    pub const fn one_if(column: usize, condition: bool) -> Self {
        Self((condition as u128) << column)
    }

    /// The columns of an embedded struct, from its own numbers to those of the model.
    #[must_use]
    pub const fn moved_by(self, offset: usize) -> Self {
        Self(self.0 << offset)
    }

    /// Those of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those that are in both.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether it is among them.
    pub const fn has(self, column: usize) -> bool {
        self.0 >> column & 1 == 1
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Their numbers, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let next = (left != 0).then(|| left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(next)
        })
    }
}

impl Shape {
    /// The columns of the key.
    pub fn key(&self) -> Columns {
        Columns::first(self.keys)
    }

    /// The version, where the database makes it: it is never written, and read after each write.
    pub fn version_of_server(&self) -> Columns {
        match (self.version, self.version_kind) {
            (Some(version), VersionKind::Server) => Columns::one(version),
            _ => Columns::NONE,
        }
    }

    /// Those with a role.
    pub fn with_role(&self, role: Role) -> Columns {
        let columns = self.columns.iter().enumerate();
        columns.fold(Columns::NONE, |all, (at, column)| {
            all.and(Columns::one_if(at, column.role == role))
        })
    }
}
