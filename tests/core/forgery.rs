//! What a user puts into the database comes back inside error messages. Whatever it is, it cannot make an error look like
//! another one.

use aludel::classify::{Class, Evidence, Flavour, classify_with};
use aludel::{Fault, Phase};
use aludel_tests::corpus::{self, Line};
use aludel_tests::random;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

/// A case takes a tenth of a millisecond, and a shrinking one as long as it likes.
const CASES: u32 = 3_000;
/// How many more there are in a long run, which also has other ones each time.
const LONG: u32 = 50;

fn runner() -> TestRunner {
    TestRunner::new(random::config(CASES, LONG))
}

/// What somebody would write who knows the tables: the words of a server, alone and with quotes, line breaks, severities and
/// a proxy's marks around them.
fn words() -> impl Strategy<Value = String> + Clone {
    let texts: Vec<String> = corpus::lines().into_iter().map(|line| line.text).collect();
    let fragment = prop_oneof![
        3 => proptest::sample::select(texts),
        1 => any::<String>(),
        1 => proptest::sample::select(vec![
            "'", "\"", "`", "\n", "\r\n", "\\'", "''", "$", "{}", "[1] ", "[", "] ", "target: a: ", "vttablet: ", "FATAL:  ",
            "rpc error: code = Unavailable desc = ", "connection to server at \"h\", port 1 failed: ", "",
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(fragment, 1..4)
        .prop_map(|fragments| fragments.concat())
        .boxed()
}

/// The text with something else in each of its quoted places; a place ends where the server has ended it.
fn filled(text: &str, value: &str) -> Option<String> {
    let mut filled = String::new();
    let mut rest = text;
    let mut places = 0;
    while let Some(at) = opening(rest) {
        let (before, quoted) = rest.split_at(at);
        let quote = quoted.chars().next()?;
        let end = quoted[1..].find(quote)? + 1;
        filled.push_str(before);
        filled.push(quote);
        filled.push_str(value);
        filled.push(quote);
        rest = &quoted[end + 1..];
        places += 1;
    }
    filled.push_str(rest);
    (places > 0).then_some(filled)
}

/// Where the first quotation begins; an apostrophe inside a word is one.
fn opening(text: &str) -> Option<usize> {
    let mut before = ' ';
    for (at, character) in text.char_indices() {
        if matches!(character, '"' | '`') || character == '\'' && !before.is_alphanumeric() {
            return Some(at);
        }
        before = character;
    }
    None
}

#[test]
fn what_stands_in_a_quoted_place_forges_no_other_class() {
    let quoting: Vec<Line> = corpus::lines()
        .into_iter()
        .filter(|line| filled(&line.text, "").is_some())
        .filter(|line| line.verdict_of(&filled(&line.text, "x").unwrap_or_default()).rule == line.verdict().rule)
        .collect();
    assert!(quoting.len() > 60, "only {} texts quote something", quoting.len());
    let cases = (proptest::sample::select(quoting), words());
    let result = runner().run(&cases, |(line, value)| {
        // Names of hosts and users come from the configuration, and the former have neither quotes nor line breaks.
        let value = match line.phase {
            Phase::Connect => value.replace(['\n', '\r', '"'], " "),
            _ => value,
        };
        let forged = filled(&line.text, &value).expect("it has quoted places");
        let (expected, verdict) = (line.verdict(), line.verdict_of(&forged));
        // Cut short by a line break it may not be recognised; that is the worst.
        let unrecognised = verdict.class == Class::Permanent && verdict.scope.is_none();
        if verdict.class != expected.class && !unrecognised {
            return Err(TestCaseError::fail(format!(
                "{forged:?} is taken for {} by {}",
                verdict.class, verdict.rule
            )));
        }
        if expected.scope.is_none() {
            prop_assert_eq!(verdict.scope, None, "{:?} by {}", forged, verdict.rule);
        }
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

#[test]
fn no_message_and_no_code_makes_the_classifier_panic() {
    let kinds = [
        DatabaseErrorKind::Unknown,
        DatabaseErrorKind::ClosedConnection,
        DatabaseErrorKind::UnableToSendCommand,
        DatabaseErrorKind::SerializationFailure,
        DatabaseErrorKind::UniqueViolation,
    ];
    let phases = [
        Phase::Connect,
        Phase::Begin,
        Phase::Statement,
        Phase::Commit,
        Phase::Rollback,
    ];
    let flavours = [Flavour::MySql, Flavour::PostgreSql, Flavour::Sqlite];
    let cases = (
        words(),
        proptest::sample::select(kinds.to_vec()),
        proptest::sample::select(phases.to_vec()),
        proptest::sample::select(flavours.to_vec()),
        any::<Option<u32>>(),
        any::<Option<String>>(),
    );
    let result = runner().run(&cases, |(text, kind, phase, flavour, number, sqlstate)| {
        let mut evidence = Evidence::new(kind, &text);
        if let Some(number) = number {
            evidence = evidence.with_number(number);
        }
        if let Some(sqlstate) = &sqlstate {
            evidence = evidence.with_sqlstate(sqlstate);
        }
        let verdict = classify_with(flavour, phase, &evidence);
        // Whoever says that connections are to be closed says which.
        prop_assert!(
            verdict.class != Class::Disconnect || verdict.scope.is_some(),
            "{:?} by {}",
            text,
            verdict.rule
        );
        let error = DieselError::DatabaseError(kind, Box::new(text));
        let (fault, error) = Fault::record(flavour, phase, None, error);
        prop_assert_eq!(fault.message(), error.to_string());
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
