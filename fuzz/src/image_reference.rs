//! Image references. The input is the text.

use std::sync::LazyLock;

use longshore_agent::runtime::docker::with_tag;
use longshore_ecs::task_definition::image;
use regex::Regex;

/// The grammar of the CNCF distribution project, in the words of its `reference` package. Ours
/// takes less: fewer digests, no IPv6 registries, ports up to 65535.
static GRAMMAR: LazyLock<Regex> = LazyLock::new(|| {
    let label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    let domain = format!(r"{label}(?:\.{label})*(?::[0-9]+)?");
    let part = "[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*";
    let name = format!("(?:{domain}/)?{part}(?:/{part})*");
    let tag = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
    let digest = "sha256:[a-f0-9]{64}";
    let whole = format!("^{name}(?::{tag})?(?:@{digest})?$");
    Regex::new(&whole).expect("the grammar is a regular expression")
});

/// Checks a reference.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if !image::is_valid(text) {
        return;
    }
    assert!(GRAMMAR.is_match(text), "{text} is no image reference");
    // What the agent pulls is a reference too, and names a tag or a digest.
    let tagged = with_tag(text);
    assert!(image::is_valid(&tagged), "{text} is pulled as {tagged}");
    assert_eq!(with_tag(&tagged), tagged);
}
