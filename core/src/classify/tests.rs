use std::collections::BTreeSet;
use std::fmt::Debug;

use super::*;

fn database_error(kind: DatabaseErrorKind, text: &str) -> DieselError {
    DieselError::DatabaseError(kind, Box::new(text.to_owned()))
}

fn unknown(text: &str) -> DieselError {
    database_error(DatabaseErrorKind::Unknown, text)
}

const FLAVOURS: [Flavour; 3] = [Flavour::MySql, Flavour::PostgreSql, Flavour::Sqlite];

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

const KINDS: [DatabaseErrorKind; 11] = [
    DatabaseErrorKind::UniqueViolation,
    DatabaseErrorKind::ForeignKeyViolation,
    DatabaseErrorKind::UnableToSendCommand,
    DatabaseErrorKind::SerializationFailure,
    DatabaseErrorKind::ReadOnlyTransaction,
    DatabaseErrorKind::RestrictViolation,
    DatabaseErrorKind::NotNullViolation,
    DatabaseErrorKind::CheckViolation,
    DatabaseErrorKind::ExclusionViolation,
    DatabaseErrorKind::ClosedConnection,
    DatabaseErrorKind::Unknown,
];

/// The value whose `Debug` text is `name`, written as in `RollbackTo` or `rollback-to`.
fn named<T: Copy + Debug>(all: &[T], name: &str) -> T {
    let plain = name.trim().replace('-', "");
    *all.iter()
        .find(|value| format!("{value:?}").eq_ignore_ascii_case(&plain))
        .unwrap_or_else(|| panic!("no value is called {name}"))
}

/// Flavour, phase, kind, number, SQLSTATE, text; what it must mean; what it must mean where the codes are known as well.
struct Line {
    number: usize,
    flavour: Flavour,
    phase: Phase,
    text: String,
    by_words: Verdict,
    by_codes: Option<Verdict>,
    expected: String,
    expected_by_codes: String,
}

impl Line {
    fn read(number: usize, line: &str) -> Self {
        let (given, expected) = line.rsplit_once(" → ").expect("a line has an arrow");
        let (expected, expected_by_codes) = expected.split_once(" ⇒ ").unwrap_or((expected, expected));
        let [flavour, phase, kind, code, sqlstate, text] = given.splitn(6, " | ").collect::<Vec<_>>()[..] else {
            panic!("line {number}: six fields before the arrow")
        };
        let flavour = match flavour {
            "mysql" => Flavour::MySql,
            "postgres" => Flavour::PostgreSql,
            "sqlite" => Flavour::Sqlite,
            other => panic!("line {number}: no flavour is called {other}"),
        };
        let text = text.replace("\\n", "\n").replace("\\t", "\t");
        let (phase, kind) = (named(&PHASES, phase), named(&KINDS, kind));
        let by_words = if phase == Phase::Connect {
            classify_connect(flavour, &ConnectionError::BadConnection(text.clone()))
        } else {
            classify(flavour, phase, &database_error(kind, &text))
        };
        let mut evidence = Evidence::new(kind, &text);
        evidence.number = (code != "-").then(|| code.parse().expect("a number is a number"));
        evidence.sqlstate = (sqlstate != "-").then_some(sqlstate);
        let by_codes = evidence.has_codes().then(|| classify_with(flavour, phase, &evidence));
        Self {
            number,
            flavour,
            phase,
            by_words,
            by_codes,
            expected: expected.to_owned(),
            expected_by_codes: expected_by_codes.to_owned(),
            text,
        }
    }

    fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        [self.by_words].into_iter().chain(self.by_codes)
    }
}

fn corpus() -> impl Iterator<Item = Line> {
    let lines = include_str!("corpus.txt").lines().enumerate();
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(index, line)| Line::read(index + 1, line))
}

/// A verdict as the corpus writes it.
fn written(verdict: Verdict) -> String {
    let scope = verdict
        .scope
        .map_or_else(|| "-".to_owned(), |scope| format!("{scope:?}"));
    let Verdict {
        class, fate, at_commit, ..
    } = verdict;
    format!("{class:?}, {fate:?}, {at_commit:?}, {scope}")
}

#[test]
fn the_corpus_is_classified_as_it_says() {
    let mut wrong = Vec::new();
    for line in corpus() {
        let expected = [&line.expected, &line.expected_by_codes];
        for (verdict, expected) in line.verdicts().zip(expected) {
            let found = written(verdict);
            if found != *expected {
                wrong.push(format!(
                    "line {}: {found} ({}), expected {expected}",
                    line.number, verdict.rule
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_is_hit_by_the_corpus() {
    let hit: BTreeSet<&str> = corpus()
        .flat_map(|line| line.verdicts().map(|verdict| verdict.rule).collect::<Vec<_>>())
        .collect();
    for flavour in FLAVOURS {
        let Kinds {
            constraint,
            serialization,
            read_only,
            closed,
            unsendable,
            unknown,
        } = kinds(flavour);
        let by_kind = [constraint, serialization, read_only, closed, unsendable, unknown];
        for rule in rules(flavour).iter().chain(by_kind) {
            assert!(
                hit.contains(rule.name),
                "{flavour:?}: no line of the corpus reaches `{}`",
                rule.name
            );
        }
    }
}

#[test]
fn every_template_is_reached_by_its_own_text() {
    for flavour in FLAVOURS {
        for rule in rules(flavour) {
            let phase = if rule.when == rule::When::Connecting {
                Phase::Connect
            } else {
                Phase::Statement
            };
            for template in rule.texts {
                let text = template.trim_end_matches('$').replace("{}", "x");
                let found = find(flavour, phase, &text).map(|rule| rule.name);
                assert_eq!(found, Some(rule.name), "{template}");
            }
        }
    }
}

#[test]
fn rules_are_named_once_and_say_whose_they_are() {
    let names: Vec<&str> = FLAVOURS
        .iter()
        .flat_map(|flavour| rules(*flavour))
        .map(|rule| rule.name)
        .collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for line in corpus() {
        let first = line.by_words.rule.split(' ').next().unwrap();
        let whose: &[&str] = match line.flavour {
            Flavour::MySql => &["mysql", "mariadb", "tidb", "vitess"],
            Flavour::PostgreSql => &["postgres", "libpq", "cockroach"],
            Flavour::Sqlite => &["sqlite"],
        };
        assert!(whose.contains(&first), "line {}: {}", line.number, line.by_words.rule);
    }
}

#[test]
fn a_disconnect_always_says_what_it_retires() {
    for line in corpus().filter(|line| line.by_words.class == Class::Disconnect) {
        assert!(line.by_words.scope.is_some(), "line {}", line.number);
        assert_eq!(line.by_words.fate, Fate::Lost, "line {}", line.number);
    }
}

#[test]
fn values_and_names_inside_a_message_forge_nothing() {
    let forged = [
        "Lost connection to server during query",
        "Server has gone away",
        "Deadlock found when trying to get lock; try restarting transaction",
        "deadlock detected",
        "server closed the connection unexpectedly",
        "terminating connection due to administrator command",
        "database is locked",
        "could not serialize access",
    ];
    for text in forged {
        let quoted = [
            format!("Duplicate entry '{text}' for key 'owner'"),
            format!("Data too long for column '{text}' at row 1"),
            format!("Unknown column '{text}' in 'field list'"),
            format!("Table 'bank.{text}' doesn't exist"),
            format!("duplicate key value violates unique constraint \"{text}\""),
            format!("new row for relation \"a\" violates check constraint \"{text}\""),
            format!("relation \"{text}\" does not exist"),
            format!("invalid input syntax for type integer: \"{text}\""),
            format!("UNIQUE constraint failed: {text}"),
            format!("no such column: {text}"),
            format!("'{text}'"),
            format!("\"{text}\""),
            format!("\n{text}"),
            format!("\r\n{text}"),
            format!(" {text}"),
            format!("first line\n{text}"),
        ];
        for message in &quoted {
            for flavour in FLAVOURS {
                for phase in [Phase::Statement, Phase::Commit, Phase::Ping] {
                    let verdict = classify(flavour, phase, &unknown(message));
                    assert_eq!(
                        verdict.class,
                        Class::Permanent,
                        "{flavour:?} {message:?} by {}",
                        verdict.rule
                    );
                    assert_eq!(verdict.scope, None, "{flavour:?} {message:?}");
                }
            }
            assert_eq!(
                classify_unknown_flavour(&unknown(message)).class,
                Class::Permanent,
                "{message:?}"
            );
        }
    }
}

#[test]
fn a_kind_that_comes_from_a_number_outranks_words() {
    // RAISE EXCEPTION 'server closed the connection unexpectedly' USING ERRCODE = 'unique_violation'
    let raised = database_error(
        DatabaseErrorKind::UniqueViolation,
        "server closed the connection unexpectedly",
    );
    assert_eq!(
        classify(Flavour::PostgreSql, Phase::Statement, &raised).class,
        Class::Permanent
    );
    let raised = database_error(
        DatabaseErrorKind::SerializationFailure,
        "server closed the connection unexpectedly",
    );
    assert_eq!(
        classify(Flavour::PostgreSql, Phase::Statement, &raised).class,
        Class::Retry
    );
}

#[test]
fn a_disconnect_known_by_words_alone_asks_for_a_probe() {
    let text = "terminating connection due to administrator command";
    let raised = classify(Flavour::PostgreSql, Phase::Statement, &unknown(text));
    assert!(raised.by_text);
    let seen = database_error(DatabaseErrorKind::ClosedConnection, text);
    assert!(classify(Flavour::PostgreSql, Phase::Statement, &seen).by_text); // RAISE .. USING ERRCODE = '08006'
    let gone = database_error(DatabaseErrorKind::UnableToSendCommand, "no connection to the server\n");
    assert!(!classify(Flavour::PostgreSql, Phase::Statement, &gone).by_text);
    let guess = database_error(DatabaseErrorKind::UnableToSendCommand, "?");
    assert!(classify(Flavour::PostgreSql, Phase::Statement, &guess).by_text);
    assert!(classify(Flavour::MySql, Phase::Statement, &unknown("Server has gone away")).by_text);
    assert!(!classify(Flavour::MySql, Phase::Statement, &unknown("Running in read-only mode")).by_text);
}

#[test]
fn what_diesel_says_by_itself_is_permanent_and_leaves_the_transaction_open() {
    let not_sent = [
        DieselError::QueryBuilderError("no changes".into()),
        DieselError::SerializationError("a date before the calendar".into()),
        DieselError::RollbackTransaction,
        DieselError::AlreadyInTransaction,
        DieselError::NotInTransaction,
        DieselError::InvalidCString(std::ffi::CString::new(b"a\0b".to_vec()).unwrap_err()),
    ];
    let answered = [
        DieselError::NotFound,
        DieselError::DeserializationError("infinity".into()),
    ];
    for flavour in FLAVOURS {
        for (errors, at_commit) in [
            (&not_sent[..], CommitOutcome::NotCommitted),
            (&answered[..], CommitOutcome::Unknown),
        ] {
            for error in errors {
                let verdict = classify(flavour, Phase::Statement, error);
                assert_eq!(verdict.class, Class::Permanent, "{error:?}");
                assert_eq!((verdict.fate, verdict.at_commit), (Fate::Open, at_commit), "{error:?}");
                assert_eq!(classify_unknown_flavour(error).class, Class::Permanent, "{error:?}");
            }
        }
    }
}

#[test]
fn a_broken_transaction_manager_retires_its_connection_only() {
    let verdict = classify(
        Flavour::PostgreSql,
        Phase::Statement,
        &DieselError::BrokenTransactionManager,
    );
    assert_eq!(
        (verdict.class, verdict.scope),
        (Class::Disconnect, Some(Scope::Connection))
    );
    assert_eq!((verdict.fate, verdict.by_text), (Fate::Lost, false));
}

#[test]
fn a_rollback_that_failed_after_commit_is_read_by_the_commit() {
    let error = DieselError::RollbackErrorOnCommit {
        commit_error: Box::new(unknown(
            "Deadlock found when trying to get lock; try restarting transaction",
        )),
        rollback_error: Box::new(unknown("Server has gone away")),
    };
    let verdict = classify(Flavour::MySql, Phase::Statement, &error);
    assert_eq!(
        (verdict.class, verdict.at_commit),
        (Class::Retry, CommitOutcome::RolledBack)
    );
    assert_eq!((verdict.scope, verdict.fate), (Some(Scope::Generation), Fate::Lost));
    assert_eq!(classify_unknown_flavour(&error).class, Class::Retry);
}

#[test]
fn a_connection_error_that_is_no_answer_is_permanent() {
    let url = ConnectionError::InvalidConnectionUrl("mysql://".to_owned());
    assert_eq!(classify_connect(Flavour::MySql, &url).class, Class::Permanent);
    let nul = ConnectionError::InvalidCString(std::ffi::CString::new(b"a\0b".to_vec()).unwrap_err());
    assert_eq!(classify_connect(Flavour::PostgreSql, &nul).class, Class::Permanent);
    let setup = ConnectionError::CouldntSetupConfiguration(unknown("Server has gone away"));
    let verdict = classify_connect(Flavour::MySql, &setup);
    assert_eq!(
        (verdict.class, verdict.scope, verdict.by_text),
        (Class::Failover, None, false)
    );
}

#[test]
fn without_a_flavour_all_tables_are_asked() {
    for (text, class) in [
        ("Server has gone away", Class::Disconnect),
        ("deadlock detected", Class::Retry),
        ("database is locked", Class::Retry),
        ("the database system is starting up", Class::Busy),
        ("Running in read-only mode", Class::Failover),
        ("no such table: x", Class::Permanent),
    ] {
        assert_eq!(classify_unknown_flavour(&unknown(text)).class, class, "{text}");
    }
    let closed = database_error(DatabaseErrorKind::ClosedConnection, "");
    assert_eq!(classify_unknown_flavour(&closed).class, Class::Disconnect);
}

#[test]
fn no_message_makes_it_panic() {
    let odd = [
        String::new(),
        "\n".to_owned(),
        "\0".to_owned(),
        "🜁".repeat(50),
        "connection to server at \"".to_owned(),
        "connection to server at \"é\", port  failed: \nconnection to server at \"".to_owned(),
        "target: ".to_owned(),
        "[".to_owned(),
        "[é]é".to_owned(),
        "{}$".to_owned(),
        "SAVEPOINT ".to_owned() + &"é does not exis".repeat(500),
        "x".repeat(20_000),
    ];
    for text in &odd {
        for flavour in FLAVOURS {
            for phase in PHASES {
                for kind in KINDS {
                    let _ = classify(flavour, phase, &database_error(kind, text));
                }
            }
            let _ = classify_connect(flavour, &ConnectionError::BadConnection(text.clone()));
        }
        let _ = classify_unknown_flavour(&unknown(text));
    }
}

#[test]
fn classes_are_written_as_words() {
    let all = [
        Class::Disconnect,
        Class::Retry,
        Class::Failover,
        Class::Busy,
        Class::Permanent,
    ];
    assert_eq!(
        all.map(|class| class.to_string()),
        ["disconnect", "retry", "failover", "busy", "permanent"]
    );
}

#[test]
fn every_condition_that_must_be_known_has_its_lines_in_the_corpus() {
    let corpus: Vec<Line> = corpus().collect();
    let mut missing = Vec::new();
    for row in include_str!("rows.txt").lines() {
        if row.is_empty() || row.starts_with('#') {
            continue;
        }
        let mut fields = row.split(" | ");
        let flavour = fields.next().expect("a row has a flavour");
        let rule = fields.next().expect("a row has a rule");
        let known = FLAVOURS.iter().flat_map(|flavour| rules(*flavour));
        assert!(
            known.into_iter().any(|known| known.name == rule),
            "no rule is called {rule}"
        );
        for beginning in fields {
            let found = corpus.iter().any(|line| {
                format!("{:?}", line.flavour).eq_ignore_ascii_case(&flavour.replace("postgres", "postgresql"))
                    && line.text.starts_with(beginning)
                    && line.by_words.rule == rule
            });
            if !found {
                missing.push(format!("{flavour}: {rule}: {beginning}"));
            }
        }
    }
    assert!(missing.is_empty(), "no line in the corpus:\n{}", missing.join("\n"));
}

/// What each flavour may be answered to COMMIT, and what that says of the data.
#[test]
fn every_answer_to_commit_has_its_line_in_the_corpus() {
    let answers = [
        ("mysql 1213 deadlock", CommitOutcome::RolledBack),
        ("mysql 1020 changed", CommitOutcome::RolledBack),
        ("mysql 1205 lock wait", CommitOutcome::RolledBack),
        ("mysql 3101 plugin rollback", CommitOutcome::RolledBack),
        ("postgres 40001 serialization", CommitOutcome::RolledBack),
        ("postgres 40P01 deadlock", CommitOutcome::RolledBack),
        ("mysql 1047 wsrep", CommitOutcome::NotCommitted),
        ("mysql 1290 read-only", CommitOutcome::NotCommitted),
        ("mysql 1836 read-only", CommitOutcome::NotCommitted),
        ("postgres 25006 read-only", CommitOutcome::NotCommitted),
        ("postgres 23 constraint (kind)", CommitOutcome::RolledBack),
        ("postgres 25P02 aborted", CommitOutcome::RolledBack),
        ("sqlite 5 busy", CommitOutcome::StillOpen),
        ("sqlite 19 constraint (kind)", CommitOutcome::StillOpen),
        ("mysql 2006 gone away", CommitOutcome::Unknown),
        ("mysql 2013 lost during query", CommitOutcome::Unknown),
        ("mysql 1180 during commit", CommitOutcome::Unknown),
        ("mysql 1053 shutdown", CommitOutcome::Unknown),
        ("mysql 1317 interrupted", CommitOutcome::Unknown),
        ("mysql unknown", CommitOutcome::Unknown),
        ("tidb 9001 unavailable", CommitOutcome::Unknown),
        ("vitess unavailable", CommitOutcome::Unknown),
        ("libpq connection lost", CommitOutcome::Unknown),
        ("postgres 57P01 terminated", CommitOutcome::Unknown),
        ("postgres 57P02 crash", CommitOutcome::Unknown),
        ("cockroach 40003 ambiguous", CommitOutcome::Unknown),
        ("postgres unknown", CommitOutcome::Unknown),
    ];
    let corpus: Vec<Line> = corpus().filter(|line| line.phase == Phase::Commit).collect();
    for (rule, outcome) in answers {
        let mut lines = corpus.iter().filter(|line| line.by_words.rule == rule).peekable();
        assert!(
            lines.peek().is_some(),
            "no COMMIT in the corpus is answered with {rule}"
        );
        for line in lines {
            assert_eq!(line.by_words.at_commit, outcome, "line {}: {rule}", line.number);
        }
    }
}

#[test]
fn codes_tell_what_is_meant_from_what_is_only_said() {
    for line in corpus().filter(|line| line.by_words.class != Class::Permanent && line.phase == Phase::Statement) {
        let words = Evidence::new(DatabaseErrorKind::Unknown, &line.text);
        let raised = match line.flavour {
            Flavour::MySql => words.with_number(1644).with_sqlstate("45000"),
            Flavour::PostgreSql => words.with_sqlstate("P0001"),
            // RAISE(ABORT, '…') in a trigger: SQLITE_CONSTRAINT_TRIGGER.
            Flavour::Sqlite => words.with_number(1811),
        };
        let verdict = classify_with(line.flavour, line.phase, &raised);
        assert_eq!(
            (verdict.class, verdict.scope),
            (Class::Permanent, None),
            "line {}: {}",
            line.number,
            verdict.rule
        );
    }
}

#[test]
fn a_number_alone_decides_nothing() {
    for number in [1047, 1053, 1205, 1213, 1290, 1305, 1317, 1927, 2006, 2013, 4031] {
        let evidence = Evidence::new(DatabaseErrorKind::Unknown, "in another language").with_number(number);
        for evidence in [evidence, evidence.with_sqlstate("HY000")] {
            let verdict = classify_with(Flavour::MySql, Phase::Statement, &evidence);
            assert_eq!(verdict.rule, "mysql unknown", "{number}");
        }
    }
}
