//! The files of a store that something happened to. The input says what: which files to start from,
//! then faults of a disk, six bytes each. Opening them must end in an error or in a store that works.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use bytes::Bytes;
use longshore_store::{Commit, CommitError, Embedded, HistoryLimit, Key, Store as _, View, Write};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::fixture;

/// The data file and the segments of the log.
const FILES: [&str; 3] = ["longshore.redb", "longshore-0.log", "longshore-1.log"];
/// Of every file, in bytes.
const PAGE: usize = 4096;
/// What a disk writes whole, in bytes.
const SECTOR: usize = 512;
/// Most faults that are done to one file.
const MAX_FAULTS: usize = 16;
/// Bytes that describe a fault.
const FAULT_LENGTH: usize = 6;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made")
});

/// Where the damaged file lies: in memory where there is such a place.
static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    directory.expect("a directory can be made")
});

/// The files at several moments, each with the pages of an earlier moment: what a disk that lost
/// a write still holds.
static IMAGES: LazyLock<Vec<Image>> = LazyLock::new(images);

type Files = [Part; FILES.len()];

struct Image {
    now: Files,
    before: Files,
    /// The pages that hold something, with their file.
    used: Vec<(usize, usize)>,
}

/// A file without the zeros at its end.
#[derive(Clone)]
struct Part {
    bytes: Vec<u8>,
    length: usize,
}

impl Part {
    fn read(path: &Path) -> Part {
        let mut bytes = fs::read(path).expect("there is such a file");
        let length = bytes.len();
        let used = bytes.iter().rposition(|byte| *byte != 0);
        bytes.truncate(used.map_or(0, |last| (last + 1).next_multiple_of(PAGE)));
        Part { bytes, length }
    }

    fn used(&self) -> impl Iterator<Item = usize> {
        let pages = self.bytes.chunks(PAGE).enumerate();
        pages
            .filter(|(_, page)| page.iter().any(|byte| *byte != 0))
            .map(|(page, _)| page)
    }
}

fn put(text: &str, value: Bytes) -> Commit {
    let write = Write::Put {
        key: Key::new(text).expect("it is a key"),
        value,
    };
    Commit {
        guards: Vec::new(),
        writes: vec![write],
    }
}

/// Writes a small installation, and takes its files while it is open and after it was closed.
fn images() -> Vec<Image> {
    let directory = DIRECTORY.path().join("made");
    let files = || FILES.map(|name| Part::read(&directory.join(name)));
    let open = || Embedded::open(&directory, HistoryLimit::default()).expect("the store opens");
    let commit = |store: &Embedded, commit| RUNTIME.block_on(store.commit(commit));
    let store = open();
    let empty = files();
    for entry in fixture::records() {
        commit(&store, put(entry.key.as_str(), entry.value)).expect("it commits");
    }
    let few_open = files();
    drop(store);
    let few_closed = files();
    let store = open();
    for n in 0..60_u8 {
        let value = Bytes::from(vec![n; 300]);
        commit(&store, put(&format!("family/f{n:03}"), value)).expect("it commits");
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
        used: (0..FILES.len())
            .flat_map(|file| now[file].used().map(move |page| (file, page)))
            .collect(),
    })
    .collect()
}

/// Damages files and opens them.
pub fn run(data: &[u8]) {
    let Some((choice, faults)) = data.split_first() else {
        return;
    };
    let image = &IMAGES[usize::from(*choice) % IMAGES.len()];
    let mut files = image.now.clone();
    for fault in faults.chunks_exact(FAULT_LENGTH).take(MAX_FAULTS) {
        damage(&mut files, image, fault);
    }
    let directory = DIRECTORY.path().join("opened");
    write(&directory, &files);
    if start(&directory, 1).is_some() {
        // Damage that the first start did not touch may show now; it is an error all the same.
        let _ = start(&directory, 2);
    }
}

/// Does one fault: kind, page, place in the page (two bytes), two more bytes.
fn damage(files: &mut Files, image: &Image, fault: &[u8]) {
    let &[kind, page, high, low, a, b] = fault else {
        return;
    };
    let (number, page) = image.used[usize::from(page) % image.used.len()];
    let (file, page) = (&mut files[number], page * PAGE);
    let place = page + (usize::from(high) << 8 | usize::from(low)) % PAGE;
    let sector = place / SECTOR * SECTOR;
    if page + PAGE > file.bytes.len() {
        return;
    }
    let before = &image.before[number].bytes;
    match kind % 8 {
        // One byte reads as another.
        0 => file.bytes[place] = a,
        // One bit reads as another.
        1 => file.bytes[place] ^= 1 << (a % 8),
        // A sector reads as nothing.
        2 => file.bytes[sector..sector + SECTOR].fill(a),
        // A write of a sector was lost.
        3 | 4 if sector + SECTOR <= before.len() => {
            file.bytes[sector..sector + SECTOR].copy_from_slice(&before[sector..][..SECTOR]);
        }
        // A write of a page went to another.
        5 => {
            let (other, from) = image.used[usize::from(a) % image.used.len()];
            let from = from * PAGE;
            if other == number && from + PAGE <= file.bytes.len() {
                file.bytes.copy_within(from..from + PAGE, page);
            }
        }
        // The file ends early.
        6 => {
            file.bytes.truncate(place);
            file.length = place;
        }
        // The file goes on.
        7 if file.bytes.len() == file.length => {
            file.length += usize::from(a) * SECTOR;
            file.bytes.resize(file.length, b);
        }
        7 => file.length += usize::from(a) * SECTOR,
        _ => {}
    }
}

fn write(directory: &Path, files: &Files) {
    fs::create_dir_all(directory).expect("a directory can be made");
    for (name, part) in FILES.iter().zip(files) {
        let path: PathBuf = directory.join(name);
        fs::write(&path, &part.bytes).expect("a file can be written");
        let file = fs::OpenOptions::new().write(true).open(path);
        let lengthened = file.and_then(|file| file.set_len(part.length as u64));
        lengthened.expect("a file can be lengthened");
    }
}

/// Opens the store, reads everything and writes one record. `None` if it says that it cannot.
fn start(directory: &Path, turn: u8) -> Option<()> {
    let store = Embedded::open(directory, HistoryLimit::default()).ok()?;
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
        // A record that does not decode is set aside; the rest takes part.
        let count = snapshot.entries.len();
        let view = View::from_snapshot(snapshot);
        assert!(view.quarantined.len() <= count);

        let text = format!("added/{turn}");
        let value = Bytes::from(vec![turn; 100]);
        match store.commit(put(&text, value.clone())).await {
            Ok(next) => assert!(next > revision, "the revision does not grow"),
            Err(CommitError::Unavailable(_)) => return None,
            Err(error) => panic!("a commit without guards is refused: {error}"),
        }
        let key = Key::new(&text).expect("it is a key");
        let read = store.get(&key).await.ok()?;
        assert_eq!(
            read.map(|entry| entry.value),
            Some(value),
            "a commit is not read back"
        );
        Some(())
    })
}
