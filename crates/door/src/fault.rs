//! What is wrong with a request, all of it at once, within bounds.

use std::fmt;

use crate::error::ErrorKind;

/// Most faults that one answer tells; the rest are counted. Nobody mends more at a time.
const MAX_FAULTS: usize = 20;
/// Longest text of one fault, in bytes. It quotes the request, whose members have no bound of
/// their own.
const MAX_FAULT_LENGTH: usize = 512;

/// Adds a fault, worded as for `format!`. Its text is made only if it is told.
#[macro_export]
macro_rules! fault {
    ($faults:ident, $($arg:tt)*) => { $faults.add(format_args!($($arg)*)) };
}

/// The faults found so far. A small request can have thousands, each of which quotes it.
#[derive(Debug, Default)]
pub struct Faults {
    told: Vec<String>,
    more: usize,
}

impl Faults {
    /// Adds one, in a sentence.
    pub fn add(&mut self, fault: fmt::Arguments<'_>) {
        if self.told.len() == MAX_FAULTS {
            self.more += 1;
            return;
        }
        let mut text = fault.to_string();
        if text.len() > MAX_FAULT_LENGTH {
            text.truncate(text.floor_char_boundary(MAX_FAULT_LENGTH));
            text.push_str("...");
        }
        self.told.push(text);
    }

    /// Adds those of another look at the same request.
    pub fn append(&mut self, other: Self) {
        let room = MAX_FAULTS - self.told.len();
        self.more += other.more + other.told.len().saturating_sub(room);
        self.told.extend(other.told.into_iter().take(room));
    }

    /// What to answer; `None` if nothing is wrong.
    pub fn into_message(self) -> Option<String> {
        if self.told.is_empty() {
            return None;
        }
        let mut message = self.told.join(" ");
        if self.more > 0 {
            message.push_str(&format!(" There are {} more.", self.more));
        }
        Some(message)
    }
}

/// What the model of a service says against an input, before anything else is looked at.
#[derive(Debug, Default)]
pub struct Violations {
    kind: Option<ErrorKind>,
    faults: Faults,
}

impl Violations {
    /// Adds one, in a sentence. The first one decides the exception.
    pub fn add(&mut self, kind: ErrorKind, fault: fmt::Arguments<'_>) {
        self.kind.get_or_insert(kind);
        self.faults.add(fault);
    }

    /// Adds those that were collected elsewhere, all with one exception.
    pub fn append(&mut self, kind: ErrorKind, faults: Faults) {
        if !faults.told.is_empty() {
            self.kind.get_or_insert(kind);
        }
        self.faults.append(faults);
    }

    /// The exception and its message; `None` if nothing is wrong.
    pub fn into_parts(self) -> Option<(ErrorKind, String)> {
        self.kind.zip(self.faults.into_message())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_within_bounds() {
        assert_eq!(Faults::default().into_message(), None);
        let mut faults = Faults::default();
        faults.add(format_args!("One."));
        faults.add(format_args!("Two."));
        assert_eq!(faults.into_message().as_deref(), Some("One. Two."));

        let mut faults = Faults::default();
        for _ in 0..1000 {
            faults.add(format_args!("{}", "é".repeat(1000)));
        }
        let message = faults.into_message().unwrap_or_default();
        assert!(message.ends_with("... There are 980 more."), "{message}");
        assert!(message.len() < MAX_FAULTS * (MAX_FAULT_LENGTH + 8) + 64);
    }

    #[test]
    fn the_first_violation_decides_the_exception() {
        assert_eq!(Violations::default().into_parts(), None);
        let mut violations = Violations::default();
        violations.add(ErrorKind::LIMIT_EXCEEDED, format_args!("One."));
        violations.add(ErrorKind::INVALID_PARAMETER, format_args!("Two."));
        let mut others = Faults::default();
        for _ in 0..30 {
            others.add(format_args!("Three."));
        }
        violations.append(ErrorKind::INVALID_PARAMETER, others);
        let (kind, message) = violations
            .into_parts()
            .unwrap_or((ErrorKind::SERVER, String::new()));
        assert_eq!(kind, ErrorKind::LIMIT_EXCEEDED);
        assert!(message.starts_with("One. Two. Three. "), "{message}");
        assert!(message.ends_with(" There are 12 more."), "{message}");
        assert_eq!(message.matches("Three.").count(), 18, "{message}");
    }
}
