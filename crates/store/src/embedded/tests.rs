//! What only a durable store promises: it comes back as it was, after any stop.

#![allow(clippy::unwrap_used)]

mod fault;
mod luck;
mod platter;

use std::os::unix::fs::PermissionsExt;

use bytes::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::contract::{Guard, Write};
use crate::memory::Memory;
use platter::Platter;

/// Length of a segment of the log, in bytes: the base file is written every few commits.
const SMALL_SEGMENT: usize = 128 * 1024;

fn open(directory: &Path) -> Result<Embedded, OpenError> {
    Embedded::open(directory, HistoryLimit::default())
}

/// Opens the store on a simulated disk, and makes one there if there is none.
fn open_simulated(platter: &Platter) -> Embedded {
    make_simulated(platter);
    start_simulated(platter, rand::random_range(1..=u64::MAX), SMALL_SEGMENT).unwrap()
}

fn make_simulated(platter: &Platter) {
    let base = platter.media().base;
    if base.len().unwrap() == 0 {
        Disk::create(base, Path::new("simulated")).unwrap();
    }
}

/// Opens the store that is there.
fn start_simulated(
    platter: &Platter,
    salt: u64,
    segment_bytes: usize,
) -> Result<Embedded, OpenError> {
    let start = Start {
        soundness: Soundness::Sound,
        salt,
        segment_bytes,
        lock: None,
    };
    let limit = HistoryLimit::default();
    Embedded::start(platter.media(), start, Path::new("simulated"), limit)
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn put(text: &str, value: impl Into<Bytes>) -> Commit {
    let write = Write::Put {
        key: key(text),
        value: value.into(),
    };
    Commit {
        guards: Vec::new(),
        writes: vec![write],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    let root = TempDir::new().unwrap();
    let count = std::sync::atomic::AtomicUsize::new(0);
    crate::conformance::run(async |limit| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let store = Embedded::open(root.path().join(n.to_string()), limit).unwrap();
        Arc::new(store) as Arc<dyn Store>
    })
    .await;
}

#[tokio::test]
async fn who_was_announced_is_gone_when_the_store_is_opened_again() {
    let root = TempDir::new().unwrap();
    let store = open(root.path()).unwrap();
    drop(
        store
            .announce(key("replica/1"), Bytes::new())
            .await
            .unwrap(),
    );
    store.commit(put("replicas", "stays")).await.unwrap();
    let before = store.head().await.unwrap();
    drop(store);
    let store = open(root.path()).unwrap();
    assert_eq!(store.get(&key("replica/1")).await.unwrap(), None);
    assert!(store.get(&key("replicas")).await.unwrap().is_some());
    assert!(
        store.head().await.unwrap() > before,
        "the removal is a commit"
    );
}

#[tokio::test]
async fn reopening_keeps_everything_and_the_revision_goes_on() {
    let root = TempDir::new().unwrap();
    let directory = root.path().join("deep/data");
    let store = open(&directory).unwrap();
    for n in 0..20 {
        store
            .commit(put(&format!("k/{n}"), vec![b'v'; n * 1000]))
            .await
            .unwrap();
    }
    let delete = Commit {
        guards: Vec::new(),
        writes: vec![Write::Delete { key: key("k/3") }],
    };
    let last = store.commit(delete).await.unwrap();
    let before = store.list("").await.unwrap();
    drop(store);

    let store = open(&directory).unwrap();
    assert_eq!(store.list("").await.unwrap(), before);
    assert_eq!(before.revision, last);
    let gone = store.watch("", last - 1).await.map(|_| ());
    assert!(
        matches!(gone, Err(WatchError::Compacted { oldest }) if oldest == last),
        "{gone:?}"
    );
    let mut watch = store.watch("", last).await.unwrap();
    let mut guarded = put("k/4", "new");
    guarded.guards = vec![
        Guard::Unchanged {
            key: key("k/4"),
            revision: 5,
        },
        Guard::Absent { key: key("k/3") },
        Guard::NoneNewer {
            prefix: "k/".into(),
            revision: 20,
        },
    ];
    let next = store.commit(guarded.clone()).await.unwrap();
    assert_eq!(next, last + 1);
    assert_eq!(watch.next().await.unwrap().unwrap().revision, next);
    assert!(store.commit(guarded).await.unwrap_err().is_conflict());
}

#[tokio::test]
async fn a_second_open_is_refused() {
    let root = TempDir::new().unwrap();
    let store = open(root.path()).unwrap();
    let error = open(root.path()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(root.path().to_str().unwrap()), "{text}");
    assert!(text.contains("another control plane"), "{text}");
    drop(store);
    open(root.path()).unwrap();
}

#[tokio::test]
async fn the_directory_is_for_its_owner_only() {
    let root = TempDir::new().unwrap();
    let directory = root.path().join("data");
    let _store = open(&directory).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(&directory.join(DATA_FILE)), 0o600);
    assert_eq!(mode(&directory.join(LOCK_FILE)), 0o600);
}

#[test]
fn a_newer_format_is_refused() {
    let root = TempDir::new().unwrap();
    drop(open(root.path()).unwrap());
    let database = redb::Database::open(root.path().join(DATA_FILE)).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(disk::META)
        .unwrap()
        .insert(disk::FORMAT_RECORD, FORMAT + 1)
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = open(root.path()).unwrap_err();
    assert!(matches!(error, OpenError::NewerFormat { found, .. } if found == FORMAT + 1));
    assert!(
        error.to_string().contains("run the version that wrote it"),
        "{error}"
    );
}

#[test]
fn a_foreign_file_is_refused() {
    let root = TempDir::new().unwrap();
    drop(redb::Database::create(root.path().join(DATA_FILE)).unwrap());
    assert!(matches!(
        open(root.path()).unwrap_err(),
        OpenError::NotAStore { .. }
    ));

    let root = TempDir::new().unwrap();
    fs::write(root.path().join(DATA_FILE), "not a database at all").unwrap();
    assert!(matches!(
        open(root.path()).unwrap_err(),
        OpenError::Damaged { .. }
    ));
    let kept = fs::read(root.path().join(DATA_FILE)).unwrap();
    assert_eq!(kept, b"not a database at all", "it stays as it was");
}

/// The database checks what it reads, but not all of it; what it stumbles over must be an error.
#[tokio::test]
async fn damage_is_an_error_and_never_a_panic() {
    let root = TempDir::new().unwrap();
    let path = root.path().join(DATA_FILE);
    let store = open(root.path()).unwrap();
    for n in 0..20 {
        store
            .commit(put(&format!("k/{n}"), vec![n; 300]))
            .await
            .unwrap();
    }
    drop(store);
    let whole = fs::read(&path).unwrap();
    let pages = whole.chunks(4096).enumerate();
    let used = pages.filter(|(_, page)| page.iter().any(|byte| *byte != 0));
    let mut refused = 0;
    for (page, _) in used {
        for (place, byte) in [(0, 9), (2, 255), (9, 1), (16, 77), (265, 2), (700, 255)] {
            let mut damaged = whole.clone();
            damaged[page * 4096 + place] = byte;
            fs::write(&path, damaged).unwrap();
            let Ok(store) = open(root.path()) else {
                refused += 1;
                continue;
            };
            match store.commit(put("k/new", "value")).await {
                Ok(_) | Err(CommitError::Unavailable(_)) => {}
                Err(error) => panic!("page {page}, byte {place}: {error}"),
            }
        }
    }
    assert!(refused > 0);
}

#[test]
fn an_interrupted_first_start_is_begun_again() {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join(NEW_DATA_FILE), "half a fi").unwrap();
    drop(open(root.path()).unwrap());
    assert!(!root.path().join(NEW_DATA_FILE).exists());
}

#[tokio::test]
async fn a_copy_of_the_open_directory_is_whole() {
    let root = TempDir::new().unwrap();
    let store = open(&root.path().join("live")).unwrap();
    for n in 0..48 {
        store
            .commit(put(&format!("k/{}", n % 7), vec![n; 3000]))
            .await
            .unwrap();
        if n % 8 > 0 {
            continue;
        }
        let copy = root.path().join(format!("copy-{n}"));
        fs::create_dir(&copy).unwrap();
        copy_files(&root.path().join("live"), &copy, &ALL_FILES);
        let copy = open(&copy).unwrap();
        assert_eq!(
            copy.list("").await.unwrap(),
            store.list("").await.unwrap(),
            "{n}"
        );
    }
}

/// Without its log it would lack commits, and who opens it would not know.
#[tokio::test]
async fn a_copy_of_the_data_file_alone_is_whole_or_refused() {
    let root = TempDir::new().unwrap();
    let live = root.path().join("live");
    let store = open(&live).unwrap();
    store.commit(put("k", "v")).await.unwrap();
    let before = store.list("").await.unwrap();
    let copy = |name: &str, files: &[&str]| {
        let copy = root.path().join(name);
        fs::create_dir(&copy).unwrap();
        copy_files(&live, &copy, files);
        copy
    };
    for (name, files) in [
        ("base", &[DATA_FILE][..]),
        ("half", &[DATA_FILE, LOG_FILES[1]]),
    ] {
        let error = open(&copy(name, files)).unwrap_err();
        assert!(matches!(error, OpenError::LogMissing { .. }), "{error:?}");
        assert!(error.to_string().contains(LOG_FILES[0]), "{error}");
    }
    drop(store);
    let stopped = open(&copy("stopped", &[DATA_FILE])).unwrap();
    assert_eq!(stopped.list("").await.unwrap(), before);
    drop(stopped);
    // An old log beside it does not count.
    let mixed = copy("mixed", &ALL_FILES);
    let other = root.path().join("other");
    let store = open(&other).unwrap();
    store.commit(put("other", "v")).await.unwrap();
    copy_files(&other, &mixed, &LOG_FILES);
    assert_eq!(open(&mixed).unwrap().list("").await.unwrap(), before);
}

/// What a store of format 1 holds.
#[tokio::test]
async fn a_store_of_the_format_without_a_log_is_taken_over() {
    let root = TempDir::new().unwrap();
    let store = open(root.path()).unwrap();
    for n in 0..20 {
        store.commit(put(&format!("k/{n}"), "v")).await.unwrap();
    }
    let before = store.list("").await.unwrap();
    drop(store);
    let path = root.path().join(DATA_FILE);
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut meta = transaction.open_table(disk::META).unwrap();
        meta.insert(disk::FORMAT_RECORD, 1).unwrap();
        for name in ["log", "segment"] {
            meta.remove(name).unwrap().unwrap();
        }
    }
    transaction.commit().unwrap();
    drop(database);
    for name in LOG_FILES {
        fs::remove_file(root.path().join(name)).unwrap();
    }
    let store = open(root.path()).unwrap();
    assert_eq!(store.list("").await.unwrap(), before);
    store.commit(put("k/20", "v")).await.unwrap();
    drop(store);
    let database = redb::Database::open(&path).unwrap();
    let read = redb::ReadableDatabase::begin_read(&database).unwrap();
    let meta = read.open_table(disk::META).unwrap();
    let format = meta.get(disk::FORMAT_RECORD).unwrap().unwrap().value();
    assert_eq!(format, FORMAT, "an older version refuses it");
}

/// Reads see commits that are only in the log, that are on their way, and that are in the base
/// file, at one revision.
#[tokio::test]
async fn reads_agree_while_the_base_file_is_written() {
    let platter = Platter::default();
    let store = open_simulated(&platter);
    let memory = Memory::default();
    platter.grant(0);
    let mut settling = 0;
    for n in 0..200_u32 {
        let name = format!("k/{}", n * 7 % 31);
        let commit = match n % 5 {
            0 => Commit {
                guards: Vec::new(),
                writes: vec![Write::Delete { key: key(&name) }],
            },
            _ => put(&name, vec![n as u8; 3000]),
        };
        let expected = memory.commit(commit.clone()).await.unwrap();
        assert_eq!(store.commit(commit).await.unwrap(), expected);
        if store.layers.is_settling() {
            settling += 1;
            platter.grant(2);
            if settling % 20 == 0 {
                // To its end, before a commit needs the segment.
                platter.grant(usize::MAX);
                while store.layers.is_settling() {
                    tokio::task::yield_now().await;
                }
            }
        }
        for prefix in ["", "k/1", "x"] {
            let expected = memory.list(prefix).await.unwrap();
            assert_eq!(store.list(prefix).await.unwrap(), expected, "{n}");
        }
        let expected = memory.get(&key(&name)).await.unwrap();
        assert_eq!(store.get(&key(&name)).await.unwrap(), expected, "{n}");
    }
    assert!(settling > 20, "{settling}");
    platter.grant(usize::MAX);
}

const ALL_FILES: [&str; 3] = [DATA_FILE, LOG_FILES[0], LOG_FILES[1]];

fn copy_files(from: &Path, to: &Path, files: &[&str]) {
    for file in files {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

#[tokio::test]
async fn a_lone_commit_costs_one_sync() {
    let platter = Platter::default();
    let store = open_simulated(&platter);
    for n in 0..20 {
        let before = platter.syncs();
        store.commit(put("k", vec![n; 100])).await.unwrap();
        assert_eq!(platter.syncs() - before, 1, "commit {n}");
    }
}

#[tokio::test]
async fn concurrent_commits_share_syncs() {
    let platter = Platter::default();
    let store = Arc::new(open_simulated(&platter));
    let before = platter.syncs();
    platter.hold();
    let mut commits = tokio::task::JoinSet::new();
    for n in 0..100 {
        let store = Arc::clone(&store);
        commits.spawn(async move { store.commit(put(&format!("k/{n}"), "v")).await.unwrap() });
        // The first is stuck at the disk before the others come.
        while !platter.is_stuck() {
            tokio::task::yield_now().await;
        }
    }
    while store.writer.queued() < 99 {
        tokio::task::yield_now().await;
    }
    platter.release();
    let mut revisions = commits.join_all().await;
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=100).collect::<Vec<_>>());
    assert_eq!(platter.syncs() - before, 2);
}

#[tokio::test]
async fn a_failed_commit_ends_the_store() {
    let platter = Platter::default();
    let store = open_simulated(&platter);
    let first = store.commit(put("a", "1")).await.unwrap();
    let mut watch = store.watch("", 0).await.unwrap();
    platter.fail_after(0);
    let error = store.commit(put("a", "2")).await.unwrap_err();
    assert!(matches!(error, CommitError::Unavailable(_)), "{error:?}");
    platter.repair();
    let error = store.commit(put("a", "3")).await.unwrap_err();
    let CommitError::Unavailable(fault) = error else {
        panic!("{error:?}")
    };
    let cause = std::error::Error::source(&fault).unwrap().to_string();
    assert!(cause.contains(platter::LOST_POWER), "{cause}");
    store.get(&key("a")).await.unwrap_err();
    store.list("").await.unwrap_err();
    assert!(matches!(
        store.watch("", first).await,
        Err(WatchError::Unavailable(_))
    ));
    assert_eq!(watch.next().await.unwrap().unwrap().revision, first);
    assert!(matches!(
        watch.next().await,
        Some(Err(WatchError::Unavailable(_)))
    ));
    assert!(watch.next().await.is_none());
}

/// A commit before its guards know their revisions.
#[derive(Debug, Clone)]
struct Sketch {
    guards: Vec<(u8, u8, u8)>,
    writes: Vec<(u8, Option<u16>)>,
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let guards = prop::collection::vec((0..3_u8, 0..8_u8, 0..4_u8), 0..3);
    let writes = prop::collection::vec((0..8_u8, prop::option::weighted(0.7, 0..9000_u16)), 0..4);
    (guards, writes).prop_map(|(guards, writes)| Sketch { guards, writes })
}

fn name(n: u8) -> String {
    format!("{}/{}", ["task", "node"][usize::from(n % 2)], n / 2)
}

impl Sketch {
    /// The commit whose guards reach back a little from the newest revision.
    fn commit(&self, newest: Revision) -> Commit {
        let guard = |(kind, n, back): &(u8, u8, u8)| {
            let revision = newest.saturating_sub((*back).into());
            match kind {
                0 => Guard::Unchanged {
                    key: key(&name(*n)),
                    revision,
                },
                1 => Guard::Absent {
                    key: key(&name(*n)),
                },
                _ => Guard::NoneNewer {
                    prefix: name(*n)[..5].to_owned(),
                    revision,
                },
            }
        };
        let write = |(n, value): &(u8, Option<u16>)| match value {
            Some(bytes) => Write::Put {
                key: key(&name(*n)),
                value: vec![*n; usize::from(*bytes)].into(),
            },
            None => Write::Delete {
                key: key(&name(*n)),
            },
        };
        Commit {
            guards: self.guards.iter().map(guard).collect(),
            writes: self.writes.iter().map(write).collect(),
        }
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    /// Same commits, same answers, same entries, same watch; also across a clean stop.
    #[test]
    fn embedded_agrees_with_memory(
        sketches in prop::collection::vec(sketch(), 1..40),
        stop_at in 0..40_usize,
    ) {
        block_on(async {
            let memory = Memory::default();
            let platter = Platter::default();
            let mut embedded = open_simulated(&platter);
            let mut watched_from = 0;
            for (n, sketch) in sketches.iter().enumerate() {
                if n == stop_at {
                    drop(embedded);
                    embedded = open_simulated(&platter);
                    watched_from = memory.list("").await.unwrap().revision;
                }
                let commit = sketch.commit(memory.list("").await.unwrap().revision);
                let expected = memory.commit(commit.clone()).await;
                let actual = embedded.commit(commit).await;
                prop_assert_eq!(format!("{:?}", actual), format!("{:?}", expected));
                prop_assert_eq!(embedded.list("").await.unwrap(), memory.list("").await.unwrap());
            }
            let newest = memory.list("").await.unwrap().revision;
            let mut expected = memory.watch("task/", watched_from).await.unwrap();
            let mut actual = embedded.watch("task/", watched_from).await.unwrap();
            memory.commit(put("task/end", "")).await.unwrap();
            embedded.commit(put("task/end", "")).await.unwrap();
            while expected.position() <= newest {
                let batch = expected.next().await.unwrap().unwrap();
                prop_assert_eq!(actual.next().await.unwrap().unwrap(), batch);
            }
            Ok(())
        })?;
    }

    /// Power is lost at any write to the disk, and of what was not synced any sectors survive:
    /// every answered commit is there, and the one in flight is there whole or not at all.
    #[test]
    fn a_crash_loses_nothing_that_was_answered(
        sketches in prop::collection::vec(sketch(), 1..40),
        power in 0..400_usize,
        luck in any::<u64>(),
    ) {
        block_on(async {
            let platter = Platter::default();
            let embedded = open_simulated(&platter);
            platter.fail_after(power);
            let memory = Memory::default();
            let mut before = memory.list("").await.unwrap();
            let mut after = before.clone();
            for sketch in &sketches {
                let commit = sketch.commit(before.revision);
                let expected = memory.commit(commit.clone()).await;
                after = memory.list("").await.unwrap();
                match embedded.commit(commit).await {
                    Err(CommitError::Unavailable(_)) => break,
                    actual => prop_assert_eq!(format!("{:?}", actual), format!("{:?}", expected)),
                }
                before = after.clone();
            }
            drop(embedded);
            platter.lose_power(luck);
            let embedded = open_simulated(&platter);
            let found = embedded.list("").await.unwrap();
            prop_assert!(found == before || found == after, "{:?}", found);
            let next = embedded.commit(put("task/next", "")).await.unwrap();
            prop_assert_eq!(next, found.revision + 1);
            Ok(())
        })?;
    }
}
