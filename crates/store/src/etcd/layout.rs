//! Where things are in etcd, below the prefix of the installation.
//!
//! ```text
//! announced/KEY   lives as long as whoever announced KEY          ┐
//! data/KEY        the records                                     │ watched
//! head            rewritten by every change of data, in its       │
//!                 transaction                                     ┘
//! installation    which installation this is, written once
//! lane/ID         the newest transaction of one lane of one process
//! leader          who leads; lives as long as the leader
//! roster/KEY      that KEY was announced, so that it is removed once `announced/KEY` is gone
//! ```

use etcd_client::GetOptions;

use longshore_state::Key;

/// The keys of one installation.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// Ends with `/`.
    prefix: String,
}

impl Layout {
    /// `prefix` without a slash at its end; empty for none at all.
    pub(super) fn new(prefix: &str) -> Layout {
        let prefix = match prefix.trim_end_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Layout { prefix }
    }

    fn at(&self, name: &str) -> Vec<u8> {
        format!("{}{name}", self.prefix).into_bytes()
    }

    pub(super) fn head(&self) -> Vec<u8> {
        self.at("head")
    }

    pub(super) fn leader(&self) -> Vec<u8> {
        self.at("leader")
    }

    pub(super) fn installation(&self) -> Vec<u8> {
        self.at("installation")
    }

    pub(super) fn lane(&self, id: u128) -> Vec<u8> {
        self.at(&format!("lane/{id:032x}"))
    }

    /// A record, or with a part of a key the start of all that begin with it.
    pub(super) fn data(&self, key: &str) -> Vec<u8> {
        self.at(&format!("data/{key}"))
    }

    pub(super) fn announced(&self, key: &str) -> Vec<u8> {
        self.at(&format!("announced/{key}"))
    }

    pub(super) fn roster(&self, key: &str) -> Vec<u8> {
        self.at(&format!("roster/{key}"))
    }

    /// The range that is watched: from its first key up to, not including, the second.
    pub(super) fn watched(&self) -> (Vec<u8>, Vec<u8>) {
        (self.at("announced/"), self.at("i"))
    }

    /// The record that an etcd key holds; none for other keys.
    pub(super) fn record(&self, key: &[u8]) -> Option<Key> {
        self.under(key, "data/")
    }

    /// What an entry of the roster, or of those announced, is about.
    pub(super) fn under(&self, key: &[u8], part: &str) -> Option<Key> {
        let text = std::str::from_utf8(key).ok()?;
        let name = text
            .strip_prefix(self.prefix.as_str())?
            .strip_prefix(part)?;
        Key::new(name).ok()
    }
}

/// The first key after all that start with `start`, which ends with printable ASCII.
pub(super) fn end_of(start: &[u8]) -> Vec<u8> {
    let mut end = start.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

/// To read every key from the one given up to, not including, `end`.
pub(super) fn until(end: Vec<u8>) -> GetOptions {
    GetOptions::new().with_range(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watched_range_holds_records_and_the_head_and_nothing_of_coordination() {
        for layout in [
            Layout::new("longshore"),
            Layout::new("a/b/"),
            Layout::new(""),
        ] {
            let (start, end) = layout.watched();
            let within = |key: &[u8]| *start <= *key && *key < *end;
            assert!(within(&layout.data("")) && within(&layout.data("~~")));
            assert!(within(&layout.head()) && within(&layout.announced("replica/1")));
            for other in [
                layout.leader(),
                layout.installation(),
                layout.lane(7),
                layout.roster("replica/1"),
            ] {
                assert!(!within(&other), "{}", String::from_utf8_lossy(&other));
            }
            let key = Key::new("task/a/1").ok();
            assert_eq!(layout.record(&layout.data("task/a/1")), key);
            assert_eq!(layout.record(&layout.head()), None);
            assert!(layout.data("task/~") < end_of(&layout.data("task/")));
            assert!(layout.data("task0") >= end_of(&layout.data("task/")));
        }
    }
}
