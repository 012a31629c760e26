//! Every seed and every regression case, through the target it is of.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use longshore_fuzz::{TARGETS, sigv4};

fn directory(kind: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(kind)
        .join(target)
}

/// The files of a directory that may not be there, in the order of their names.
fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| (path.clone(), fs::read(path).unwrap());
    paths.into_iter().map(read).collect()
}

#[test]
fn seeds_and_regressions_hold() {
    for target in TARGETS {
        let seeds = files(&directory("corpus", target.name));
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for (path, content) in seeds
            .iter()
            .chain(&files(&directory("regressions", target.name)))
        {
            // Said before, so that the output of a failure ends with the file it is about.
            println!("{}", path.display());
            (target.run)(content);
        }
    }
}

#[test]
fn one_program_and_one_directory_belong_to_each_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |kind: &str| {
        let entries = fs::read_dir(root.join(kind)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().path())
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    let targets: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
    for name in names("regressions") {
        assert!(
            targets.contains(&name.as_str()),
            "regressions/{name} is of no target"
        );
    }
}

#[test]
fn no_seed_is_cut_off() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("lengths")).unwrap();
    let lengths: BTreeMap<&str, usize> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, length)| (name, length.trim().parse().unwrap()))
        .collect();
    assert!(
        lengths
            .keys()
            .copied()
            .eq(TARGETS.iter().map(|target| target.name))
    );
    for (name, most) in lengths {
        for (path, content) in files(&directory("corpus", name)) {
            let length = content.len();
            assert!(
                length <= most,
                "{} has {length} bytes, fuzz/lengths takes {most}",
                path.display()
            );
        }
    }
}

#[test]
fn what_clients_signed_passes() {
    let seeds = files(&directory("corpus", "sigv4"));
    for (path, content) in seeds {
        assert!(sigv4::passes(&content), "{} is refused", path.display());
    }
}
