//! From text to term, by recursive descent.

use super::lexer::{Lexer, Token};
use super::term::{Comparison, Name, Order, Term, Test, Version};
use super::{MAX_DEPTH, MAX_LENGTH, Pattern, QueryError, date};

/// Longest attribute name, in characters (ECS API reference, `Attribute`).
const MAX_ATTRIBUTE_LENGTH: usize = 128;
const SUBJECTS: &str = "a subject (agentConnected, agentVersion, attribute:NAME, ec2InstanceId, \
                        registeredAt, runningTasksCount, task:group), \"not\" or \"(\"";

pub(super) fn parse(text: &str) -> Result<Term, QueryError> {
    let length = text.chars().count();
    if length > MAX_LENGTH {
        return Err(QueryError::TooLong { length });
    }
    if text.trim().is_empty() {
        return Err(QueryError::Empty);
    }
    let mut parser = Parser {
        lexer: Lexer::new(text),
        depth: 0,
    };
    let term = parser.or()?;
    match parser.peek()? {
        (Token::End, _) => Ok(term),
        (token, column) => Err(unexpected(
            column,
            "\"and\", \"or\" or the end of the expression",
            &token,
        )),
    }
}

fn unexpected(column: usize, expected: &str, found: &Token) -> QueryError {
    QueryError::Unexpected {
        column,
        expected: expected.to_owned(),
        found: found.name(),
    }
}

fn invalid(column: usize, problem: String) -> QueryError {
    QueryError::Invalid { column, problem }
}

/// What an operator asks, before its value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Exists,
    NotExists,
    Order(Order),
    Matches,
    NotMatches,
    In,
    NotIn,
}

impl Operator {
    fn parse(word: &str) -> Option<Self> {
        let operator = match word.to_ascii_lowercase().as_str() {
            "exists" => Self::Exists,
            "!exists" | "not_exists" => Self::NotExists,
            "==" | "equals" => Self::Order(Order::Equal),
            "!=" | "not_equals" => Self::Order(Order::NotEqual),
            ">" | "greater_than" => Self::Order(Order::Greater),
            ">=" | "greater_than_equal" => Self::Order(Order::GreaterEqual),
            "<" | "less_than" => Self::Order(Order::Less),
            "<=" | "less_than_equal" => Self::Order(Order::LessEqual),
            "=~" | "matches" => Self::Matches,
            "!~" | "not_matches" => Self::NotMatches,
            "in" => Self::In,
            "!in" | "not_in" => Self::NotIn,
            _ => return None,
        };
        Some(operator)
    }
}

/// A subject as it was named, with the operators it takes.
enum Subject {
    Text(Name),
    Version,
    RegisteredAt,
    RunningTasks,
}

impl Subject {
    fn parse(word: &str, column: usize) -> Result<Option<Self>, QueryError> {
        let lower = word.to_ascii_lowercase();
        let subject = match lower.as_str() {
            "agentconnected" => Self::Text(Name::AgentConnected),
            "ec2instanceid" => Self::Text(Name::Ec2InstanceId),
            "task:group" => Self::Text(Name::TaskGroup),
            "agentversion" => Self::Version,
            "registeredat" => Self::RegisteredAt,
            "runningtaskscount" => Self::RunningTasks,
            _ if lower.starts_with("attribute:") => {
                let name = &word["attribute:".len()..];
                let valid = |c: char| c.is_ascii_alphanumeric() || "-_./\\:".contains(c);
                if name.is_empty()
                    || name.chars().count() > MAX_ATTRIBUTE_LENGTH
                    || !name.chars().all(valid)
                {
                    return Err(invalid(
                        column,
                        format!(
                            "\"{name}\" is no attribute name; use 1 to {MAX_ATTRIBUTE_LENGTH} letters, digits and -_./\\"
                        ),
                    ));
                }
                Self::Text(Name::Attribute(name.to_owned()))
            }
            _ => return Ok(None),
        };
        Ok(Some(subject))
    }

    /// The operators it takes, as an error lists them.
    fn operators(&self) -> &'static str {
        match self {
            Self::Text(Name::Attribute(_)) => {
                "exists, !exists, ==, !=, >, >=, <, <=, in, !in, =~ or !~"
            }
            Self::Text(_) => "==, !=, in, !in, =~ or !~",
            Self::Version | Self::RegisteredAt | Self::RunningTasks => "==, !=, >, >=, < or <=",
        }
    }

    fn takes(&self, operator: Operator) -> bool {
        let equality = matches!(operator, Operator::Order(Order::Equal | Order::NotEqual));
        match self {
            Self::Text(Name::Attribute(_)) => true,
            Self::Text(_) => {
                equality
                    || matches!(
                        operator,
                        Operator::In | Operator::NotIn | Operator::Matches | Operator::NotMatches
                    )
            }
            Self::Version | Self::RegisteredAt | Self::RunningTasks => {
                matches!(operator, Operator::Order(_))
            }
        }
    }
}

struct Parser {
    lexer: Lexer,
    depth: usize,
}

impl Parser {
    fn peek(&mut self) -> Result<(Token, usize), QueryError> {
        let column = self.lexer.column();
        Ok((self.lexer.peek_next()?, column))
    }

    /// Takes the next word if it is one of these.
    fn take(&mut self, words: [&str; 2]) -> Result<bool, QueryError> {
        let (token, _) = self.peek()?;
        let found = matches!(&token, Token::Bare(word)
            if words.iter().any(|wanted| word.eq_ignore_ascii_case(wanted)));
        if found {
            self.lexer.next()?;
        }
        Ok(found)
    }

    fn or(&mut self) -> Result<Term, QueryError> {
        let mut terms = vec![self.and()?];
        while self.take(["or", "||"])? {
            terms.push(self.and()?);
        }
        Ok(join(terms, Term::Or))
    }

    fn and(&mut self) -> Result<Term, QueryError> {
        let mut terms = vec![self.unary()?];
        while self.take(["and", "&&"])? {
            terms.push(self.unary()?);
        }
        Ok(join(terms, Term::And))
    }

    fn unary(&mut self) -> Result<Term, QueryError> {
        let column = self.lexer.column();
        if self.depth >= MAX_DEPTH {
            return Err(invalid(
                column,
                format!("brackets and negations are nested more than {MAX_DEPTH} deep"),
            ));
        }
        self.depth += 1;
        let term = if self.take(["not", "!"])? {
            Term::Not(Box::new(self.unary()?))
        } else if self.peek()?.0 == Token::Open {
            self.lexer.next()?;
            let term = self.or()?;
            self.close(column)?;
            term
        } else {
            Term::Comparison(self.comparison()?)
        };
        self.depth -= 1;
        Ok(term)
    }

    fn close(&mut self, opened: usize) -> Result<(), QueryError> {
        let (token, column) = self.peek()?;
        if token != Token::Close {
            let expected = format!("\"and\", \"or\" or the \")\" for column {opened}");
            return Err(unexpected(column, &expected, &token));
        }
        self.lexer.next()?;
        Ok(())
    }

    fn comparison(&mut self) -> Result<Comparison, QueryError> {
        let (token, column) = self.peek()?;
        self.lexer.next()?;
        let subject = match &token {
            Token::Bare(word) => Subject::parse(word, column)?,
            _ => None,
        };
        let Some(subject) = subject else {
            return Err(unexpected(column, SUBJECTS, &token));
        };
        let operator = self.operator(&subject)?;
        match subject {
            Subject::Text(name) => self.text(name, operator),
            Subject::Version => self.typed(operator, |order, text| {
                let version = Version::parse(text)
                    .ok_or("is no version; write dotted numbers such as 1.14.5")?;
                Ok(Comparison::Version(order, version))
            }),
            Subject::RegisteredAt => self.typed(operator, |order, text| {
                let at = date::parse(text)
                    .ok_or("is no date; write 2018-06-18 or 2018-06-18T22:28:28Z")?;
                Ok(Comparison::RegisteredAt(order, text.to_owned(), at))
            }),
            Subject::RunningTasks => self.typed(operator, |order, text| {
                let count = text.parse().map_err(|_| "is no whole number")?;
                Ok(Comparison::RunningTasks(order, count))
            }),
        }
    }

    fn operator(&mut self, subject: &Subject) -> Result<Operator, QueryError> {
        let (token, column) = self.peek()?;
        let operator = match &token {
            Token::Bare(word) => Operator::parse(word),
            _ => None,
        };
        match operator.filter(|operator| subject.takes(*operator)) {
            Some(operator) => {
                self.lexer.next()?;
                Ok(operator)
            }
            None => Err(unexpected(column, subject.operators(), &token)),
        }
    }

    fn text(&mut self, name: Name, operator: Operator) -> Result<Comparison, QueryError> {
        let test = match operator {
            Operator::Exists => Test::Exists,
            Operator::NotExists => Test::NotExists,
            Operator::Order(order) => Test::Order(order, self.text_value(&name)?),
            Operator::In => Test::In(self.list(&name)?),
            Operator::NotIn => Test::NotIn(self.list(&name)?),
            Operator::Matches => Test::Matches(self.pattern()?),
            Operator::NotMatches => Test::NotMatches(self.pattern()?),
        };
        Ok(Comparison::Text(name, test))
    }

    fn typed(
        &mut self,
        operator: Operator,
        make: impl FnOnce(Order, &str) -> Result<Comparison, &'static str>,
    ) -> Result<Comparison, QueryError> {
        let (text, column) = self.value()?;
        let Operator::Order(order) = operator else {
            return Err(invalid(column, "this operator takes no value".to_owned()));
        };
        make(order, &text).map_err(|problem| invalid(column, format!("\"{text}\" {problem}")))
    }

    fn value(&mut self) -> Result<(String, usize), QueryError> {
        self.word(Lexer::value)
    }

    fn word(
        &mut self,
        read: fn(&mut Lexer) -> Result<Token, QueryError>,
    ) -> Result<(String, usize), QueryError> {
        let column = self.lexer.column();
        match read(&mut self.lexer)? {
            Token::Bare(text) | Token::Quoted(text) => Ok((text, column)),
            other => Err(unexpected(column, "a value", &other)),
        }
    }

    fn text_value(&mut self, name: &Name) -> Result<String, QueryError> {
        let (text, column) = self.value()?;
        if *name != Name::AgentConnected {
            return Ok(text);
        }
        match text.to_ascii_lowercase().as_str() {
            lower @ ("true" | "false") => Ok(lower.to_owned()),
            _ => Err(invalid(
                column,
                format!("\"{text}\" is neither true nor false"),
            )),
        }
    }

    fn list(&mut self, name: &Name) -> Result<Vec<String>, QueryError> {
        let (token, column) = self.peek()?;
        if token != Token::ListOpen {
            return Err(unexpected(column, "\"[\" and a list of values", &token));
        }
        self.lexer.next()?;
        let mut values = vec![self.text_value(name)?];
        loop {
            let column = self.lexer.column();
            match self.lexer.value()? {
                Token::Comma => values.push(self.text_value(name)?),
                Token::ListClose => return Ok(values),
                other => return Err(unexpected(column, "\",\" or \"]\"", &other)),
            }
        }
    }

    fn pattern(&mut self) -> Result<Pattern, QueryError> {
        let (text, column) = self.word(Lexer::pattern)?;
        Pattern::new(&text).map_err(|problem| {
            invalid(
                column,
                format!("the regular expression \"{text}\" cannot be used: {problem}"),
            )
        })
    }
}

/// One term stands for itself; terms of the same kind are one.
fn join(mut terms: Vec<Term>, make: fn(Vec<Term>) -> Term) -> Term {
    if terms.len() == 1
        && let Some(only) = terms.pop()
    {
        return only;
    }
    make(terms)
}
