//! Regular expressions, matched against the whole text.

use regex::{Regex, RegexBuilder};

/// Memory one compiled pattern may take, in bytes. A pattern such as `((a{99}){99}){99}` is refused
/// instead of compiled.
const SIZE_LIMIT: usize = 1 << 20;
/// Deepest nesting inside one pattern.
const NEST_LIMIT: u32 = 50;

/// A pattern in the syntax of the `regex` crate, which never takes more than linear time. What
/// Java has beyond it, such as look-around and back references, is refused when read.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    whole: Regex,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn new(source: &str) -> Result<Self, String> {
        // Compiled alone first, so that it cannot reach out of the group it is put into.
        compile(source)?;
        let whole = compile(&format!(r"\A(?:{source})\z"))?;
        Ok(Self {
            source: source.to_owned(),
            whole,
        })
    }

    /// The pattern as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it matches the whole text.
    pub fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }
}

fn compile(source: &str) -> Result<Regex, String> {
    RegexBuilder::new(source)
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(SIZE_LIMIT)
        .nest_limit(NEST_LIMIT)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                "it grows too large when compiled; use smaller repetitions".to_owned()
            }
            other => {
                let text = other.to_string();
                let last = text.lines().last().unwrap_or_default();
                last.trim_start_matches("error: ").to_owned()
            }
        })
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}
