//! What can be told of a statement by its first word.
//!
//! The typed DSL cannot contain transaction control, and a typed SELECT cannot write; both are told by the query's type
//! and cost nothing. Everything else is looked at as text.

use aludel_core::Flavour;

mod lexer;
mod order;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod tests;

use lexer::{Conditional, Token};
pub(crate) use order::{Order, order};

/// What a piece of raw SQL may do to the transaction, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    /// It only reads.
    Read,
    /// It may write.
    Write,
    /// It may do anything, since what runs does not stand in its text; on MariaDB and MySQL that includes ending the
    /// transaction.
    MayEnd,
    /// On MariaDB and MySQL it commits the transaction by the way, as everything does that changes the schema.
    Definition,
    /// It begins, ends or steers a transaction.
    Control,
}

/// The effect of a query of the typed DSL, told by its type. Not knowing is no harm: the text is looked at then.
pub(super) fn effect_of_type<T>() -> Option<Effect> {
    let name = std::any::type_name::<T>().trim_start_matches('&'); // a query that is lent
    if let Some(ours) = name.strip_prefix(UNIT_OF_WORK) {
        return Some(if ours.starts_with("Select<") {
            Effect::Read
        } else {
            Effect::Write
        });
    }
    let statement = name.strip_prefix("diesel::query_builder::")?;
    if statement.starts_with("select_statement::") {
        Some(Effect::Read)
    } else if ["insert_statement::", "update_statement::", "delete_statement::"]
        .iter()
        .any(|s| statement.starts_with(s))
    {
        Some(Effect::Write)
    } else {
        None
    }
}

/// Where the statements of the unit of work are.
const UNIT_OF_WORK: &str = "aludel::sql::";

/// Whether it is one of those.
pub(super) fn is_of_unit_of_work<T>() -> bool {
    std::any::type_name::<T>().starts_with(UNIT_OF_WORK)
}

/// Which rows that were read before a statement may have changed behind the back of the identity map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    /// None that could have been read before.
    Nothing,
    /// Those of the table with this type, and those of other tables whose foreign keys lead to it.
    Table(&'static str),
    /// Nobody knows.
    Anything,
}

/// Told by the type of a typed statement, by the text of anything else. What an INSERT makes is new, unless it may also write to
/// a row that is there.
pub(crate) fn touched_by_type<T>() -> Option<Touched> {
    let name = std::any::type_name::<T>().trim_start_matches('&'); // a query that is lent
    let statement = name.strip_prefix("diesel::query_builder::")?;
    let upserts = [
        "::on_conflict_actions::DoUpdate<",
        "::insert_statement::private::Replace",
    ];
    let changes = if statement.starts_with("insert_statement::") {
        upserts.iter().any(|upsert| statement.contains(upsert))
    } else if statement.starts_with("update_statement::") || statement.starts_with("delete_statement::") {
        true
    } else if statement.starts_with("select_statement::") {
        false
    } else {
        return None;
    };
    if !changes {
        return Some(Touched::Nothing);
    }
    let table = statement.split_once('<')?.1.split([',', '>']).next()?;
    Some(Touched::Table(table.trim()))
}

/// The name of the table that an INSERT, UPDATE, DELETE or REPLACE writes to, as [`bare_name`] has it.
pub(crate) fn table_written_by(flavour: Flavour, sql: &str) -> Option<String> {
    let statements = statements(flavour, sql);
    let [statement] = &statements[..] else { return None };
    let verbs = ["INSERT", "REPLACE", "INTO", "UPDATE", "DELETE", "FROM", "OR", "IGNORE"];
    let mut rest = statement
        .iter()
        .skip_while(|token| matches!(token, Token::Word(word) if verbs.contains(&word.as_str())));
    loop {
        let (Token::Word(name) | Token::Name(name)) = rest.next()? else {
            return None;
        };
        if rest.next() != Some(&Token::Symbol('.')) {
            return Some(name.to_lowercase());
        }
    }
}

/// A table's name without its schema and its quotes, in small letters: whether two names are one table where they differ in the
/// rest nobody can tell from here, so they are taken for one.
pub(crate) fn bare_name(flavour: Flavour, quoted: &str) -> String {
    let name = lexer::statements(flavour, quoted, Conditional::Runs).pop();
    let last = name.and_then(|tokens| match tokens.into_iter().next_back()? {
        Token::Word(name) | Token::Name(name) | Token::Text(name) => Some(name.to_lowercase()),
        Token::Symbol(_) => None,
    });
    last.unwrap_or_else(|| quoted.to_lowercase())
}

/// See [`touched_by_type`].
pub(crate) fn touched_by_text(flavour: Flavour, sql: &str) -> Touched {
    let changes_nothing = |statement: &Vec<Token>| changes_nothing_read(flavour, statement);
    if statements(flavour, sql).iter().all(changes_nothing) {
        Touched::Nothing
    } else {
        Touched::Anything
    }
}

/// Whether a statement leaves rows that were read before as they are, and what a query sees of them.
fn changes_nothing_read(flavour: Flavour, statement: &[Token]) -> bool {
    let words = words_of(statement);
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    let names = |wanted: &str| {
        let is = |token: &Token| matches!(token, Token::Word(name) | Token::Name(name) if name == wanted);
        statement.iter().any(is)
    };
    match words[0].as_str() {
        "INSERT" => !(has("REPLACE") || has("DUPLICATE") || has("CONFLICT") && has("UPDATE")),
        // A search path, a role or a time zone is another answer to the same query.
        "SET" => sets_own_variable(statement),
        "WITH" => !["INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "INTO"]
            .iter()
            .any(|verb| has(verb)),
        _ => effect_of(flavour, statement) == Effect::Read && !names("SET_CONFIG"),
    }
}

/// `SET @name = ..` of MariaDB's and MySQL's, one of them.
fn sets_own_variable(statement: &[Token]) -> bool {
    let own = matches!(statement.get(1), Some(Token::Word(name)) if name.starts_with('@') && !name.starts_with("@@"));
    own && !statement.contains(&Token::Symbol(','))
}

/// The strongest effect of any statement in a text that may hold several.
pub(crate) fn effect(flavour: Flavour, sql: &str) -> Effect {
    let runs = strongest(flavour, statements(flavour, sql));
    if lexer::has_conditional(flavour, sql) {
        // A server that is too old for what stands in them skips such comments, quotes included.
        runs.max(strongest(
            flavour,
            lexer::statements(flavour, sql, Conditional::Skipped),
        ))
    } else {
        runs
    }
}

/// Whether any statement of a text runs what does not stand in it, which may be a BEGIN without an end.
pub(super) fn may_begin(flavour: Flavour, sql: &str) -> bool {
    let unknown = |statement: &Vec<Token>| effect_of(flavour, statement) == Effect::MayEnd;
    statements(flavour, sql).iter().any(unknown)
}

fn statements(flavour: Flavour, sql: &str) -> Vec<Vec<Token>> {
    lexer::statements(flavour, sql, Conditional::Runs)
}

fn strongest(flavour: Flavour, statements: Vec<Vec<Token>>) -> Effect {
    let mut strongest = Effect::Read;
    // Depth of BEGIN … END inside the body of a trigger or a routine, whose statements run some other time.
    let mut body = 0_usize;
    for statement in statements {
        if body == 0 {
            strongest = strongest.max(effect_of(flavour, &statement));
            body = blocks_begun_by(flavour, &statement);
            continue;
        }
        let words = words_of(&statement);
        let others = ["IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR"];
        let ends_a_block = words[0] == "END" && words.get(1).is_none_or(|word| !others.contains(&word.as_str()));
        if flavour == Flavour::MySql {
            body += words.iter().filter(|word| *word == "BEGIN").count();
        }
        body -= usize::from(ends_a_block);
    }
    strongest
}

/// How many blocks a statement leaves open at its semicolon, which belongs to the body that it defines. A name may be the
/// word BEGIN: only where a body can begin does it count.
fn blocks_begun_by(flavour: Flavour, statement: &[Token]) -> usize {
    let words = words_of(statement);
    let objects = [
        "DATABASE",
        "EVENT",
        "FUNCTION",
        "INDEX",
        "PACKAGE",
        "PROCEDURE",
        "ROLE",
        "SCHEMA",
        "SEQUENCE",
        "SERVER",
        "TABLE",
        "TRIGGER",
        "USER",
        "VIEW",
    ];
    if words[0] != "CREATE" {
        return 0;
    }
    let Some(kind) = words.iter().position(|word| objects.contains(&word.as_str())) else {
        return 0;
    };
    let is_word = |token: Option<&Token>, wanted: &str| matches!(token, Some(Token::Word(word)) if word == wanted);
    match (flavour, words[kind].as_str()) {
        (Flavour::Sqlite, "TRIGGER") => 1,
        (Flavour::PostgreSql, "FUNCTION" | "PROCEDURE") => {
            let atomic = |pair: &[Token]| is_word(pair.first(), "BEGIN") && is_word(pair.get(1), "ATOMIC");
            usize::from(statement.windows(2).any(atomic))
        }
        (Flavour::MySql, "EVENT" | "FUNCTION" | "PACKAGE" | "PROCEDURE" | "TRIGGER") => {
            let named = if words.get(kind + 1).is_some_and(|word| word == "IF") {
                5
            } else {
                2
            };
            words.iter().skip(kind + named).filter(|word| *word == "BEGIN").count()
        }
        _ => 0,
    }
}

/// The words of a statement, its equals signs, and nothing in the place of what is quoted; at least one.
fn words_of(statement: &[Token]) -> Vec<String> {
    let words = statement.iter().filter_map(|token| match token {
        Token::Word(word) => Some(word.clone()),
        Token::Name(_) | Token::Text(_) => Some(String::new()),
        Token::Symbol('=') => Some("=".to_owned()),
        Token::Symbol(_) => None,
    });
    words.collect()
}

fn effect_of(flavour: Flavour, statement: &[Token]) -> Effect {
    let words = words_of(unlabelled(flavour, statement));
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    let mysql = flavour == Flavour::MySql;
    match word(0) {
        "BEGIN" | "COMMIT" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "XA" => Effect::Control,
        "END" | "ABORT" if !mysql => Effect::Control,
        "START" | "PREPARE" if word(1) == "TRANSACTION" => Effect::Control,
        "SET" if has("TRANSACTION") || names_a_setting(statement) => Effect::Control,
        "RESET" | "DISCARD" if !mysql && (word(1) == "ALL" || names_a_setting(statement)) => Effect::Control,
        _ if flavour == Flavour::PostgreSql && writes_a_setting(statement, word(0)) => Effect::Control,
        // SET STATEMENT … FOR a statement, EXPLAIN ANALYZE of one, SELECT … INTO a table.
        "SET" if word(1) == "STATEMENT" => Effect::Write,
        "SET" if mysql && (has("PASSWORD") || has("ROLE")) => Effect::Definition,
        "EXPLAIN" | "SELECT" if has("ANALYZE") || has("INTO") => Effect::Write,
        "PRAGMA" if is_set(statement, "QUERY_ONLY") || is_set(statement, "READ_UNCOMMITTED") => Effect::Control,
        "PRAGMA" if has("=") => Effect::Write,
        "" | "SELECT" | "SHOW" | "EXPLAIN" | "DESCRIBE" | "DESC" | "VALUES" | "TABLE" | "SET" | "PRAGMA" => {
            Effect::Read
        }
        "CREATE" | "DROP" if word(1) == "TEMPORARY" => Effect::Write,
        "CREATE" | "ALTER" | "DROP" | "TRUNCATE" | "RENAME" | "GRANT" | "REVOKE" => Effect::Definition,
        _ if mysql => effect_on_mysql(&words),
        "CALL" | "EXECUTE" => Effect::MayEnd,
        _ => Effect::Write,
    }
}

/// <https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/>, and what runs what does not stand in its text:
/// compound statements outside of a routine among it.
fn effect_on_mysql(words: &[String]) -> Effect {
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    match word(0) {
        "LOCK" | "CACHE" | "CHANGE" | "CHECK" | "FLUSH" | "INSTALL" | "OPTIMIZE" | "REPAIR" | "RESET" | "SHUTDOWN"
        | "STOP" | "START" | "UNINSTALL" => Effect::Definition,
        "ANALYZE" if ["TABLE", "TABLES", "LOCAL", "NO_WRITE_TO_BINLOG"].contains(&word(1)) => Effect::Definition,
        "LOAD" if word(1) == "INDEX" => Effect::Definition,
        "CALL" | "EXECUTE" | "UNLOCK" | "ANALYZE" | "BACKUP" | "IF" | "CASE" | "LOOP" | "WHILE" | "REPEAT" | "FOR" => {
            Effect::MayEnd
        }
        _ => Effect::Write,
    }
}

/// A compound statement of MariaDB's may have a label.
fn unlabelled(flavour: Flavour, statement: &[Token]) -> &[Token] {
    match statement {
        [_, Token::Symbol(':'), rest @ ..] if flavour == Flavour::MySql && !rest.is_empty() => rest,
        statement => statement,
    }
}

/// Whether a pragma is given a value, with or without an equals sign.
fn is_set(statement: &[Token], pragma: &str) -> bool {
    let place = statement.iter().position(|token| match token {
        // SQLite takes a string for a name here.
        Token::Word(name) | Token::Name(name) | Token::Text(name) => name == pragma,
        Token::Symbol(_) => false,
    });
    place.is_some_and(|place| {
        statement[place + 1..]
            .iter()
            .any(|token| !matches!(token, Token::Symbol(_)))
    })
}

/// Variables that say how transactions run and end: this one, the next one, which may be somebody else's, or all that come
/// on the connection.
const SETTINGS: [&str; 10] = [
    "AUTOCOMMIT",
    "COMPLETION_TYPE",
    "TX_ISOLATION",
    "TX_READ_ONLY",
    "TRANSACTION_ISOLATION",
    "TRANSACTION_READ_ONLY",
    "TRANSACTION_DEFERRABLE",
    "DEFAULT_TRANSACTION_ISOLATION",
    "DEFAULT_TRANSACTION_READ_ONLY",
    "DEFAULT_TRANSACTION_DEFERRABLE",
];

/// Whether a SET or a RESET names one of them. `@name` is a variable of the user's own.
fn names_a_setting(statement: &[Token]) -> bool {
    let mut own = false;
    statement.iter().any(|token| {
        let (name, quoted) = match token {
            Token::Word(name) => (name.strip_prefix("@@").unwrap_or(name), false),
            Token::Name(name) => (name.as_str(), true),
            Token::Text(_) | Token::Symbol(_) => ("", false),
        };
        let of_the_user = quoted && own;
        own = matches!(token, Token::Word(name) if name == "@");
        !of_the_user && SETTINGS.contains(&name)
    })
}

/// Whether a statement of PostgreSQL's writes one of them with `set_config('..')` or by the view `pg_settings`. A name that
/// is a bind value, or stands in a function, cannot be seen.
fn writes_a_setting(statement: &[Token], verb: &str) -> bool {
    let names = |wanted: &str| {
        let is = |token: &Token| matches!(token, Token::Word(name) | Token::Name(name) if name == wanted);
        statement.iter().any(is)
    };
    let named = |token: &Token| matches!(token, Token::Text(text) if SETTINGS.contains(&text.as_str()));
    (names("SET_CONFIG") || (verb == "UPDATE" && names("PG_SETTINGS"))) && statement.iter().any(named)
}
