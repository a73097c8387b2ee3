//! What the stories need to know of a database.

use aludel::prelude::*;
use diesel::prelude::*;
use diesel::sql_types::Integer;

use crate::proxy::Proxy;
use crate::stage::Staged;
use crate::wire::rules::Step;

/// A database that the stories can be told on.
pub trait Grounds: Staged {
    /// A proxy in front of the server, where there is one.
    fn proxy() -> Option<Proxy>;

    /// What the database says at such a failure; none where it cannot happen, or is none of the database's words.
    fn words(damage: Damage) -> Option<Words>;

    /// The steps that are there, as everybody sees them.
    fn steps(raw: &mut Self) -> Vec<Step>;

    /// Reads both rows of `locks`.
    ///
    /// # Errors
    ///
    /// Whatever the database answers.
    fn look(session: &mut Session<Self>) -> QueryResult<()>;

    /// How many charges each of the `orders` has, by its number.
    fn charges(raw: &mut Self) -> Vec<usize>;

    /// Ends a connection, by the server's number of it, from outside.
    fn kill(backend: i64);
}

/// An error in a database's words: its number and SQLSTATE, where it has those, and its text.
#[derive(Clone, Copy, Debug)]
pub struct Words(pub u16, pub &'static str, pub &'static str);

/// What happens to a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The database has undone the transaction and says so: a deadlock, a serialization failure, a lock.
    Conflict,
    /// A lock was not to be had in time.
    Wait,
    /// This host takes no writes any more.
    Demoted,
    /// An error that nobody knows.
    Refused,
    /// The connection is lost before the database sees it.
    CutBefore,
    /// The connection is lost before the answer is there.
    CutAfter,
    /// The same with a reset.
    Reset,
}

impl Damage {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Conflict,
        Self::Wait,
        Self::Demoted,
        Self::Refused,
        Self::CutBefore,
        Self::CutAfter,
        Self::Reset,
    ];

    /// Whether it is the connection that is damaged.
    pub fn cuts(self) -> bool {
        matches!(self, Self::CutBefore | Self::CutAfter | Self::Reset)
    }
}

/// The tables of the stories: the steps, and two rows to be locked and changed.
pub(super) const SCHEMA: [&str; 3] = [
    "CREATE TABLE steps (of_call INTEGER NOT NULL, run INTEGER NOT NULL, number INTEGER NOT NULL)",
    "CREATE TABLE locks (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)",
    "INSERT INTO locks VALUES (1, 0), (2, 0)",
];

/// In nobody's corpus.
const MOON: &str = "the moon is in the wrong phase";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Integer)]
    of_call: i32,
    #[diesel(sql_type = Integer)]
    run: i32,
    #[diesel(sql_type = Integer)]
    number: i32,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Integer)]
    n: i32,
}

macro_rules! reads {
    () => {
        fn look(session: &mut Session<Self>) -> QueryResult<()> {
            let locks = diesel::sql_query("SELECT n FROM locks ORDER BY id");
            locks.load::<Number>(session).map(drop)
        }

        fn charges(raw: &mut Self) -> Vec<usize> {
            let orders: Vec<Number> = diesel::sql_query("SELECT charges AS n FROM orders ORDER BY id")
                .load(raw)
                .expect("the table is there");
            orders
                .iter()
                .map(|order| order.n.unsigned_abs() as usize)
                .collect()
        }

        fn steps(raw: &mut Self) -> Vec<Step> {
            let rows: Vec<Row> = diesel::sql_query("SELECT of_call, run, number FROM steps")
                .load(raw)
                .expect("the table is there");
            let step = |row: Row| Step {
                call: row.of_call.unsigned_abs(),
                run: row.run.unsigned_abs(),
                number: row.number.unsigned_abs(),
            };
            rows.into_iter().map(step).collect()
        }
    };
}

#[cfg(feature = "sqlite")]
impl Grounds for SqliteConnection {
    fn proxy() -> Option<Proxy> {
        None
    }

    fn words(damage: Damage) -> Option<Words> {
        let text = match damage {
            Damage::Conflict => "database is locked",
            Damage::Wait => "database table is locked",
            Damage::Refused => MOON,
            _ => return None,
        };
        Some(Words(0, "", text))
    }

    reads!();

    fn kill(_: i64) {}
}

#[cfg(feature = "mysql")]
impl Grounds for MysqlConnection {
    fn proxy() -> Option<Proxy> {
        Some(Proxy::mysql(crate::mariadb::server().port()))
    }

    fn words(damage: Damage) -> Option<Words> {
        match damage {
            Damage::Conflict => Some(Words(
                1213,
                "40001",
                "Deadlock found when trying to get lock; try restarting transaction",
            )),
            Damage::Wait => Some(Words(
                1205,
                "HY000",
                "Lock wait timeout exceeded; try restarting transaction",
            )),
            Damage::Demoted => Some(Words(
                1290,
                "HY000",
                "The MariaDB server is running with the --read-only option so it cannot execute this statement",
            )),
            Damage::Refused => Some(Words(1105, "HY000", MOON)),
            _ => None,
        }
    }

    reads!();

    fn kill(backend: i64) {
        crate::mariadb::server().kill(backend.unsigned_abs());
    }
}

#[cfg(feature = "postgres")]
impl Grounds for PgConnection {
    fn proxy() -> Option<Proxy> {
        Some(Proxy::postgres(crate::postgres::server().port()))
    }

    fn words(damage: Damage) -> Option<Words> {
        match damage {
            Damage::Conflict => Some(Words(0, "40001", "could not serialize access due to concurrent update")),
            Damage::Wait => Some(Words(0, "55P03", "canceling statement due to lock timeout")),
            Damage::Demoted => Some(Words(0, "25006", "cannot execute INSERT in a read-only transaction")),
            Damage::Refused => Some(Words(0, "XX000", MOON)),
            _ => None,
        }
    }

    reads!();

    fn kill(backend: i64) {
        let pid = i32::try_from(backend).expect("the number of a process");
        crate::postgres::server().terminate(pid);
    }
}
