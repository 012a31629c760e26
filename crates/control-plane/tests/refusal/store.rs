//! The embedded store.

use std::fs;

use super::*;
use longshore_store::FORMAT;

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_a_later_format_is_left_to_that_version() {
    let data = Data::with(2, 4).await;
    let before = run(["check", &data.flag()]);
    let format = FORMAT + 1;
    set_format(&data, format);
    data.is_refused(&[
        &format!("format {format}"),
        "run the version that wrote it",
        data.directory().to_str().unwrap(),
    ]);
    // That version finds every record.
    set_format(&data, FORMAT);
    assert_eq!(run(["check", &data.flag()]).is_done(), before.is_done());
}

fn set_format(data: &Data, format: u64) {
    Embedded::set_format(data.directory().join(STORE), format).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_use_is_left_alone() {
    let data = Data::with(2, 4).await;
    let _running = data.open();
    data.is_refused_and_left(&["another control plane", data.directory().to_str().unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_cut_off_is_refused_and_left_as_found() {
    let data = Data::with(20, 100).await;
    let path = data.base();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 3]).unwrap();
    data.is_refused_and_left(&["damaged", "restore", data.directory().to_str().unwrap()]);
}

/// One bit in every page is certain to be in use somewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_with_flipped_bits_is_refused_and_left_as_found() {
    let data = Data::with(20, 100).await;
    let path = data.base();
    let mut bytes = fs::read(&path).unwrap();
    for page in bytes.chunks_mut(4096).skip(1) {
        page[100] ^= 4;
    }
    fs::write(&path, bytes).unwrap();
    data.is_refused_and_left(&["damaged", "restore", data.directory().to_str().unwrap()]);
}

/// What was acknowledged before the disk filled up is there once it has room again.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_the_program_and_loses_nothing() {
    let data = Data::with(20, 100).await;
    let flag = data.flag();
    // What it says of the start that came to nothing is another matter.
    let verdict = || {
        run(["check", &flag])
            .is_done()
            .lines()
            .next()
            .map(str::to_owned)
    };
    let before = verdict();
    let kib = fs::metadata(data.base()).unwrap().len() / 1024;
    let listen = ["--listen=127.0.0.1:0", "--agent-listen=127.0.0.1:0"];
    let said = run_on_full_disk(
        u32::try_from(kib / 2).unwrap(),
        &["run", &flag, listen[0], listen[1]],
    );
    said.refuses(&[data.directory().to_str().unwrap()]);
    assert_eq!(verdict(), before);
}
