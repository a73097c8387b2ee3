//! What can be told of a statement by its first word.
//!
//! The typed DSL cannot contain transaction control, and a typed SELECT cannot write; both are told by the query's type
//! and cost nothing. Everything else is looked at as text.

use std::iter::Peekable;
use std::str::Chars;

use aludel_core::Flavour;

/// What a piece of raw SQL may do to the transaction, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effect {
    /// It only reads.
    Read,
    /// It may write.
    Write,
    /// It may do anything, since what runs does not stand in its text; on MariaDB and MySQL that includes ending the
    /// transaction.
    MayEnd,
    /// It defines or changes the schema, which on MariaDB and MySQL commits the transaction.
    Definition,
    /// It begins, ends or steers a transaction.
    Control,
}

/// The effect of a query of the typed DSL, told by its type. Not knowing is no harm: the text is looked at then.
pub(super) fn effect_of_type<T>() -> Option<Effect> {
    let statement = std::any::type_name::<T>().strip_prefix("diesel::query_builder::")?;
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

/// Which rows a statement may have changed behind the back of the identity map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    /// None that could have been read before.
    Nothing,
    /// Those of the table with this type.
    Table(&'static str),
    /// Nobody knows.
    Anything,
}

/// Told by the type of a typed UPDATE or DELETE, by the text of anything else. What an INSERT makes is new.
pub(crate) fn touched_by_type<T>() -> Option<Touched> {
    let statement = std::any::type_name::<T>().strip_prefix("diesel::query_builder::")?;
    if statement.starts_with("select_statement::") || statement.starts_with("insert_statement::") {
        return Some(Touched::Nothing);
    }
    if !statement.starts_with("update_statement::") && !statement.starts_with("delete_statement::") {
        return None;
    }
    let table = statement.split_once('<')?.1.split([',', '>']).next()?;
    Some(Touched::Table(table.trim()))
}

/// See [`touched_by_type`].
pub(crate) fn touched_by_text(flavour: Flavour, sql: &str) -> Touched {
    let harmless = |words: Vec<String>| words[0] == "INSERT" || effect_of(flavour, &words) == Effect::Read;
    if statements(flavour, sql).all(harmless) {
        Touched::Nothing
    } else {
        Touched::Anything
    }
}

/// The strongest effect of any statement in a text that may hold several.
pub(super) fn effect(flavour: Flavour, sql: &str) -> Effect {
    let mut strongest = Effect::Read;
    // Depth of BEGIN … END inside the body of a trigger or a routine, whose statements run some other time.
    let mut body = 0_usize;
    for words in statements(flavour, sql) {
        if body == 0 {
            strongest = strongest.max(effect_of(flavour, &words));
            if defines_a_routine(&words) {
                body = words.iter().filter(|word| *word == "BEGIN").count();
            }
            continue;
        }
        body += words.iter().filter(|word| *word == "BEGIN").count();
        let ends_a_block = words[0] == "END" && words.get(1).is_none_or(String::is_empty);
        body -= usize::from(ends_a_block);
    }
    strongest
}

/// Whether any statement of a text runs what does not stand in it, which may be a BEGIN without an end.
pub(super) fn may_begin(flavour: Flavour, sql: &str) -> bool {
    statements(flavour, sql).any(|words| effect_of(flavour, &words) == Effect::MayEnd)
}

fn defines_a_routine(words: &[String]) -> bool {
    let kinds = ["TRIGGER", "PROCEDURE", "FUNCTION", "EVENT"];
    words[0] == "CREATE" && words.iter().take(8).any(|word| kinds.contains(&word.as_str()))
}

fn effect_of(flavour: Flavour, words: &[String]) -> Effect {
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    match word(0) {
        "BEGIN" | "COMMIT" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "XA" => Effect::Control,
        "END" | "ABORT" if flavour != Flavour::MySql => Effect::Control,
        "START" | "PREPARE" if word(1) == "TRANSACTION" => Effect::Control,
        "SET" if has("TRANSACTION") || words.iter().any(|word| steers(word)) => Effect::Control,
        // SET STATEMENT … FOR a statement, EXPLAIN ANALYZE of one, SELECT … INTO a table.
        "SET" if word(1) == "STATEMENT" => Effect::Write,
        "EXPLAIN" | "SELECT" if has("ANALYZE") || has("INTO") => Effect::Write,
        "PRAGMA" if is_set(words, "QUERY_ONLY") || is_set(words, "READ_UNCOMMITTED") => Effect::Control,
        "PRAGMA" if has("=") => Effect::Write,
        "" | "SELECT" | "SHOW" | "EXPLAIN" | "DESCRIBE" | "DESC" | "VALUES" | "TABLE" | "SET" | "PRAGMA" => {
            Effect::Read
        }
        "CREATE" | "DROP" if word(1) == "TEMPORARY" => Effect::Write,
        "CREATE" | "ALTER" | "DROP" | "TRUNCATE" | "RENAME" | "GRANT" | "REVOKE" => Effect::Definition,
        "CALL" | "EXECUTE" | "LOCK" | "UNLOCK" | "ANALYZE" | "OPTIMIZE" | "CHECK" | "REPAIR" | "FLUSH" | "RESET"
        | "CACHE" | "INSTALL" | "UNINSTALL" => Effect::MayEnd,
        _ => Effect::Write,
    }
}

/// Whether a pragma is given a value, with or without an equals sign.
fn is_set(words: &[String], pragma: &str) -> bool {
    let place = words.iter().position(|word| word == pragma);
    place.is_some_and(|place| place + 1 < words.len())
}

/// Whether a word of SET is a variable that says how transactions run: this one, the next one, which may be somebody
/// else's, or all that come on the connection. `@name` is a variable of the user's own.
fn steers(word: &str) -> bool {
    const VARIABLES: [&str; 9] = [
        "AUTOCOMMIT",
        "TX_ISOLATION",
        "TX_READ_ONLY",
        "TRANSACTION_ISOLATION",
        "TRANSACTION_READ_ONLY",
        "TRANSACTION_DEFERRABLE",
        "DEFAULT_TRANSACTION_ISOLATION",
        "DEFAULT_TRANSACTION_READ_ONLY",
        "DEFAULT_TRANSACTION_DEFERRABLE",
    ];
    VARIABLES.contains(&word.strip_prefix("@@").unwrap_or(word))
}

/// The words of each statement, in upper case, and its equals signs; comments and string contents left out.
fn statements(flavour: Flavour, sql: &str) -> impl Iterator<Item = Vec<String>> {
    let mut all = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut characters = sql.chars().peekable();
    let mut previous_was_semicolon = true;
    let flush = |word: &mut String, words: &mut Vec<String>| {
        if !word.is_empty() {
            words.push(std::mem::take(word));
        }
    };
    while let Some(character) = characters.next() {
        match character {
            // On MariaDB and MySQL `5--1` is arithmetic: a comment begins with two minus signs and a blank.
            '-' if characters.peek() == Some(&'-')
                && (flavour != Flavour::MySql
                    || characters
                        .clone()
                        .nth(1)
                        .is_none_or(|next| next.is_whitespace() || next.is_control())) =>
            {
                flush(&mut word, &mut words);
                characters.by_ref().find(|&skipped| skipped == '\n');
            }
            '#' if flavour == Flavour::MySql => {
                flush(&mut word, &mut words);
                characters.by_ref().find(|&skipped| skipped == '\n');
            }
            '/' if characters.peek() == Some(&'*') => {
                flush(&mut word, &mut words);
                characters.next();
                // What stands in a comment of the form /*! … */ or /*M! … */ runs on MariaDB and MySQL.
                let runs = |ahead: &mut Peekable<Chars<'_>>| {
                    ahead.next_if_eq(&'M');
                    ahead.next_if_eq(&'!').is_some()
                };
                if flavour == Flavour::MySql && runs(&mut characters.clone()) {
                    runs(&mut characters);
                    while characters.peek().is_some_and(char::is_ascii_digit) {
                        characters.next();
                    }
                    continue;
                }
                let mut last = ' ';
                for skipped in characters.by_ref() {
                    if last == '*' && skipped == '/' {
                        break;
                    }
                    last = skipped;
                }
            }
            '$' if flavour == Flavour::PostgreSql && word.is_empty() && skip_dollar_quoted(&mut characters) => {
                words.push(String::new());
            }
            '\'' | '"' | '`' => {
                // PostgreSQL's E'..' takes backslashes as MariaDB's and MySQL's strings do.
                let escapes = flavour == Flavour::MySql || flavour == Flavour::PostgreSql && word == "E";
                flush(&mut word, &mut words);
                while let Some(skipped) = characters.next() {
                    match skipped {
                        '\\' if escapes => {
                            characters.next();
                        }
                        skipped if skipped == character => break,
                        _ => {}
                    }
                }
                words.push(String::new());
            }
            ';' => {
                flush(&mut word, &mut words);
                all.push(std::mem::take(&mut words));
                previous_was_semicolon = true;
                continue;
            }
            character if character.is_alphanumeric() || character == '_' || character == '@' => {
                word.extend(character.to_uppercase());
            }
            '=' => {
                flush(&mut word, &mut words);
                words.push("=".to_owned());
            }
            _ => flush(&mut word, &mut words),
        }
        previous_was_semicolon = false;
    }
    flush(&mut word, &mut words);
    if !previous_was_semicolon || !words.is_empty() {
        all.push(words);
    }
    all.into_iter().filter(|words| !words.is_empty())
}

/// Skips PostgreSQL's `$$ .. $$` or `$tag$ .. $tag$`, in which functions have their bodies. Its first dollar is read
/// already; where that begins something else, such as the parameter `$1`, nothing is skipped.
fn skip_dollar_quoted(characters: &mut Peekable<Chars<'_>>) -> bool {
    let mut ahead = characters.clone();
    let mut delimiter = String::from("$");
    loop {
        match ahead.next() {
            Some('$') => break,
            Some(letter) if letter == '_' || letter.is_alphabetic() => delimiter.push(letter),
            Some(digit) if digit.is_numeric() && delimiter.len() > 1 => delimiter.push(digit),
            _ => return false,
        }
    }
    delimiter.push('$');
    let mut body = String::new();
    for character in ahead.by_ref() {
        body.push(character);
        if body.ends_with(&delimiter) {
            break;
        }
    }
    *characters = ahead;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(sql: &str) -> Effect {
        super::effect(Flavour::MySql, sql)
    }

    #[test]
    fn the_first_word_tells_and_comments_do_not_hide_it() {
        assert_eq!(effect("SELECT 1"), Effect::Read);
        assert_eq!(effect("/* note */ -- more\n insert into t values (1)"), Effect::Write);
        assert_eq!(effect("SELECT 1; COMMIT"), Effect::Control);
        assert_eq!(effect("create table t (a int)"), Effect::Definition);
        assert_eq!(effect("CREATE TEMPORARY TABLE t (a int)"), Effect::Write);
        assert_eq!(effect("start transaction read only"), Effect::Control);
        assert_eq!(effect("/*!40101 COMMIT */"), Effect::Control);
        assert_eq!(effect("SET autocommit = 1"), Effect::Control);
        assert_eq!(effect(""), Effect::Read);
    }

    #[test]
    fn what_hides_is_found_and_what_only_looks_like_it_is_not() {
        for hidden in [
            "INSERT INTO t VALUES (5--1); COMMIT",
            "/*M!100100 COMMIT */",
            "SET @@autocommit = 1",
            "SET a = 1, b = 2, c = 3, d = 4, autocommit = 0",
            "SET @@session.autocommit = 0",
            "SET @@tx_isolation = 'SERIALIZABLE'",
            "SET LOCAL transaction_read_only = off",
        ] {
            assert_eq!(effect(hidden), Effect::Control, "{hidden}");
        }
        let sqlite = |sql: &str| super::effect(Flavour::Sqlite, sql);
        let trigger = "CREATE TRIGGER a AFTER INSERT ON t BEGIN UPDATE t SET x = 1; DELETE FROM u; END";
        assert_eq!(sqlite(trigger), Effect::Definition);
        assert_eq!(sqlite(&format!("{trigger}; COMMIT")), Effect::Control);
        let procedure = "CREATE PROCEDURE p() BEGIN IF a THEN COMMIT; END IF; BEGIN ROLLBACK; END; SELECT 1; END";
        assert_eq!(effect(procedure), Effect::Definition);
        assert_eq!(effect(&format!("{procedure}; COMMIT")), Effect::Control);
        assert_eq!(effect("CALL p()"), Effect::MayEnd);
        assert_eq!(
            effect("SET STATEMENT max_statement_time = 5 FOR INSERT INTO t VALUES (1)"),
            Effect::Write
        );
        assert_eq!(sqlite("PRAGMA user_version = 7"), Effect::Write);
        assert_eq!(sqlite("PRAGMA user_version"), Effect::Read);
    }

    #[test]
    fn what_stands_between_dollars_is_no_statement() {
        let effect = |sql| super::effect(Flavour::PostgreSql, sql);
        assert_eq!(
            effect("CREATE FUNCTION f() AS $$ BEGIN a; COMMIT; END $$ LANGUAGE plpgsql"),
            Effect::Definition
        );
        assert_eq!(effect("DO $a1$ BEGIN x; $$ END; $a1$"), Effect::Write);
        assert_eq!(effect("SELECT $1; COMMIT; SELECT $1"), Effect::Control);
        assert_eq!(effect("SELECT a$b$; COMMIT; SELECT $b$ $b$"), Effect::Control);
        assert_eq!(effect(r"SELECT E'it\'; ROLLBACK'"), Effect::Read);
        assert_eq!(effect(r"SELECT E'a\''; COMMIT; --'"), Effect::Control);
    }

    #[test]
    fn what_stands_in_a_string_is_no_statement() {
        assert_eq!(effect("SELECT 'a; COMMIT'"), Effect::Read);
        assert_eq!(effect("SELECT 'it''s; ROLLBACK'"), Effect::Read);
    }
}
