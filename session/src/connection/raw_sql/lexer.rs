//! A text as the words of its statements: only as much of each database's lexical rules as it takes to know where strings,
//! comments and statements end.
//!
//! What a setting of the server's or the connection's changes in those rules cannot be seen from here: PostgreSQL's
//! `standard_conforming_strings = off`, `NO_BACKSLASH_ESCAPES` and `ANSI_QUOTES` in the SQL mode of MariaDB and MySQL.

use aludel_core::Flavour;

/// One thing in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A word or a number, in upper case.
    Word(String),
    /// A name in quotes, in upper case.
    Name(String),
    /// What stands in a string, in upper case.
    Text(String),
    /// Anything else.
    Symbol(char),
}

/// Whether what stands in a comment of the form `/*! … */` or `/*M! … */` runs, as it does on MariaDB and MySQL unless it is
/// meant for a newer version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conditional {
    Runs,
    Skipped,
}

/// The statements of a text; those without a word in them are left out.
pub(super) fn statements(flavour: Flavour, sql: &str, conditional: Conditional) -> Vec<Vec<Token>> {
    let mut lexer = Lexer {
        flavour,
        conditional,
        rest: sql,
        inside_conditional: false,
    };
    let (mut all, mut tokens) = (Vec::new(), Vec::new());
    while let Some(lexeme) = lexer.next() {
        match lexeme {
            Lexeme::Token(token) => tokens.push(token),
            Lexeme::End => all.push(std::mem::take(&mut tokens)),
            Lexeme::Nothing => {}
        }
    }
    all.push(tokens);
    all.retain(|tokens| tokens.iter().any(|token| !matches!(token, Token::Symbol(_))));
    all
}

/// Whether a text has a comment that runs on some versions.
pub(super) fn has_conditional(flavour: Flavour, sql: &str) -> bool {
    flavour == Flavour::MySql && (sql.contains("/*!") || sql.contains("/*M!"))
}

enum Lexeme {
    Token(Token),
    /// A semicolon.
    End,
    /// A comment, or a blank.
    Nothing,
}

struct Lexer<'a> {
    flavour: Flavour,
    conditional: Conditional,
    rest: &'a str,
    inside_conditional: bool,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<Lexeme> {
        let first = self.rest.chars().next()?;
        if is_blank(first) || (self.flavour == Flavour::Sqlite && first == '\u{feff}') {
            self.skip(first.len_utf8());
            return Some(Lexeme::Nothing);
        }
        if self.skip_comment() {
            return Some(Lexeme::Nothing);
        }
        if first == '$' && self.flavour == Flavour::PostgreSql {
            return Some(Lexeme::Token(self.dollar()));
        }
        if self.begins_word(first) {
            return Some(Lexeme::Token(self.word()));
        }
        self.skip(first.len_utf8());
        let quoted = match (first, self.flavour) {
            ('\'', flavour) => Token::Text(self.quoted('\'', flavour == Flavour::MySql)),
            // A string there, a name elsewhere.
            ('"', Flavour::MySql) => Token::Text(self.quoted('"', true)),
            ('"' | '`', _) => Token::Name(self.quoted(first, false)),
            ('[', Flavour::Sqlite) => {
                let (name, rest) = self.rest.split_once(']').unwrap_or((self.rest, ""));
                self.rest = rest;
                Token::Name(name.to_ascii_uppercase())
            }
            (';', _) => return Some(Lexeme::End),
            _ => Token::Symbol(first),
        };
        Some(Lexeme::Token(quoted))
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    /// Skips a comment, or what stands around one that runs.
    fn skip_comment(&mut self) -> bool {
        let mysql = self.flavour == Flavour::MySql;
        // There `5--1` is arithmetic: a comment begins with two minus signs and a blank.
        let dashes = self.rest.strip_prefix("--").is_some_and(|rest| {
            !mysql
                || rest
                    .chars()
                    .next()
                    .is_none_or(|next| is_blank(next) || next.is_ascii_control())
        });
        if dashes || (mysql && self.rest.starts_with('#')) {
            self.skip_line();
            return true;
        }
        if self.inside_conditional && self.rest.starts_with("*/") {
            self.inside_conditional = false;
            self.skip(2);
            return true;
        }
        if !self.rest.starts_with("/*") {
            return false;
        }
        self.skip(2);
        let marked = self.rest.strip_prefix('M').unwrap_or(self.rest).strip_prefix('!');
        if let Some(content) = marked
            && mysql
            && self.conditional == Conditional::Runs
        {
            self.rest = content.trim_start_matches(|digit: char| digit.is_ascii_digit());
            self.inside_conditional = true;
            return true;
        }
        let mut depth = 1;
        while depth > 0 && !self.rest.is_empty() {
            if self.rest.starts_with("*/") {
                depth -= 1;
                self.skip(2);
            } else if self.rest.starts_with("/*") && self.flavour == Flavour::PostgreSql {
                // Only there do comments nest.
                depth += 1;
                self.skip(2);
            } else {
                self.skip_char();
            }
        }
        true
    }

    fn skip_char(&mut self) {
        let length = self.rest.chars().next().map_or(0, char::len_utf8);
        self.skip(length);
    }

    fn skip_line(&mut self) {
        let postgres = self.flavour == Flavour::PostgreSql;
        let end = self
            .rest
            .find(|end| end == '\n' || (postgres && end == '\r'))
            .unwrap_or(self.rest.len());
        self.skip(end);
    }

    /// What lies beyond ASCII is part of a name for each of them, blanks included.
    fn begins_word(&self, first: char) -> bool {
        first.is_ascii_alphanumeric()
            || first == '_'
            || !first.is_ascii()
            || (first == '@' && self.flavour == Flavour::MySql)
            || (first == '$' && self.flavour != Flavour::PostgreSql)
    }

    fn word(&mut self) -> Token {
        let is_number = self.rest.starts_with(|first: char| first.is_ascii_digit());
        let end = self
            .rest
            .find(|next| !(self.begins_word(next) || (next == '$' && !is_number)))
            .unwrap_or(self.rest.len());
        let word = self.rest[..end].to_ascii_uppercase();
        self.skip(end);
        if word == "E" && self.flavour == Flavour::PostgreSql && self.rest.starts_with('\'') {
            return Token::Text(self.escaped());
        }
        Token::Word(word)
    }

    /// What stands between quotes, of which the first one is read already.
    fn quoted(&mut self, quote: char, escapes: bool) -> String {
        let mut text = String::new();
        while let Some(next) = self.rest.chars().next() {
            self.skip(next.len_utf8());
            if next == '\\' && escapes {
                text.extend(self.rest.chars().next());
                self.skip_char();
            } else if next != quote {
                text.push(next);
            } else if self.rest.starts_with(quote) {
                text.push(quote);
                self.skip(quote.len_utf8());
            } else {
                break;
            }
        }
        text.make_ascii_uppercase();
        text
    }

    /// PostgreSQL's `E'..'`, which goes on behind a line break with more of its kind.
    fn escaped(&mut self) -> String {
        let mut text = String::new();
        loop {
            self.skip(1);
            text.push_str(&self.quoted('\'', true));
            let mut ahead = Lexer { ..*self };
            let mut broken = false;
            while let Some(first) = ahead.rest.chars().next() {
                if is_blank(first) {
                    broken |= matches!(first, '\n' | '\r');
                    ahead.skip(1);
                } else if ahead.rest.starts_with("--") {
                    ahead.skip_line();
                } else {
                    break;
                }
            }
            if !(broken && ahead.rest.starts_with('\'')) {
                return text;
            }
            self.rest = ahead.rest;
        }
    }

    /// PostgreSQL's `$$ .. $$` or `$tag$ .. $tag$`, in which functions have their bodies; a parameter such as `$1`; or
    /// nothing that it knows.
    fn dollar(&mut self) -> Token {
        let tag = self.rest[1..].find('$').map(|end| &self.rest[..end + 2]);
        let is_tag = |tag: &&str| {
            let name = &tag[1..tag.len() - 1];
            !name.starts_with(|first: char| first.is_ascii_digit())
                && name
                    .chars()
                    .all(|part| part.is_ascii_alphanumeric() || part == '_' || !part.is_ascii())
        };
        let Some(tag) = tag.filter(is_tag) else {
            self.skip(1);
            return Token::Symbol('$');
        };
        let body = &self.rest[tag.len()..];
        let (text, rest) = body.split_once(tag).unwrap_or((body, ""));
        self.rest = rest;
        Token::Text(text.to_ascii_uppercase())
    }
}

fn is_blank(character: char) -> bool {
    character.is_ascii_whitespace() || character == '\u{b}'
}
