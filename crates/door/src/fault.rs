//! What is wrong with a request, all of it at once, within bounds.

use std::fmt;

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
}
