//! State that cannot be used, through the real program: each command refuses it, says what is wrong
//! and what to do, and leaves it as it was.
//!
//! | file | what is wrong |
//! |---|---|
//! | `store.rs` | with the embedded store: of a later format, in use, damaged, on a full disk |
//! | `backup.rs` | with a backup file, or with where it is to go |
//! | `etcd.rs` | with an etcd: away, wrong certificates or passwords, another's |
#![allow(clippy::unwrap_used)]

mod backup;
mod etcd;
mod store;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use longshore_store::conformance::population::{fill, population};
use longshore_store::{Embedded, HistoryLimit};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_longshore-control-plane");
/// The embedded store's directory in a data directory.
const STORE: &str = "store";

/// What a command said and whether it did what it was to do.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    text: String,
}

impl Said {
    /// It refused, and said all of this.
    #[track_caller]
    fn refuses(&self, parts: &[&str]) {
        assert!(matches!(self.code, Some(1 | 2)), "{}", self.text);
        for part in parts {
            assert!(self.text.contains(part), "no \"{part}\" in: {}", self.text);
        }
    }

    #[track_caller]
    fn is_done(&self) -> &str {
        assert_eq!(self.code, Some(0), "{}", self.text);
        &self.text
    }
}

/// Runs the program to its end.
fn run<S: Into<OsString>>(arguments: impl IntoIterator<Item = S>) -> Said {
    let mut command = Command::new(PROGRAM);
    command.args(arguments.into_iter().map(Into::into));
    end(command)
}

/// As [`run`] where no file may have more than this many KiB: what a full disk refuses, the kernel
/// refuses here.
fn run_on_full_disk(kib: u32, arguments: &[&str]) -> Said {
    let mut command = Command::new("bash");
    let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"");
    command.args(["-c", &script, PROGRAM]).args(arguments);
    end(command)
}

fn end(mut command: Command) -> Said {
    let output = command.env("NO_COLOR", "1").output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Said {
        code: output.status.code(),
        text: String::from_utf8_lossy(&text).into_owned(),
    }
}

/// A data directory with a store in it.
struct Data {
    root: TempDir,
}

impl Data {
    async fn with(services: usize, tasks: usize) -> Data {
        let data = Data {
            root: TempDir::new().unwrap(),
        };
        let records = population(services, tasks);
        fill(&data.open(), &records).await.unwrap();
        data
    }

    fn open(&self) -> Embedded {
        Embedded::open(self.directory().join(STORE), HistoryLimit::default()).unwrap()
    }

    fn directory(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// `--data-dir` for it.
    fn flag(&self) -> String {
        format!("--data-dir={}", self.directory().display())
    }

    fn beside(&self, name: &str) -> String {
        self.root.path().join(name).display().to_string()
    }

    /// The file that holds what is settled: everything, of a store that was stopped.
    fn base(&self) -> PathBuf {
        self.directory().join(STORE).join("longshore.redb")
    }

    /// Every command that would use this store; none may, and all must say so and leave it as it
    /// was.
    #[track_caller]
    fn is_refused_and_left(&self, parts: &[&str]) {
        let before = files(&self.directory());
        self.is_refused(parts);
        assert!(files(&self.directory()) == before, "it is as it was");
    }

    #[track_caller]
    fn is_refused(&self, parts: &[&str]) {
        let (embedded, other) = (
            format!("embedded:{}", self.directory().display()),
            format!("embedded:{}", self.beside("other")),
        );
        let (flag, backup) = (self.flag(), self.beside("backup"));
        let listen = ["--listen=127.0.0.1:0", "--agent-listen=127.0.0.1:0"];
        run(["run", &flag, listen[0], listen[1]]).refuses(parts);
        run(["check", &flag]).refuses(parts);
        run(["backup", &backup, &flag]).refuses(parts);
        run(["migrate", "--from", &embedded, "--to", &other]).refuses(parts);
        assert!(!Path::new(&backup).exists());
        assert!(!Path::new(&self.beside("other")).exists());
    }
}

/// What is in a directory: the store's files by path. The keys that `run` makes are no part of it.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(directory.join(STORE)).unwrap();
    let read = |path: PathBuf| (path.clone(), fs::read(path).unwrap());
    entries.map(|entry| read(entry.unwrap().path())).collect()
}
