//! Where the stories of this folder take place: an engine on an empty database, and each statement that a session sends.
//!
//! The stories are compiled once in each test binary that has a database, with `C` as its connection; so they are written as
//! a user writes, with types that are known.

use std::any::Any;

use aludel::prelude::*;
use aludel::{EngineBuilder, Event, Flavour};
use aludel_tests::EventLog;
use aludel_tests::stage::Staged;
use diesel::connection::SimpleConnection;

use super::C;

/// A key that the database makes, in the words of `CREATE TABLE`.
pub(crate) const GENERATED: &str = match C::FLAVOUR {
    Flavour::Sqlite => "INTEGER PRIMARY KEY",
    Flavour::MySql => "INTEGER AUTO_INCREMENT PRIMARY KEY",
    _ => "SERIAL PRIMARY KEY",
};

/// An engine, and what its sessions have sent.
pub(crate) struct Ground {
    pub(crate) engine: Engine<C>,
    sent: EventLog,
    outside: Engine<C>,
    _kept: Box<dyn Any>,
}

impl Ground {
    /// With the tables of this text; each statement ends with a semicolon.
    pub(crate) fn open(name: &str, schema: &str) -> Self {
        Self::open_with(name, schema, |builder| builder)
    }

    /// With options of its own.
    pub(crate) fn open_with(
        name: &str,
        schema: &str,
        options: impl FnOnce(EngineBuilder<C>) -> EngineBuilder<C>,
    ) -> Self {
        let (mut url, kept) = C::place(name);
        if C::FLAVOUR == Flavour::Sqlite {
            // As the other databases have them.
            url.push_str(if url.contains('?') {
                "&foreign_keys=on"
            } else {
                "?foreign_keys=on"
            });
        }
        let outside = Engine::<C>::new(url.as_str()).expect("the URL of a test is sound");
        let mut raw = outside.raw_connection().expect("the database is there");
        raw.batch_execute(schema).expect("the schema is sound");
        drop(raw);
        let sent = EventLog::new();
        let log = sent.clone();
        let builder = Engine::builder(url.as_str())
            .clock(aludel::clock::Clock::test().0)
            .listen_statements(move |event| {
                if let Event::BeforeStatement { sql, .. } = event {
                    log.push(plain(sql));
                }
            });
        Self {
            engine: options(builder).build().expect("the options fit together"),
            sent,
            outside,
            _kept: kept,
        }
    }

    /// A connection that is none of the engine's.
    pub(crate) fn outside(&self) -> impl std::ops::DerefMut<Target = C> + use<> {
        self.outside.raw_connection().expect("the database is there")
    }

    /// What was sent since the last look, BEGIN and COMMIT apart; see [`plain`].
    pub(crate) fn sent(&self) -> Vec<String> {
        let mut sent = self.sent.take();
        sent.retain(|line| !["BEGIN", "COMMIT", "ROLLBACK", "START TRANSACTION"].contains(&line.as_str()));
        sent
    }

    /// Compares that with what was expected.
    #[track_caller]
    pub(crate) fn expect_sent(&self, expected: &[&str]) {
        assert_eq!(self.sent(), expected, "on {:?}", C::FLAVOUR);
    }
}

/// A statement in words that are the same on every database: no quotes, `?` for each parameter, and rows that are alike as one
/// with their number.
pub(crate) fn plain(sql: &str) -> String {
    let mut plain = String::new();
    let mut chars = sql.chars().filter(|c| !matches!(c, '`' | '"')).peekable();
    while let Some(c) = chars.next() {
        if c == '$' && chars.peek().is_some_and(char::is_ascii_digit) {
            while chars.next_if(char::is_ascii_digit).is_some() {}
            plain.push('?');
        } else {
            plain.push(c);
        }
    }
    fold(&plain)
}

/// `(?, ?), (?, ?), (?, ?)` as `(?, ?) x 3`.
fn fold(sql: &str) -> String {
    let mut folded = String::new();
    let mut rest = sql;
    while let Some(at) = rest.find("(?") {
        let Some(end) = rest[at..].find(')').map(|end| at + end + 1) else {
            break;
        };
        let row = &rest[at..end];
        let mut count = 1;
        let mut next = end;
        while rest[next..]
            .strip_prefix(", ")
            .is_some_and(|rest| rest.starts_with(row))
        {
            count += 1;
            next += 2 + row.len();
        }
        folded.push_str(&rest[..end]);
        if count > 1 {
            folded.push_str(" x ");
            folded.push_str(&count.to_string());
        }
        rest = &rest[next..];
    }
    folded + rest
}

#[test]
fn statements_are_compared_in_plain_words() {
    assert_eq!(
        plain(r#"INSERT INTO "t" ("a", "b") VALUES ($1, $2), ($3, $4), ($5, $6) RETURNING "id""#),
        "INSERT INTO t (a, b) VALUES (?, ?) x 3 RETURNING id"
    );
    assert_eq!(
        plain("DELETE FROM `t` WHERE `id` IN (?)"),
        "DELETE FROM t WHERE id IN (?)"
    );
}
