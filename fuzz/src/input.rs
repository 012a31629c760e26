//! How a target takes its input apart.

/// The bytes before the first newline and those after it; all and none where there is none.
pub(crate) fn split_line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[]),
    }
}

/// A sequence of numbers that an input decides.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(data: &[u8]) -> Self {
        // FNV-1a: every byte counts.
        let hash = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(hash | 1)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }

    /// Another byte than `old`.
    pub(crate) fn other(&mut self, old: u8) -> u8 {
        old ^ (self.below(255) + 1) as u8
    }
}
