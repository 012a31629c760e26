//! A data file that something happened to. The input says what: which file to start from, then
//! faults of a disk, six bytes each. Opening it must end in an error or in a store that works.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use bytes::Bytes;
use longshore_store::{Commit, CommitError, Embedded, HistoryLimit, Key, Store as _, View, Write};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::fixture;

const DATA_FILE: &str = "longshore.redb";
/// Of the data file, in bytes.
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

/// Data files at several moments, each with the pages of an earlier moment: what a disk that lost
/// a write still holds.
static IMAGES: LazyLock<Vec<Image>> = LazyLock::new(images);

struct Image {
    now: Vec<u8>,
    before: Vec<u8>,
    /// The pages that hold something.
    used: Vec<usize>,
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

/// Writes a small installation, and takes the file while it is open and after it was closed.
fn images() -> Vec<Image> {
    let directory = DIRECTORY.path().join("made");
    let file = || fs::read(directory.join(DATA_FILE)).expect("there is a data file");
    let open = || Embedded::open(&directory, HistoryLimit::default()).expect("the store opens");
    let commit = |store: &Embedded, commit| RUNTIME.block_on(store.commit(commit));
    let store = open();
    let empty = file();
    for entry in fixture::records() {
        commit(&store, put(entry.key.as_str(), entry.value)).expect("it commits");
    }
    let few_open = file();
    drop(store);
    let few_closed = file();
    let store = open();
    for n in 0..60_u8 {
        let value = Bytes::from(vec![n; 300]);
        commit(&store, put(&format!("family/f{n:03}"), value)).expect("it commits");
    }
    let many_open = file();
    drop(store);
    let many_closed = file();
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
        used: (0..now.len() / PAGE)
            .filter(|page| now[page * PAGE..][..PAGE].iter().any(|byte| *byte != 0))
            .collect(),
    })
    .collect()
}

/// Damages a file and opens it.
pub fn run(data: &[u8]) {
    let Some((choice, faults)) = data.split_first() else {
        return;
    };
    let image = &IMAGES[usize::from(*choice) % IMAGES.len()];
    let mut file = image.now.clone();
    for fault in faults.chunks_exact(FAULT_LENGTH).take(MAX_FAULTS) {
        damage(&mut file, image, fault);
    }
    let directory = DIRECTORY.path().join("opened");
    write(&directory, &file);
    if start(&directory, 1).is_some() {
        // Damage that the first start did not touch may show now; it is an error all the same.
        let _ = start(&directory, 2);
    }
}

/// Does one fault: kind, page, place in the page (two bytes), two more bytes.
fn damage(file: &mut Vec<u8>, image: &Image, fault: &[u8]) {
    let &[kind, page, high, low, a, b] = fault else {
        return;
    };
    let page = image.used[usize::from(page) % image.used.len()] * PAGE;
    let place = page + (usize::from(high) << 8 | usize::from(low)) % PAGE;
    let sector = place / SECTOR * SECTOR;
    if sector + SECTOR > file.len() || page + PAGE > file.len() {
        return;
    }
    match kind % 8 {
        // One byte reads as another.
        0 => file[place] = a,
        // One bit reads as another.
        1 => file[place] ^= 1 << (a % 8),
        // A sector reads as nothing.
        2 => file[sector..sector + SECTOR].fill(a),
        // A write of a sector was lost.
        3 | 4 if sector + SECTOR <= image.before.len() => {
            file[sector..sector + SECTOR].copy_from_slice(&image.before[sector..][..SECTOR]);
        }
        // A write of a page went to another.
        5 => {
            let from = image.used[usize::from(a) % image.used.len()] * PAGE;
            if from + PAGE <= file.len() {
                file.copy_within(from..from + PAGE, page);
            }
        }
        // The file ends early.
        6 => file.truncate(place),
        // The file goes on.
        7 => file.resize(file.len() + usize::from(a) * SECTOR, b),
        _ => {}
    }
}

fn write(directory: &Path, file: &[u8]) {
    fs::create_dir_all(directory).expect("a directory can be made");
    let path: PathBuf = directory.join(DATA_FILE);
    fs::write(path, file).expect("a file can be written");
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
