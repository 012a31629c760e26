//! Chance that can be had again from its seed.

/// A SplitMix64 sequence.
#[derive(Debug, Clone)]
pub(super) struct Luck(u64);

impl Luck {
    /// The sequence of this seed.
    pub(super) fn new(seed: u64) -> Luck {
        Luck(seed)
    }

    /// A sequence for one of many purposes under one seed.
    pub(super) fn of(seed: u64, purpose: u64) -> Luck {
        Luck(Luck(seed ^ purpose.rotate_left(32)).next())
    }

    /// The next 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True once in `n` times.
    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}
