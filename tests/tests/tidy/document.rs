//! Rules on the documents.

use crate::graph::ours;
use crate::hold;
use crate::source::{self, root};

/// The nine invariants, by words that a reader would look for.
const INVARIANTS: &[&str] = &[
    "no clock",
    "containers and packets",
    "one writer",
    "never goes back",
    "wire names",
    "any user could use",
    "declines to act",
    "carries a key",
    "Losing the control plane",
];

#[test]
fn documents_exist() {
    let faults = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE"]
        .into_iter()
        .filter(|path| !root().join(path).is_file())
        .map(str::to_owned)
        .collect();
    hold(
        "README.md, ARCHITECTURE.md, CHANGELOG.md and LICENSE exist",
        "they are what a newcomer opens first",
        faults,
    );
}

#[test]
fn the_code_map_is_complete() {
    let text = &source::file("ARCHITECTURE.md").text;
    let mut faults = Vec::new();
    for (name, package) in ours() {
        let directory = package.manifest_path.parent().unwrap();
        let directory = directory.strip_prefix(root()).unwrap_or(directory).as_str();
        let named = text.contains(&format!("`{directory}`"))
            || text.contains(&format!("`{name}`"))
            || text.contains(&format!("`{directory}/`"));
        if !named {
            faults.push(format!("`{directory}` is not named"));
        }
    }
    for (number, words) in (1..).zip(INVARIANTS) {
        let start = format!("{number}. ");
        let printed = text
            .lines()
            .any(|line| line.trim_start().starts_with(&start) && line.contains(words));
        if !printed {
            faults.push(format!(
                "invariant {number} (`{words}`) is not printed as item {number} of a list"
            ));
        }
    }
    hold(
        "ARCHITECTURE.md names every crate and prints the nine invariants",
        "a rule that is not written down is broken by whoever has not heard of it",
        faults,
    );
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut faults = Vec::new();
    for source in source::all().iter().filter(|s| s.path.ends_with(".md")) {
        for target in targets(&source.text) {
            let outside = target.contains("://") || target.starts_with(['#', '/']);
            let path = target.split('#').next().unwrap_or_default();
            if outside || path.is_empty() || target.starts_with("mailto:") {
                continue;
            }
            let from = root().join(&source.path);
            if !from.parent().unwrap().join(path).exists() {
                faults.push(format!("{}: {target}", source.path));
            }
        }
    }
    hold(
        "links to files of this repository lead to files that exist",
        "a document that points nowhere is not believed elsewhere either",
        faults,
    );
}

/// What `[words](target)` points to.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next())
}
