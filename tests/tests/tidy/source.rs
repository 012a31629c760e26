//! The files of this repository.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use walkdir::WalkDir;

/// A text file, read once.
pub(crate) struct Source {
    /// From the root of the repository, with slashes.
    pub path: String,
    pub text: String,
}

/// Where nothing of ours lies.
const SKIPPED: &[&str] = &[
    "target",
    ".git",
    ".venv",
    "data",
    "node_modules",
    "__pycache__",
];

/// Kinds of files that are text, by extension.
const TEXT: &[&str] = &[
    "rs", "toml", "md", "proto", "py", "json", "yml", "yaml", "service", "txt", "sh",
];

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let root = root();
    WalkDir::new(&root)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| {
            entry.depth() != 1 && entry.file_name() != "__pycache__"
                || !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped)
        })
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .filter_map(|entry| {
            let path = entry.path().strip_prefix(&root).unwrap();
            let is_text = match path.extension().and_then(|e| e.to_str()) {
                Some(extension) => TEXT.contains(&extension),
                // Scripts and dot files.
                None => true,
            };
            if !is_text {
                return None;
            }
            let text = std::fs::read_to_string(entry.path()).ok()?;
            Some(Source {
                path: path.to_str().unwrap().replace('\\', "/"),
                text,
            })
        })
        .collect()
});

/// Every text file.
pub(crate) fn all() -> &'static [Source] {
    &SOURCES
}

/// Every Rust file.
pub(crate) fn rust() -> impl Iterator<Item = &'static Source> {
    SOURCES.iter().filter(|source| source.path.ends_with(".rs"))
}

/// The file at this path, which must exist.
pub(crate) fn file(path: &str) -> &'static Source {
    SOURCES
        .iter()
        .find(|source| source.path == path)
        .unwrap_or_else(|| panic!("{path} is missing"))
}

impl Source {
    /// The lines with their numbers from 1, without comments.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, without_comment(line)))
    }

    /// The lines before the unit tests.
    pub(crate) fn code_before_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code()
            .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
    }

    /// The lines that are tests: those of the unit tests, or all of an integration test.
    pub(crate) fn tests(&self) -> impl Iterator<Item = (usize, &str)> {
        let all = self.path.contains("/tests/") || self.path.starts_with("tests/");
        self.code()
            .skip_while(move |(_, line)| !all && line.trim() != "#[cfg(test)]")
    }

    /// `PATH:LINE: TEXT`.
    pub(crate) fn at(&self, number: usize, line: &str) -> String {
        format!("{}:{number}: {}", self.path, line.trim())
    }

    /// The directory of the crate it belongs to: `model` for `crates/model/src/lib.rs`.
    pub(crate) fn crate_name(&self) -> &str {
        let mut parts = self.path.split('/');
        match parts.next() {
            Some("crates") => parts.next().unwrap_or_default(),
            Some(first) => first,
            None => "",
        }
    }
}

/// A comment starts with two slashes at the start of the line or after white space, so that the
/// slashes of a URL in a string do not count.
fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") {
        return "";
    }
    line.find(" // ").map_or(line, |index| &line[..index])
}
