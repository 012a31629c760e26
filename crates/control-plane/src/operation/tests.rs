#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use longshore_store::conformance::population::population;
use longshore_store::table::{Installation, Record};
use longshore_store::{Commit, Embedded, HistoryLimit, Key, Memory, Store, Write};
use tempfile::TempDir;

use super::archive::{self, ArchiveError};
use super::content::UNFINISHED;
use super::inspection::inspect;
use super::transfer::{TransferError, fill};
use super::*;
use crate::config::{
    BackupArgs, CheckArgs, EtcdArgs, MigrateArgs, PlaceArgs, RestoreArgs, StoreAddress, StoreArgs,
};

/// Services and tasks; `LONGSHORE_SWEEP=full` asks for as many as an installation is built for.
fn size() -> (usize, usize) {
    match std::env::var("LONGSHORE_SWEEP").is_ok_and(|text| text == "full") {
        true => (10_000, 100_000),
        false => (200, 1_000),
    }
}

fn content() -> Content {
    let (services, tasks) = size();
    Content {
        revision: 0,
        records: population(services, tasks),
        is_unfinished: false,
    }
}

fn small() -> Content {
    Content {
        revision: 7,
        records: population(3, 6),
        is_unfinished: false,
    }
}

fn place(data_dir: &Path) -> PlaceArgs {
    PlaceArgs {
        data_dir: data_dir.to_owned(),
        store: StoreArgs {
            store: StoreAddress::Embedded,
            etcd: EtcdArgs::default(),
        },
    }
}

fn open(data_dir: &Path) -> Embedded {
    Embedded::open(
        data_dir.join(location::STORE_DIRECTORY),
        HistoryLimit::default(),
    )
    .unwrap()
}

async fn read(data_dir: &Path) -> Content {
    Content::read(&open(data_dir)).await.unwrap()
}

async fn put(store: &dyn Store, key: &str, value: &'static [u8]) {
    let write = Write::Put {
        key: Key::new(key).unwrap(),
        value: Bytes::from_static(value),
    };
    let commit = Commit {
        guards: Vec::new(),
        writes: vec![write],
    };
    store.commit(commit).await.unwrap();
}

/// Back up, wipe, restore; and to another store and back: the same records each time, and nothing
/// wrong with them.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_backed_up_comes_back() {
    let root = TempDir::new().unwrap();
    let (first, second) = (root.path().join("first"), root.path().join("second"));
    let wanted = content();
    let store = open(&first);
    fill(&store, &wanted, |_| {}).await.unwrap();
    put(&store, "replica/gone", b"ends with its process").await;
    drop(store);

    let file = root.path().join("backup");
    let args = |place| BackupArgs {
        file: file.clone(),
        place,
    };
    backup(args(place(&first))).await.unwrap();
    fs::remove_dir_all(&first).unwrap();
    let args = |place| RestoreArgs {
        file: file.clone(),
        place,
    };
    restore(args(place(&first))).await.unwrap();
    let restored = read(&first).await;
    assert_eq!(restored.first_difference(&wanted), None);
    assert_eq!(restored.digest(), wanted.digest());
    let installation = Key::new(format!("{}/{}", Installation::TABLE, Installation::NAME)).unwrap();
    let history = |content: &Content| {
        let found = content.records.iter().find(|(key, _)| *key == installation);
        let record: Installation = longshore_store::table::decode(&found.unwrap().1).unwrap();
        record.history
    };
    assert_ne!(history(&restored), history(&wanted), "revisions begin anew");

    let args = |from: &Path, to: &Path| MigrateArgs {
        from: Location::Embedded(from.to_owned()),
        to: Location::Embedded(to.to_owned()),
        etcd: EtcdArgs::default(),
    };
    migrate(args(&first, &second)).await.unwrap();
    fs::remove_dir_all(&first).unwrap();
    migrate(args(&second, &first)).await.unwrap();
    assert_eq!(read(&first).await.digest(), wanted.digest());
    for (backup, place) in [(None, place(&first)), (Some(file.clone()), place(&first))] {
        assert!(check(CheckArgs { backup, place }).await.unwrap());
    }
}

#[tokio::test]
async fn a_store_that_holds_something_is_not_filled() {
    let target = Memory::default();
    put(&target, "cluster/live", b"").await;
    let error = fill(&target, &small(), |_| {}).await.unwrap_err();
    assert!(
        matches!(error, TransferError::NotEmpty { records: 1, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("cluster/live"), "{error}");
    assert_eq!(
        target.list("").await.unwrap().entries.len(),
        1,
        "it is as it was"
    );
}

#[tokio::test]
async fn a_transfer_that_did_not_end_is_known_and_begins_anew() {
    let target: Arc<dyn Store> = Arc::new(Memory::default());
    put(&*target, UNFINISHED, b"").await;
    put(&*target, "cluster/left-over", b"").await;
    let refused = refuse_unfinished(&*target).await.unwrap_err();
    assert!(refused.to_string().contains("not whole"), "{refused}");
    let found = Content::read(&*target).await.unwrap();
    assert!(
        inspect(&found)
            .iter()
            .any(|finding| finding.what.contains("did not end"))
    );
    fill(&*target, &small(), |_| {}).await.unwrap();
    refuse_unfinished(&*target).await.unwrap();
    let found = Content::read(&*target).await.unwrap();
    assert_eq!(
        (found.first_difference(&small()), found.is_unfinished),
        (None, false)
    );
}

/// Large values make short commits; none is left out, whatever the sizes.
#[tokio::test]
async fn every_record_is_written_whatever_its_size() {
    let sizes = [0, 1, 399, 1, 500, 2, 0, 1000, 7, 700, 400];
    let record = |(n, kib): (usize, &usize)| {
        let value = Bytes::from(vec![7; kib * 1024]);
        (Key::new(format!("cluster/{n:04}")).unwrap(), value)
    };
    let content = Content {
        revision: 1,
        records: (0..)
            .zip(sizes.iter().cycle())
            .take(250)
            .map(record)
            .collect(),
        is_unfinished: false,
    };
    let target = Memory::default();
    let mut told = Vec::new();
    fill(&target, &content, |done| told.push(done))
        .await
        .unwrap();
    assert!(told.is_sorted(), "{told:?}");
    assert_eq!(told.last(), Some(&250));
    let found = Content::read(&target).await.unwrap();
    assert_eq!(found.first_difference(&content), None);
}

#[tokio::test]
async fn a_store_in_use_is_named_with_what_to_do() {
    let root = TempDir::new().unwrap();
    let file = root.path().join("backup");
    let _running = open(root.path());
    let args = BackupArgs {
        file: file.clone(),
        place: place(root.path()),
    };
    let error = format!("{:#}", backup(args).await.unwrap_err());
    for part in ["stop it first", "systemctl", root.path().to_str().unwrap()] {
        assert!(error.contains(part), "{error}");
    }
    assert!(!file.exists());
}

#[tokio::test]
async fn a_directory_without_a_store_is_not_made_one() {
    let root = TempDir::new().unwrap();
    let place = place(root.path());
    let error = check(CheckArgs {
        backup: None,
        place,
    })
    .await
    .unwrap_err();
    assert!(error.to_string().contains("holds no store"), "{error}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn any_damage_to_a_backup_is_named() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("backup");
    archive::write(&path, &small(), 1, |_| {}).unwrap();
    let whole = fs::read(&path).unwrap();
    assert_eq!(archive::read(&path).unwrap(), small());
    assert!(matches!(
        archive::write(&path, &small(), 1, |_| {}),
        Err(ArchiveError::Exists { .. })
    ));
    let bits = whole.len() * 8;
    for bit in (0..bits)
        .step_by(bits / 200)
        .chain(0..36 * 8)
        .chain(bits - 45 * 8..bits)
    {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, damaged).unwrap();
        archive::read(&path).unwrap_err();
    }
    for length in (0..whole.len()).step_by(whole.len() / 100) {
        fs::write(&path, &whole[..length]).unwrap();
        archive::read(&path).unwrap_err();
    }
    fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
    let error = archive::read(&path).unwrap_err();
    assert!(error.to_string().contains("follows its end"), "{error}");
    fs::write(&path, "something else altogether, and long enough").unwrap();
    assert!(matches!(
        archive::read(&path),
        Err(ArchiveError::NotABackup { .. })
    ));
}

#[test]
fn a_newer_backup_is_refused() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("backup");
    let mut header = b"longshore-backup".to_vec();
    header.extend(9_u32.to_be_bytes());
    header.extend([0; 16]);
    header.extend(crc32c::crc32c(&header).to_be_bytes());
    fs::write(&path, header).unwrap();
    let error = archive::read(&path).unwrap_err();
    assert!(
        matches!(error, ArchiveError::NewerFormat { found: 9, .. }),
        "{error}"
    );
}

/// Each record that others refer to is taken away, or damaged: those are named, and no others.
#[test]
fn what_is_wrong_is_found() {
    let whole = small();
    assert_eq!(inspect(&whole), []);
    let of = |table: &str| {
        let mut keys = whole.records.iter().map(|(key, _)| key);
        keys.find(|key| key.as_str().starts_with(table))
            .unwrap()
            .clone()
    };
    let cases = [
        ("cluster/", "cluster default"),
        ("instance/", "container instance"),
        ("family/", "the counter of family family-000"),
        ("task-definition/", "task definition family-000:3"),
        ("service/", "service default/service-00000"),
    ];
    for (table, named) in cases {
        let mut broken = whole.clone();
        let key = of(table);
        broken.records.retain(|(held, _)| *held != key);
        let findings = inspect(&broken);
        assert!(!findings.is_empty(), "{table}");
        for finding in findings {
            assert!(finding.what.contains(named), "{table}: {finding}");
        }
    }
    for n in (0..whole.records.len()).step_by(7) {
        let mut broken = whole.clone();
        let (key, value) = &mut broken.records[n];
        let key = key.to_string();
        let mut bytes = value.to_vec();
        bytes[9] ^= 1;
        *value = bytes.into();
        let findings = inspect(&broken);
        let named = findings.iter().find(|finding| finding.key == key);
        assert!(named.unwrap().what.contains("checksum"), "{findings:?}");
    }
    let mut moved = whole.clone();
    let task = of("task/");
    let value = moved
        .records
        .iter()
        .find(|(key, _)| *key == task)
        .unwrap()
        .1
        .clone();
    for (key, held) in &mut moved.records {
        if key.as_str().starts_with("task/") && *key != task {
            *held = value.clone();
            break;
        }
    }
    let findings = inspect(&moved);
    assert!(
        findings
            .iter()
            .any(|finding| finding.what.contains("the record is task/"))
    );
    let mut strange = whole.clone();
    strange
        .records
        .push((Key::new("zebra/1").unwrap(), Bytes::new()));
    assert!(inspect(&strange)[0].what.contains("no table zebra"));
}
