//! The words of an expression, each with its column.

use super::QueryError;

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// `(`
    Open,
    /// `)`
    Close,
    /// `[`
    ListOpen,
    /// `]`
    ListClose,
    /// `,`
    Comma,
    /// A word between white space, brackets and commas.
    Bare(String),
    /// A quoted text, without its quotes.
    Quoted(String),
    /// After the last word.
    End,
}

impl Token {
    /// How an error names it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Open => "\"(\"".to_owned(),
            Self::Close => "\")\"".to_owned(),
            Self::ListOpen => "\"[\"".to_owned(),
            Self::ListClose => "\"]\"".to_owned(),
            Self::Comma => "\",\"".to_owned(),
            Self::Bare(word) => format!("\"{word}\""),
            Self::Quoted(text) => format!("the quoted text '{text}'"),
            Self::End => "the end of the expression".to_owned(),
        }
    }
}

/// Characters that mark an operator written without white space around it, as in `a>=1`.
const OPERATORS: [&str; 8] = ["==", "!=", ">=", "<=", "=~", "!~", ">", "<"];
/// Signs that join comparisons and end a word before an operator.
const JOINS: [&str; 2] = ["&&", "||"];

/// Reads words one after another. What a word may hold depends on where it stands: a value such
/// as a regular expression may hold the characters of operators, a subject may not.
#[derive(Debug)]
pub(super) struct Lexer {
    characters: Vec<char>,
    position: usize,
}

impl Lexer {
    pub(super) fn new(text: &str) -> Self {
        Self {
            characters: text.chars().collect(),
            position: 0,
        }
    }

    /// The column of the next word, from 1.
    pub(super) fn column(&mut self) -> usize {
        self.skip_space();
        self.position + 1
    }

    /// The next word where a value may stand.
    pub(super) fn value(&mut self) -> Result<Token, QueryError> {
        self.skip_space();
        self.word(|_, _| false)
    }

    /// The next word elsewhere: operators and `!` end a word and stand for themselves.
    pub(super) fn next(&mut self) -> Result<Token, QueryError> {
        self.skip_space();
        if let Some(sign) = self.sign() {
            self.position += sign.chars().count();
            return Ok(Token::Bare(sign));
        }
        self.word(|lexer, at| lexer.starts_sign(at))
    }

    /// The next word without taking it.
    pub(super) fn peek_next(&mut self) -> Result<Token, QueryError> {
        let position = self.position;
        let token = self.next();
        self.position = position;
        token
    }

    fn skip_space(&mut self) {
        while self.peek(0).is_some_and(char::is_whitespace) {
            self.position += 1;
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.position + ahead).copied()
    }

    fn starts_with(&self, at: usize, text: &str) -> bool {
        text.chars().enumerate().all(|(i, c)| {
            self.characters
                .get(at + i)
                .is_some_and(|d| d.eq_ignore_ascii_case(&c))
        })
    }

    fn starts_sign(&self, at: usize) -> bool {
        let signs = OPERATORS.iter().chain(&JOINS);
        self.starts_with(at, "!") || signs.into_iter().any(|sign| self.starts_with(at, sign))
    }

    /// The operator or join that stands next, `!exists` and `!in` among them.
    fn sign(&self) -> Option<String> {
        let ends = |length: usize| {
            self.peek(length)
                .is_none_or(|c| c.is_whitespace() || is_bracket(c))
        };
        let words = ["!exists", "!in"];
        let word = words
            .iter()
            .find(|word| self.starts_with(self.position, word) && ends(word.len()));
        let signs = OPERATORS.iter().chain(&JOINS);
        let mut signs = word.into_iter().chain(signs).chain(&["!"]);
        let found = signs.find(|sign| self.starts_with(self.position, sign))?;
        Some((*found).to_owned())
    }

    fn word(&mut self, ends: impl Fn(&Self, usize) -> bool) -> Result<Token, QueryError> {
        let Some(first) = self.peek(0) else {
            return Ok(Token::End);
        };
        let bracket = match first {
            '(' => Some(Token::Open),
            ')' => Some(Token::Close),
            '[' => Some(Token::ListOpen),
            ']' => Some(Token::ListClose),
            ',' => Some(Token::Comma),
            _ => None,
        };
        if let Some(bracket) = bracket {
            self.position += 1;
            return Ok(bracket);
        }
        if first == '\'' || first == '"' {
            return self.quoted(first);
        }
        let start = self.position;
        while let Some(c) = self.peek(0) {
            if c.is_whitespace() || is_bracket(c) || ends(self, self.position) {
                break;
            }
            self.position += 1;
        }
        Ok(Token::Bare(
            self.characters[start..self.position].iter().collect(),
        ))
    }

    /// The next word where a pattern stands: brackets of its own and commas belong to it, and a
    /// bracket that it does not open ends it.
    pub(super) fn pattern(&mut self) -> Result<Token, QueryError> {
        self.skip_space();
        match self.peek(0) {
            None => return Ok(Token::End),
            Some(quote @ ('\'' | '"')) => return self.quoted(quote),
            Some(_) => {}
        }
        let start = self.position;
        let (mut depth, mut in_class, mut escaped) = (0_usize, false, false);
        while let Some(c) = self.peek(0).filter(|c| !c.is_whitespace()) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                ']' if in_class => in_class = false,
                _ if in_class => {}
                '[' => in_class = true,
                '(' => depth += 1,
                ')' if depth == 0 => break,
                ')' => depth -= 1,
                _ => {}
            }
            self.position += 1;
        }
        if start == self.position {
            return self.word(|_, _| false);
        }
        Ok(Token::Bare(
            self.characters[start..self.position].iter().collect(),
        ))
    }

    fn quoted(&mut self, quote: char) -> Result<Token, QueryError> {
        let start = self.position + 1;
        let rest = &self.characters[start..];
        let Some(length) = rest.iter().position(|c| *c == quote) else {
            return Err(QueryError::Unexpected {
                column: start,
                expected: format!("a closing {quote} for the quote that opens here"),
                found: Token::End.name(),
            });
        };
        let text = rest[..length].iter().collect();
        self.position = start + length + 1;
        Ok(Token::Quoted(text))
    }
}

fn is_bracket(c: char) -> bool {
    matches!(c, '(' | ')' | '[' | ']' | ',')
}
