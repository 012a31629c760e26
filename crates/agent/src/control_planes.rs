//! The control planes this agent may connect to: those it was given and those it was told of. What
//! it was told is kept on disk, so that it finds its way when those it was given are gone.
//!
//! It also remembers how new the newest complete set was. A control plane that is behind others
//! must not have its way with containers.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::identity::write_file;

const FILE: &str = "control-planes.json";
/// Most addresses that are taken over; an installation has three or five.
const MAX_LEARNED: usize = 64;
/// Longest address that is taken over: a host name and a port.
const MAX_ADDRESS_BYTES: usize = 262;

/// What is kept of earlier sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    addresses: Vec<String>,
    history: String,
    revision: u64,
}

/// How new a complete set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// At least as new as the newest that was applied, or of another history.
    Newer,
    /// Older, and so not to be applied: another control plane knows more.
    Behind,
    /// Older, and all that there is.
    PutBack,
}

/// Where to connect, in turn.
#[derive(Debug)]
pub struct ControlPlanes {
    path: PathBuf,
    given: Vec<String>,
    kept: Kept,
    next: usize,
    /// Tries since the last session that lasted, which counts as one, or since the last pause.
    tried: usize,
    /// Complete sets that were refused in a row.
    refused: usize,
}

impl ControlPlanes {
    /// Those `given` on the command line, and those kept in `directory`. `start` chooses where to
    /// begin, so that many agents spread over all.
    pub fn open(directory: &Path, given: Vec<String>, start: usize) -> Self {
        let path = directory.join(FILE);
        let kept = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!(%error, file = %path.display(), "what was learned of control planes cannot be read; it is learned anew");
                Kept::default()
            }),
            Err(_) => Kept::default(),
        };
        let mut planes = Self {
            path,
            given,
            kept,
            next: 0,
            tried: 0,
            refused: 0,
        };
        planes.next = start % planes.all().len().max(1);
        planes
    }

    /// All of them, each once.
    fn all(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        for address in self.given.iter().chain(&self.kept.addresses) {
            if !all.contains(&address.as_str()) {
                all.push(address);
            }
        }
        all
    }

    /// The one to try now. The next time it is the one after.
    pub fn choose(&mut self) -> String {
        let all = self.all();
        let chosen = all.get(self.next % all.len().max(1)).copied();
        let chosen = chosen.unwrap_or_default().to_owned();
        self.next = (self.next + 1) % all.len().max(1);
        self.tried += 1;
        chosen
    }

    /// A session that lasted has ended: the others are tried before there is a pause.
    pub fn begin_round(&mut self) {
        self.tried = 1;
    }

    /// Whether every one was tried since the last session that lasted: time for a pause.
    pub fn is_round_over(&mut self) -> bool {
        let over = self.tried >= self.all().len();
        if over {
            self.tried = 0;
        }
        over
    }

    /// A session began: takes over what it tells of other control planes.
    pub fn learn(&mut self, addresses: Vec<String>) {
        let sound = |address: &String| {
            address.len() <= MAX_ADDRESS_BYTES && address.rsplit_once(':').is_some()
        };
        let mut addresses: Vec<String> = addresses.into_iter().filter(sound).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(MAX_LEARNED);
        if !addresses.is_empty() && addresses != self.kept.addresses {
            self.kept.addresses = addresses;
            self.keep();
        }
    }

    /// How a complete set of this revision is to be taken: none older than what was applied before,
    /// of the same history, may be applied. Where every control plane says so again and again, the
    /// store was put back to an earlier state, and that counts.
    pub fn admit(&mut self, history: &str, revision: u64) -> Admission {
        let is_older = self.kept.history == history && revision < self.kept.revision;
        if is_older && self.refused < 2 * self.all().len() + 1 {
            self.refused += 1;
            return Admission::Behind;
        }
        if is_older {
            tracing::warn!(
                revision,
                newest = self.kept.revision,
                "every control plane tells of an earlier state; it is taken for the present one"
            );
        }
        self.refused = 0;
        if self.kept.history != history || self.kept.revision != revision {
            history.clone_into(&mut self.kept.history);
            self.kept.revision = revision;
            self.keep();
        }
        match is_older {
            true => Admission::PutBack,
            false => Admission::Newer,
        }
    }

    /// What changed since the complete set of a session needs no disk write of its own: after a
    /// restart the next complete set counts, which is at least as new.
    pub fn note(&mut self, revision: u64) {
        self.kept.revision = self.kept.revision.max(revision);
    }

    fn keep(&self) {
        let text = serde_json::to_vec_pretty(&self.kept);
        let written = text
            .map_err(std::io::Error::from)
            .and_then(|text| write_file(&self.path, &text));
        if let Err(error) = written {
            tracing::warn!(%error, file = %self.path.display(), "cannot keep what was learned of control planes");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn planes(directory: &Path, given: &[&str]) -> ControlPlanes {
        let given = given.iter().map(|&address| address.to_owned()).collect();
        ControlPlanes::open(directory, given, 0)
    }

    fn strings(addresses: &[&str]) -> Vec<String> {
        addresses
            .iter()
            .map(|&address| address.to_owned())
            .collect()
    }

    #[test]
    fn they_take_turns_and_pause_after_a_round() {
        let directory = tempfile::tempdir().unwrap();
        let mut planes = planes(directory.path(), &["a:1", "b:1"]);
        assert_eq!(planes.choose(), "a:1");
        assert!(!planes.is_round_over());
        assert_eq!(planes.choose(), "b:1");
        assert!(planes.is_round_over());
        assert_eq!(planes.choose(), "a:1");
        assert_eq!(planes.choose(), "b:1");
        planes.begin_round();
        assert!(!planes.is_round_over(), "a session begins a new round");
        assert_eq!(planes.choose(), "a:1");
        assert!(planes.is_round_over());
    }

    #[test]
    fn what_was_learned_outlives_the_process_beside_what_was_given() {
        let directory = tempfile::tempdir().unwrap();
        let mut first = planes(directory.path(), &["a:1"]);
        first.learn(strings(&["c:1", "a:1", "b:1", "c:1", "no port"]));
        assert_eq!(first.all(), ["a:1", "b:1", "c:1"]);
        // Nothing told is nothing learned.
        first.learn(Vec::new());
        let second = planes(directory.path(), &["d:1"]);
        assert_eq!(second.all(), ["d:1", "a:1", "b:1", "c:1"]);
    }

    #[test]
    fn damage_to_the_file_is_no_harm() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(FILE), "{").unwrap();
        assert_eq!(planes(directory.path(), &["a:1"]).all(), ["a:1"]);
    }

    #[test]
    fn an_older_set_is_refused_also_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let mut first = planes(directory.path(), &["a:1"]);
        for revision in [10, 10, 12] {
            assert_eq!(first.admit("h", revision), Admission::Newer);
        }
        first.note(20);
        assert_eq!(first.admit("h", 19), Admission::Behind);
        let mut second = planes(directory.path(), &["a:1"]);
        assert_eq!(second.admit("h", 11), Admission::Behind);
        assert_eq!(second.admit("h", 12), Admission::Newer);
        let other = second.admit("other", 1);
        assert_eq!(other, Admission::Newer, "another history does not compare");
    }

    #[test]
    fn a_store_that_was_put_back_counts_once_all_say_so() {
        let directory = tempfile::tempdir().unwrap();
        let mut planes = planes(directory.path(), &["a:1", "b:1"]);
        assert_eq!(planes.admit("h", 10), Admission::Newer);
        for _ in 0..5 {
            assert_eq!(planes.admit("h", 5), Admission::Behind);
        }
        assert_eq!(planes.admit("h", 5), Admission::PutBack);
        assert_eq!(planes.admit("h", 6), Admission::Newer);
    }
}
