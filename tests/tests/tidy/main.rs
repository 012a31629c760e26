//! Tidy rules: what must hold of the source tree and of the dependency graph as a whole. Every
//! failure says which rule was broken, where, and why the rule is there.
//!
//! A rule that holds one of the nine invariants of ARCHITECTURE.md has its number in its name.
#![allow(clippy::unwrap_used, missing_docs)]

mod document;
mod graph;
mod invariant;
mod pasted;
mod source;
mod text;

/// Fails with every fault found, under the rule and its reason.
fn hold(rule: &str, why: &str, faults: Vec<String>) {
    assert!(
        faults.is_empty(),
        "\n\nRule: {rule}\nWhy:  {why}\n{} found:\n  {}\n",
        faults.len(),
        faults.join("\n  ")
    );
}
