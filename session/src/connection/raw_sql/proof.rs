//! Random texts whose maker knows what is in them: nothing hides a control word, and nothing that only looks like one is
//! taken for it.

use aludel_core::Flavour;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;

use super::{Effect, effect, may_begin, order, touched_by_text};

const FLAVOURS: [Flavour; 3] = [Flavour::MySql, Flavour::PostgreSql, Flavour::Sqlite];

/// What strings and comments are filled with.
const JUNK: [&str; 29] = [
    "COMMIT",
    "; COMMIT;",
    "ROLLBACK",
    ";",
    "'",
    "''",
    "\"",
    "`",
    "$$",
    "$a$",
    "$1",
    "/*",
    "*/",
    "/*!",
    "--",
    "-- ",
    "#",
    "\\",
    "\\'",
    "[",
    "]",
    "\n",
    "\r",
    " ",
    "é\u{a0}",
    "E'",
    "BEGIN",
    "END",
    "@@",
];

/// What may stand in a SELECT.
const FILLERS: [&str; 17] = [
    "1",
    "a",
    "+",
    "-",
    "* 2",
    "(3)",
    "E",
    "commitment",
    "begin_x",
    "a_commit",
    "é",
    "5-- 1\n",
    "x.y",
    "= 7",
    ", 8",
    "e ",
    "_b",
];

/// Something that a text can be made of.
#[derive(Clone, Debug)]
enum Piece {
    Filler(usize),
    Text(Vec<usize>),
    Name(Vec<usize>),
    LineComment(Vec<usize>),
    BlockComment(Vec<usize>),
    /// One that only one database has.
    Own(Vec<usize>),
    Blank,
}

fn piece() -> impl Strategy<Value = Piece> {
    let junk = || vec(0..JUNK.len(), 0..6);
    prop_oneof![
        (0..FILLERS.len()).prop_map(Piece::Filler),
        junk().prop_map(Piece::Text),
        junk().prop_map(Piece::Name),
        junk().prop_map(Piece::LineComment),
        junk().prop_map(Piece::BlockComment),
        junk().prop_map(Piece::Own),
        Just(Piece::Blank),
    ]
}

/// Only what may stand between any two words.
fn gap() -> impl Strategy<Value = Piece> {
    let junk = || vec(0..JUNK.len(), 0..6);
    prop_oneof![
        junk().prop_map(Piece::LineComment),
        junk().prop_map(Piece::BlockComment),
        Just(Piece::Blank),
    ]
}

#[derive(Clone, Debug)]
enum Statement {
    /// A SELECT with these in it.
    Harmless(Vec<Piece>),
    /// A word of control, with these between its words.
    Control(usize, Vec<Piece>),
}

fn statement() -> impl Strategy<Value = Statement> {
    prop_oneof![
        4 => vec(piece(), 0..8).prop_map(Statement::Harmless),
        1 => (0..100_usize, vec(gap(), 8)).prop_map(|(which, gaps)| Statement::Control(which, gaps)),
    ]
}

/// What steers a transaction, a word a blank.
fn controls(flavour: Flavour) -> Vec<&'static str> {
    let mut controls = vec![
        "COMMIT",
        "rollback",
        "Begin",
        "SAVEPOINT a",
        "RELEASE a",
        "ROLLBACK TO a",
    ];
    controls.extend(match flavour {
        Flavour::MySql => [
            "START TRANSACTION",
            "SET autocommit = 0",
            "SET a = 1 , `autocommit` = 0",
            "SET @@session.tx_isolation = 'SERIALIZABLE'",
            "SET SESSION TRANSACTION READ ONLY",
            "XA END 'a'",
            "/*!40101 COMMIT */",
            "/*M!100100 SET @@completion_type = 1 */",
        ],
        Flavour::PostgreSql => [
            "START TRANSACTION",
            "END WORK",
            "ABORT",
            "PREPARE TRANSACTION 'a'",
            "SET LOCAL \"transaction_read_only\" = off",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "SELECT set_config ( 'transaction_isolation' , 'serializable' , true )",
            "RESET default_transaction_isolation",
        ],
        // SQLite.
        _ => [
            "END TRANSACTION",
            "PRAGMA query_only = 1",
            "PRAGMA main . 'query_only' = 1",
            "PRAGMA [read_uncommitted] ( 1 )",
            "\u{feff}COMMIT",
            "BEGIN IMMEDIATE",
            "END",
            "COMMIT TRANSACTION",
        ],
    });
    controls
}

fn junk(parts: &[usize]) -> String {
    parts.iter().map(|part| JUNK[*part]).collect()
}

fn in_quotes(text: &str, quote: char, backslashes: bool) -> String {
    let mut quoted = text.replace(quote, &format!("{quote}{quote}"));
    if backslashes {
        quoted = quoted.replace('\\', "\\\\");
    }
    format!("{quote}{quoted}{quote}")
}

fn write(flavour: Flavour, piece: &Piece) -> String {
    let mysql = flavour == Flavour::MySql;
    match piece {
        Piece::Filler(which) => format!(" {} ", FILLERS[*which]),
        Piece::Blank => "\t\n".to_owned(),
        // Right behind a line break it would go on with an E-string before it, by that one's rules.
        Piece::Text(parts) if flavour == Flavour::PostgreSql => format!(", {}", in_quotes(&junk(parts), '\'', false)),
        Piece::Text(parts) => in_quotes(&junk(parts), '\'', mysql),
        Piece::Name(parts) if mysql => in_quotes(&junk(parts), '`', false),
        Piece::Name(parts) => in_quotes(&junk(parts), '"', false),
        Piece::LineComment(parts) => {
            let ends: &[char] = if flavour == Flavour::PostgreSql {
                &['\n', '\r']
            } else {
                &['\n']
            };
            let end = if flavour == Flavour::PostgreSql && parts.len() % 2 == 1 {
                '\r'
            } else {
                '\n'
            };
            format!("-- {}{end}", junk(parts).replace(ends, ""))
        }
        Piece::BlockComment(parts) => {
            let text = junk(parts).replace('*', "");
            if flavour == Flavour::PostgreSql {
                format!("/* /* {text} */ {text} */")
            } else {
                format!("/* {text} */")
            }
        }
        Piece::Own(parts) => match flavour {
            Flavour::MySql if parts.len() % 2 == 0 => format!("# {}\n", junk(parts).replace('\n', "")),
            Flavour::MySql => in_quotes(&junk(parts), '"', true),
            Flavour::PostgreSql if parts.len() % 2 == 0 => format!(" $q${}$q$ a$b$ ", junk(parts)),
            // It goes on behind the line break, by the same rules.
            Flavour::PostgreSql => {
                let text = in_quotes(&junk(parts), '\'', true);
                format!(" E{text} -- COMMIT '\n {text}")
            }
            _ => format!("[{}]", junk(parts).replace(']', "")),
        },
    }
}

/// The text, and whether there is a control word in it.
fn text(flavour: Flavour, statements: &[Statement]) -> (String, bool) {
    let mut controlled = false;
    let texts: Vec<String> = statements
        .iter()
        .map(|statement| match statement {
            Statement::Harmless(pieces) => {
                let pieces: String = pieces.iter().map(|piece| write(flavour, piece) + " ").collect();
                format!("SELECT {pieces}")
            }
            Statement::Control(which, gaps) => {
                controlled = true;
                let controls = controls(flavour);
                let mut written = String::new();
                let mut gaps = gaps.iter().cycle();
                for word in controls[which % controls.len()].split(' ') {
                    written.extend(gaps.next().map(|gap| write(flavour, gap) + " "));
                    // What makes a comment run stands right behind its beginning.
                    written.push_str(word);
                    written.push(' ');
                }
                written
            }
        })
        .collect();
    (texts.join(";"), controlled)
}

/// The same texts each time, so that a change is to blame for what fails after it; long runs have others, and many more.
fn config() -> ProptestConfig {
    let long = std::env::var_os("ALUDEL_TEST_LONG").is_some();
    ProptestConfig {
        cases: if long { 200_000 } else { 4_000 },
        rng_seed: if long {
            RngSeed::Random
        } else {
            RngSeed::Fixed(0xA1_0DE1)
        },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_hides_a_control_word_and_nothing_is_taken_for_one(
        flavour in select(&FLAVOURS[..]),
        statements in vec(statement(), 1..5),
    ) {
        let (sql, controlled) = text(flavour, &statements);
        prop_assert_eq!(effect(flavour, &sql) == Effect::Control, controlled, "{:?}: {:?}", flavour, sql);
        let order = order(flavour, &sql);
        prop_assert!(controlled || order == Ok(None), "{:?}: {:?}", flavour, sql);
        prop_assert!(statements.len() == 1 || order == Ok(None), "{:?}: {:?}", flavour, sql);
    }

    #[test]
    fn no_text_makes_the_scanner_panic(
        flavour in select(&FLAVOURS[..]),
        wild in any::<String>(),
        parts in vec(0..JUNK.len(), 0..20),
    ) {
        for sql in [wild.clone(), junk(&parts), junk(&parts) + &wild, wild + &junk(&parts)] {
            let _ = (effect(flavour, &sql), order(flavour, &sql), may_begin(flavour, &sql), touched_by_text(flavour, &sql));
        }
    }
}
