//! The two commit slots at the start of the data file, as file format 3 of redb lays them out.
//!
//! A slot names the pages of one commit and carries a checksum. The library looks into the other
//! slot when the pages of one do not verify, whether or not that other slot verifies, and reads the
//! page it names: at the length that the slot says, up to 4 GiB.

use xxhash_rust::xxh3::xxh3_128;

/// Up to the end of the second slot, in bytes.
pub(super) const LENGTH: usize = 320;

const MAGIC: &[u8; 9] = b"redb\x1a\x0a\xa9\x0d\x0a";
/// Which slot is the newer one, and how the file was left.
const FLAGS: usize = 9;
const SECOND_IS_NEWER: u8 = 1;
const UNCLOSED: u8 = 2;
const SLOTS: [usize; 2] = [64, 192];
const SLOT: usize = 128;
/// The format of a slot is its first byte.
const VERSION: usize = 0;
/// The checksum of a slot is its last bytes.
const CHECKSUM: usize = size_of::<u128>();

/// A damaged slot beside a whole one is as good as none: what to put in its place, and where, so
/// that the library never goes by it. `None` if there is nothing to replace, or if the library
/// itself turns the file down.
pub(super) fn replacement(header: &[u8; LENGTH]) -> Option<(usize, &[u8])> {
    if !header.starts_with(MAGIC) {
        return None;
    }
    let newer = usize::from(header[FLAGS] & SECOND_IS_NEWER != 0);
    let slots = SLOTS.map(|at| &header[at..at + SLOT]);
    if slots[0][VERSION] != slots[1][VERSION] {
        // A file with a slot of another format is turned down.
        return None;
    }
    match slots.map(is_whole) {
        whole if whole[newer] && !whole[1 - newer] => Some((SLOTS[1 - newer], slots[newer])),
        // The process stopped while it wrote the newer one.
        whole if whole[1 - newer] && !whole[newer] && header[FLAGS] & UNCLOSED != 0 => {
            Some((SLOTS[newer], slots[1 - newer]))
        }
        _ => None,
    }
}

fn is_whole(slot: &[u8]) -> bool {
    let (content, checksum) = slot.split_at(SLOT - CHECKSUM);
    checksum == xxh3_128(content).to_le_bytes()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;
    use crate::embedded::{DATA_FILE, Embedded};
    use crate::watch::HistoryLimit;

    /// The header of a store that is open, or was closed.
    fn header(is_open: bool) -> [u8; LENGTH] {
        let directory = tempfile::tempdir().unwrap();
        let store = Embedded::open(directory.path(), HistoryLimit::default()).unwrap();
        let open = is_open.then(|| fs::read(directory.path().join(DATA_FILE)).unwrap());
        drop(store);
        let file = open.unwrap_or_else(|| fs::read(directory.path().join(DATA_FILE)).unwrap());
        *file.first_chunk().unwrap()
    }

    #[test]
    fn the_library_lays_headers_out_like_this() {
        for header in [header(true), header(false)] {
            assert!(header.starts_with(MAGIC));
            let slots = SLOTS.map(|at| &header[at..at + SLOT]);
            assert_eq!(slots.map(is_whole), [true, true]);
            assert_eq!(replacement(&header), None);
        }
        assert_ne!(header(true)[FLAGS] & UNCLOSED, 0);
        assert_eq!(header(false)[FLAGS] & UNCLOSED, 0);
    }

    #[test]
    fn a_damaged_slot_gives_way_to_the_whole_one() {
        for is_open in [true, false] {
            let whole = header(is_open);
            let newer = usize::from(whole[FLAGS] & SECOND_IS_NEWER != 0);
            for (slot, at) in SLOTS.into_iter().enumerate() {
                let mut damaged = whole;
                damaged[at + 20] ^= 4;
                let other = SLOTS[1 - slot];
                let expected = (at, &whole[other..other + SLOT]);
                let gives_way = slot != newer || is_open;
                assert_eq!(replacement(&damaged), gives_way.then_some(expected));
                damaged[other + 20] ^= 4;
                assert_eq!(replacement(&damaged), None);
                damaged = whole;
                damaged[at + VERSION] ^= 1;
                assert_eq!(replacement(&damaged), None);
            }
        }
    }

    #[test]
    fn what_is_no_data_file_is_left_alone() {
        assert_eq!(replacement(&[0; LENGTH]), None);
    }
}
