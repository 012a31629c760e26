//! Backup files, and where they go to and come from.

use std::fs;

use longshore_control_plane::operation::location::SEGMENT_BYTES;

use super::*;

/// A store, and a backup of it.
async fn backed_up(services: usize, tasks: usize) -> (Data, String) {
    let data = Data::with(services, tasks).await;
    let file = data.beside("backup");
    run(["backup", &file, &data.flag()]).is_done();
    (data, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_is_refused_and_nothing_is_made() {
    let (data, file) = backed_up(2, 4).await;
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let mut newer = whole[..16].to_vec();
    newer.extend(9_u32.to_be_bytes());
    newer.extend([0; 16]);
    newer.extend(crc32c::crc32c(&newer).to_be_bytes());
    let target = format!("--data-dir={}", data.beside("target"));
    for (bytes, part) in [
        (&whole[..whole.len() / 2], "damaged"),
        (&flipped, "damaged"),
        (&newer, "format 9"),
        (b"something else", "no backup"),
    ] {
        fs::write(&file, bytes).unwrap();
        run(["restore", &file, &target]).refuses(&[part, &file]);
        run(["check", "--backup", &file]).refuses(&[part, &file]);
        assert!(!Path::new(&data.beside("target")).exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_restored_over_what_is_there() {
    let (data, file) = backed_up(2, 4).await;
    let flag = data.flag();
    let before = run(["check", &flag]);
    run(["restore", &file, &flag]).refuses(&["not empty", "Nothing was changed"]);
    let (from, to) = (
        format!("embedded:{}", data.directory().display()),
        format!("embedded:{}", data.beside("other")),
    );
    run(["migrate", "--from", &from, "--to", &to]).is_done();
    run(["migrate", "--from", &to, "--to", &from]).refuses(&["not empty", "Nothing was changed"]);
    run(["migrate", "--from", &to, "--to", &to]).refuses(&["the same store"]);
    assert_eq!(run(["check", &flag]).is_done(), before.is_done());
    run(["backup", &file, &flag]).refuses(&["is there already", &file]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_the_disk_has_no_room_for_is_none() {
    let data = Data::with(20, 100).await;
    let file = data.beside("backup");
    let said = run_on_full_disk(20, &["backup", &file, &data.flag()]);
    said.refuses(&["cannot", data.root.path().to_str().unwrap()]);
    let left = fs::read_dir(data.root.path()).unwrap();
    let names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["data"], "no half a backup");
}

/// A restore that the disk has no room for says so; what it left is refused everywhere, and the
/// same command begins anew once there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_fills_the_disk_is_done_again() {
    // More than fits where the log just does.
    let (data, file) = backed_up(50, 30_000).await;
    let flag = data.flag();
    let before = run(["check", &flag]);
    let kib = u32::try_from(SEGMENT_BYTES / 1024).unwrap();
    assert!(fs::metadata(data.base()).unwrap().len() / 1024 > u64::from(kib));
    fs::remove_dir_all(data.directory()).unwrap();
    run_on_full_disk(kib, &["restore", &file, &flag]).refuses(&["do the same again"]);
    let listen = ["--listen=127.0.0.1:0", "--agent-listen=127.0.0.1:0"];
    run(["run", &flag, listen[0], listen[1]]).refuses(&["not whole"]);
    run(["check", &flag]).refuses(&["did not end"]);
    run(["restore", &file, &flag]).is_done();
    let digest = |said: &Said| said.is_done().split_once("digest ").unwrap().1.to_owned();
    assert_eq!(digest(&run(["check", &flag])), digest(&before));
}
