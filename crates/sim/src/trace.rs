//! What happened, as a number to compare two runs by and as a story to read.

/// The trace of one run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// A trace; with `story`, one that can be read.
    pub(crate) fn new(story: bool) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            lines: story.then(Vec::new),
        }
    }

    /// Adds bytes to the number (FNV-1a).
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash ^= u64::from(*byte);
            self.hash = self.hash.wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Adds numbers to the number.
    pub(crate) fn add_numbers(&mut self, numbers: &[i64]) {
        for number in numbers {
            self.add(&number.to_le_bytes());
        }
    }

    /// Adds a line to the story, where there is one.
    pub(crate) fn say(&mut self, now: i64, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            let (seconds, millis) = (now / 1000, now % 1000);
            lines.push(format!("{seconds:>5}.{millis:03}  {}", line()));
        }
    }

    /// The number.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The story; empty where none was asked for.
    pub(crate) fn into_story(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
