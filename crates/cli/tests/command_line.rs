//! The binary as a shell sees it: exit codes, what goes to which stream, and that nothing outside
//! the given environment is looked at. No control plane is needed.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs `longshore` in an empty environment with this data directory.
fn longshore(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
    command
        .env_clear()
        .env("LONGSHORE_DATA_DIR", data_dir)
        .args(arguments)
        .stdin(Stdio::null());
    command
}

fn run(data_dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = longshore(data_dir, arguments).output().unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn write_client(data_dir: &Path, endpoint: &str) {
    let client = format!(
        r#"{{"endpoint": "{endpoint}", "region": "us-east-1", "account_id": "000000000000",
            "access_key_id": "AKIAEXAMPLE", "secret_access_key": "it's"}}"#
    );
    fs::write(data_dir.join("client.json"), client).unwrap();
}

#[test]
fn wrong_usage_is_2_and_a_failure_is_1() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    for (arguments, code, expected) in [
        (&[][..], 2, "EXAMPLES:"),
        (&["stutas"], 2, "status"),
        (&["token", "--ttl", "2h"], 2, "from 1s to 1h"),
        (&["up", "--listen", "0.0.0.0:7400"], 2, "--tls-cert"),
        (&["status"], 1, "longshore up --detach"),
        (&["env"], 1, "longshore up --detach"),
        (&["token"], 1, "longshore up --detach"),
        (
            &["--endpoint", "127.0.0.1:1", "status"],
            1,
            "AWS_ACCESS_KEY_ID",
        ),
    ] {
        let (status, stdout, stderr) = run(&data_dir, arguments);
        assert_eq!(status, code, "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
        assert_eq!(stdout, "", "{arguments:?}");
    }
    // None of them made anything.
    assert!(!data_dir.exists());
}

#[test]
fn nothing_to_take_down_is_fine() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let (status, _, stderr) = run(&data_dir, &["down"]);
    assert_eq!(status, 0);
    assert!(stderr.contains("Nothing is running"), "{stderr}");
    assert!(!data_dir.exists());
}

#[test]
fn a_closed_port_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    write_client(directory.path(), &format!("http://{address}"));
    let (status, _, stderr) = run(directory.path(), &["service", "list"]);
    assert_eq!(status, 1);
    assert_eq!(
        stderr,
        format!(
            "error: nothing listens at {address}; start Longshore with `longshore up --detach`\n"
        )
    );
}

/// A control plane that hangs up, as one with TLS does on plain HTTP, is a failure.
#[test]
fn a_connection_that_breaks_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    write_client(directory.path(), &format!("http://{address}"));
    for arguments in [
        &["status"][..],
        &["service", "list"],
        &["service", "events", "web"],
        &["task", "logs", "3f2a"],
    ] {
        let (status, _, stderr) = run(directory.path(), arguments);
        assert_eq!(status, 1, "{arguments:?}");
        assert!(stderr.starts_with("error: "), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_taken_port_is_found_before_anything_starts() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // Stand-ins, so that the real binaries need not be built for this.
    let bin = directory.path().join("bin");
    fs::create_dir(&bin).unwrap();
    for name in ["longshore-control-plane", "longshore-agent"] {
        std::os::unix::fs::symlink("/bin/false", bin.join(name)).unwrap();
    }
    let output = longshore(&data_dir, &["up", "--detach", "--listen", &address])
        .env("PATH", &bin)
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains(&address), "{stderr}");
    assert!(!data_dir.exists());
}

#[test]
fn credentials_are_printed_for_shells_and_minted_into_tokens() {
    let directory = tempfile::tempdir().unwrap();
    write_client(directory.path(), "http://127.0.0.1:7400");
    let (status, stdout, stderr) = run(directory.path(), &["env"]);
    assert_eq!((status, stderr.as_str()), (0, ""));
    assert!(
        stdout.contains(r"export AWS_SECRET_ACCESS_KEY='it'\''s'"),
        "{stdout}"
    );
    let (status, stdout, _) = run(directory.path(), &["token", "--ttl", "1h"]);
    assert_eq!(status, 0);
    let parts: Vec<_> = stdout.trim_end().split('.').collect();
    let [version, key, expiry, nonce, mac] = parts.as_slice() else {
        panic!("{stdout}");
    };
    assert_eq!((*version, *key), ("lst1", "AKIAEXAMPLE"));
    assert!(expiry.parse::<u64>().is_ok());
    assert_eq!((nonce.len(), mac.len()), (32, 64));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = longshore(directory.path(), &["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
