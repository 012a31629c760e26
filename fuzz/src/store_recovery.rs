//! A data directory that something happened to. The input says what: which directory to start
//! from, then faults of a disk, six bytes each. Opening it must end in an error or in a store that
//! works and holds nothing that was never written.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use bytes::Bytes;
use longshore_store::{
    Commit, CommitError, Embedded, HistoryLimit, Key, OpenError, Store as _, View, Write,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::fixture;

/// The file that every store has; the others of its directory follow in the order of their names.
const DATA_FILE: &str = "longshore.redb";
/// Holds nothing.
const LOCK_FILE: &str = "LOCK";
/// Of the files, in bytes.
const PAGE: usize = 4096;
/// What a disk writes whole, in bytes.
const SECTOR: usize = 512;
/// Most faults that are done to one directory.
const MAX_FAULTS: usize = 16;
/// Of the log, in bytes: the larger directories fill one.
const SEGMENT: usize = 128 * 1024;
/// Bytes that describe a fault.
const FAULT_LENGTH: usize = 6;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made")
});

/// Where the damaged files lie: in memory where there is such a place.
static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    directory.expect("a directory can be made")
});

/// Directories at several moments, each with that of an earlier moment: what a disk that lost a
/// write still holds.
static IMAGES: LazyLock<Vec<Image>> = LazyLock::new(images);

/// Everything that was ever written to them.
static WRITTEN: LazyLock<BTreeSet<(Key, Bytes)>> = LazyLock::new(|| {
    let few = few().into_iter().chain(many());
    few.chain((1..=2).map(added)).collect()
});

struct Image {
    now: Vec<File>,
    before: Vec<File>,
}

/// A file without the zeros at its end.
#[derive(Clone)]
struct File {
    name: String,
    content: Vec<u8>,
    length: usize,
    /// Where the pages begin that hold something.
    used: Vec<usize>,
}

impl File {
    fn new(name: String, mut content: Vec<u8>) -> Self {
        let length = content.len();
        let holds_something = |page: &[u8]| page.iter().any(|byte| *byte != 0);
        let zeros = content.rchunks(PAGE).position(holds_something);
        content.truncate(zeros.map_or(0, |zeros| length - zeros * PAGE));
        content.shrink_to_fit();
        let pages = content.chunks(PAGE).enumerate();
        let used = pages
            .filter(|(_, page)| holds_something(page))
            .map(|(page, _)| page * PAGE)
            .collect();
        Self {
            name,
            content,
            length,
            used,
        }
    }

    /// Where a page begins that holds something; 0 if none does.
    fn page(&self, choice: u8) -> usize {
        let place = usize::from(choice) % self.used.len().max(1);
        self.used.get(place).copied().unwrap_or(0)
    }

    fn write(&self, directory: &Path) {
        let file = fs::File::create(directory.join(&self.name));
        let mut file = file.expect("a file can be made");
        file.write_all(&self.content)
            .and_then(|()| file.set_len(self.length as u64))
            .expect("a file can be written");
    }
}

fn few() -> Vec<(Key, Bytes)> {
    let records = fixture::records().into_iter();
    records.map(|entry| (entry.key, entry.value)).collect()
}

fn many() -> impl Iterator<Item = (Key, Bytes)> {
    (0..60_u8).map(|n| (key(&format!("family/f{n:03}")), vec![n; 300].into()))
}

/// What a start writes.
fn added(turn: u8) -> (Key, Bytes) {
    (key(&format!("added/{turn}")), vec![turn; 100].into())
}

fn key(text: &str) -> Key {
    Key::new(text).expect("it is a key")
}

fn put((key, value): (Key, Bytes)) -> Commit {
    Commit {
        guards: Vec::new(),
        writes: vec![Write::Put { key, value }],
    }
}

/// Writes a small installation, and takes the files while it is open and after it was closed.
fn images() -> Vec<Image> {
    let directory = DIRECTORY.path().join("made");
    let open = || open(&directory).expect("the store opens");
    let commit = |store: &Embedded, entry| {
        RUNTIME
            .block_on(store.commit(put(entry)))
            .expect("it commits")
    };
    let files = || files(&directory);
    let store = open();
    let empty = files();
    for entry in few() {
        commit(&store, entry);
    }
    let few_open = files();
    drop(store);
    let few_closed = files();
    let store = open();
    for entry in many() {
        commit(&store, entry);
    }
    let many_open = files();
    drop(store);
    let many_closed = files();
    fs::remove_dir_all(&directory).expect("the directory can be removed");
    [
        (&few_closed, &few_open),
        (&few_open, &empty),
        (&many_closed, &many_open),
        (&many_open, &few_closed),
    ]
    .into_iter()
    .map(|(now, before)| Image {
        now: now.clone(),
        before: before.clone(),
    })
    .collect()
}

/// The files of a store, its data file first.
fn files(directory: &Path) -> Vec<File> {
    let entries = fs::read_dir(directory).expect("the directory can be read");
    let mut files: Vec<File> = entries
        .map(|entry| entry.expect("the directory can be read").path())
        .filter(|path| !path.ends_with(LOCK_FILE))
        .map(|path| {
            let name = path.file_name().expect("it has a name");
            let content = fs::read(&path).expect("the file can be read");
            File::new(name.to_string_lossy().into_owned(), content)
        })
        .collect();
    files.sort_by_key(|file| (file.name != DATA_FILE, file.name.clone()));
    files
}

fn open(directory: &Path) -> Result<Embedded, OpenError> {
    Embedded::open_with_segments(directory, HistoryLimit::default(), SEGMENT)
}

/// Damages a directory and opens it.
pub fn run(data: &[u8]) {
    let Some((choice, faults)) = data.split_first() else {
        return;
    };
    let image = &IMAGES[usize::from(*choice) % IMAGES.len()];
    let mut files = image.now.clone();
    for fault in faults.chunks_exact(FAULT_LENGTH).take(MAX_FAULTS) {
        damage(&mut files, &image.before, fault);
    }
    let directory = DIRECTORY.path().join("opened");
    // There is none before the first run.
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a directory can be made");
    files.iter().for_each(|file| file.write(&directory));
    if start(&directory, 1).is_some() {
        // Damage that the first start did not touch may show now; it is an error all the same.
        let _ = start(&directory, 2);
    }
}

/// Does one fault: file and kind, page, place in the page (two bytes), two more bytes.
fn damage(files: &mut Vec<File>, before: &[File], fault: &[u8]) {
    let &[kind, page, high, low, a, b] = fault else {
        return;
    };
    if files.is_empty() {
        return;
    }
    let chosen = usize::from(kind / 16) % files.len();
    let file = &mut files[chosen];
    let before = before.iter().find(|before| before.name == file.name);
    let page = file.page(page);
    let place = page + (usize::from(high) << 8 | usize::from(low)) % PAGE;
    let sector = place / SECTOR * SECTOR;
    match kind % 16 {
        // The file is not there.
        8 => {
            files.remove(chosen);
            return;
        }
        // It is as it was before.
        9 => {
            match before {
                Some(before) => *file = before.clone(),
                None => {
                    files.remove(chosen);
                }
            }
            return;
        }
        // It is there under the name of another.
        10 => {
            let other = usize::from(a) % files.len();
            let name = files[other].name.clone();
            files[other].name = std::mem::replace(&mut files[chosen].name, name);
            return;
        }
        // It goes on.
        7 => {
            file.length += usize::from(a) * SECTOR;
            if b != 0 {
                file.content.resize(file.length, b);
            }
            return;
        }
        _ => {}
    }
    if page + PAGE > file.content.len() {
        return;
    }
    let content = &mut file.content;
    match kind % 16 {
        // One byte reads as another.
        0 => content[place] = a,
        // One bit reads as another.
        1 => content[place] ^= 1 << (a % 8),
        // A sector reads as nothing.
        2 => content[sector..sector + SECTOR].fill(a),
        // A write of a page went to another.
        5 => {
            let from = file.page(a);
            if from + PAGE <= file.content.len() {
                file.content.copy_within(from..from + PAGE, page);
            }
        }
        // The file ends early.
        6 => {
            content.truncate(place);
            file.length = place;
        }
        // A write of a sector was lost.
        _ => {
            let old = before.and_then(|before| before.content.get(sector..sector + SECTOR));
            match old {
                Some(old) => content[sector..sector + SECTOR].copy_from_slice(old),
                None => content[sector..sector + SECTOR].fill(0),
            }
        }
    }
}

/// Opens the store, reads everything and writes one record. `None` if it says that it cannot.
fn start(directory: &Path, turn: u8) -> Option<()> {
    let store = open(directory).ok()?;
    // Made by a runtime of its own, so not within the other.
    let written = &*WRITTEN;
    RUNTIME.block_on(async {
        let snapshot = store.list("").await.ok()?;
        let revision = snapshot.revision;
        let keys: Vec<_> = snapshot.entries.iter().map(|entry| &entry.key).collect();
        assert!(
            keys.is_sorted_by(|a, b| a < b),
            "keys come twice or out of order"
        );
        assert!(
            snapshot
                .entries
                .iter()
                .all(|entry| entry.revision <= revision),
            "an entry is newer than the store"
        );
        for entry in &snapshot.entries {
            let entry = (entry.key.clone(), entry.value.clone());
            assert!(written.contains(&entry), "{entry:?} was never written");
        }
        // A record that does not decode is set aside; the rest takes part.
        let count = snapshot.entries.len();
        let view = View::from_snapshot(snapshot);
        assert!(view.quarantined.len() <= count);

        let (key, value) = added(turn);
        match store.commit(put((key.clone(), value.clone()))).await {
            Ok(next) => assert!(next > revision, "the revision does not grow"),
            Err(CommitError::Unavailable(_)) => return None,
            Err(error) => panic!("a commit without guards is refused: {error}"),
        }
        let read = store.get(&key).await.ok()?;
        assert_eq!(
            read.map(|entry| entry.value),
            Some(value),
            "a commit is not read back"
        );
        Some(())
    })
}
