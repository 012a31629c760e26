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

    /// Adds bytes to the number.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let last = rest
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte));
        self.mix(last ^ (bytes.len() as u64) << 56);
    }

    /// Adds numbers to the number.
    pub(crate) fn add_numbers(&mut self, numbers: &[i64]) {
        for number in numbers {
            self.mix(number.cast_unsigned());
        }
    }

    /// Adds a word. Two words in another order, or another word, give another number.
    fn mix(&mut self, word: u64) {
        let mixed = (self.hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.hash = mixed ^ (mixed >> 32);
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
