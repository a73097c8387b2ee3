//! What can be told of a statement by its first word.
//!
//! The typed DSL cannot contain transaction control, and a typed SELECT cannot write; both are told by the query's type
//! and cost nothing. Everything else is looked at as text.

use std::iter::Peekable;
use std::str::Chars;

use aludel_core::Flavour;

/// What a piece of raw SQL may do to the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It only reads.
    Read,
    /// It may write.
    Write,
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

/// The strongest effect of any statement in a text that may hold several.
pub(super) fn effect(flavour: Flavour, sql: &str) -> Effect {
    statements(flavour, sql)
        .map(|words| effect_of(&words))
        .max_by_key(|effect| *effect as u8)
        .unwrap_or(Effect::Read)
}

fn effect_of(words: &[String]) -> Effect {
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    match word(0) {
        "BEGIN" | "COMMIT" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "ABORT" | "END" | "XA" => Effect::Control,
        "START" | "PREPARE" if word(1) == "TRANSACTION" => Effect::Control,
        "SET" if words.iter().any(|word| word == "AUTOCOMMIT" || word == "TRANSACTION") => Effect::Control,
        "" | "SELECT" | "SHOW" | "EXPLAIN" | "DESCRIBE" | "DESC" | "VALUES" | "TABLE" | "SET" | "PRAGMA" => {
            Effect::Read
        }
        "CREATE" | "DROP" if word(1) == "TEMPORARY" => Effect::Write,
        "CREATE" | "ALTER" | "DROP" | "TRUNCATE" | "RENAME" | "GRANT" | "REVOKE" | "LOCK" | "ANALYZE" | "OPTIMIZE" => {
            Effect::Definition
        }
        _ => Effect::Write,
    }
}

/// The first few words of each statement, in upper case, comments and string contents left out.
fn statements(flavour: Flavour, sql: &str) -> impl Iterator<Item = Vec<String>> {
    const WORDS: usize = 5;
    let mut all = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut characters = sql.chars().peekable();
    let mut previous_was_semicolon = true;
    let flush = |word: &mut String, words: &mut Vec<String>| {
        if !word.is_empty() && words.len() < WORDS {
            words.push(std::mem::take(word));
        }
        word.clear();
    };
    while let Some(character) = characters.next() {
        match character {
            '-' if characters.peek() == Some(&'-') => {
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
                // What stands in a comment of the form /*! … */ runs on MariaDB and MySQL.
                if flavour == Flavour::MySql && characters.peek() == Some(&'!') {
                    characters.next();
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
                if words.len() < WORDS {
                    words.push(String::new());
                }
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
                if words.len() < WORDS {
                    words.push(String::new());
                }
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
