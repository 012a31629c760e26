//! Rules over `cargo metadata`: who may depend on whom, licences, versions, bans.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Node, Package};

use crate::hold;
use crate::source::root;

/// The table of ARCHITECTURE.md: a crate of ours and those of ours it may depend on.
pub(crate) const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("proto", &[]),
    ("scheduler", &["model"]),
    ("state", &["model"]),
    ("reconcile", &["model", "scheduler", "state"]),
    ("supervisor", &["model"]),
    ("store", &["model", "state"]),
    ("shapes", &[]),
    ("door", &["model", "shapes", "store"]),
    ("ecs", &["door", "model", "proto", "shapes", "store"]),
    ("services", &["door", "model", "shapes", "store"]),
    (
        "control-plane",
        &[
            "model",
            "proto",
            "store",
            "scheduler",
            "reconcile",
            "door",
            "ecs",
            "services",
        ],
    ),
    ("agent", &["model", "proto", "supervisor"]),
    ("cli", &["proto", "model"]),
    // The test kits; nothing depends on them.
    (
        "sim",
        &[
            "model",
            "proto",
            "scheduler",
            "reconcile",
            "supervisor",
            "store",
            "door",
            "ecs",
            "control-plane",
            "agent",
        ],
    ),
    (
        "fuzz",
        &[
            "model",
            "proto",
            "shapes",
            "supervisor",
            "store",
            "door",
            "ecs",
            "control-plane",
            "agent",
        ],
    ),
    ("schema-generator", &[]),
    // Drives the binaries from outside, like any user; of the store it uses the checker of
    // histories only, and the benchmark of placement by itself links what decides.
    ("tests", &["proto", "model", "scheduler", "store"]),
];

/// The crates that decide.
pub(crate) const PURE: &[&str] = &["model", "state", "scheduler", "reconcile", "supervisor"];

/// What a pure crate may depend on, and what only its tests may.
const PURE_DEPENDENCIES: &[&str] = &[
    "bytes",
    "crc32c",
    "regex",
    "serde",
    "serde_json",
    "thiserror",
];
const PURE_DEV_DEPENDENCIES: &[&str] = &["proptest"];

/// Licences that allow us to ship binaries under Apache-2.0 without more than a notice.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "BlueOak-1.0.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Libraries of which two versions would be two incompatible worlds of types or of protocol.
const ONE_VERSION: &[&str] = &[
    "aws-lc-rs",
    "http",
    "hyper",
    "prost",
    "redb",
    "rustls",
    "serde",
    "tokio",
    "tonic",
];

/// Second versions that a client of the tests brings, and that nothing of ours meets.
const OF_A_TEST_CLIENT: &[(&str, &str)] = &[
    // The CloudWatch client compresses bodies of the old kind, too.
    ("http", "0.2.12"),
];

/// Not anywhere in what is built, and what to use instead.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "rustls with aws-lc-rs: one TLS library"),
    ("openssl-sys", "rustls with aws-lc-rs: one TLS library"),
    ("native-tls", "rustls with aws-lc-rs: one TLS library"),
    (
        "ring",
        "aws-lc-rs: one cryptography library; look for a feature of the crate that pulls ring in",
    ),
    ("reqwest", "hyper-util: one HTTP client"),
    ("async-std", "tokio: one runtime"),
    ("failure", "thiserror, or anyhow in a main"),
    ("serde_yaml", "toml or serde_json"),
    ("atty", "std::io::IsTerminal"),
    ("structopt", "clap with derive"),
];

/// Not as a dependency of ours, though others may use it.
const BANNED_DIRECTLY: &[(&str, &str)] = &[
    ("chrono", "jiff: one calendar"),
    ("time", "jiff: one calendar"),
    ("lazy_static", "std::sync::LazyLock"),
    ("once_cell", "std::sync::OnceLock and LazyLock"),
    (
        "async-trait",
        "async functions in traits, or a boxed future",
    ),
    ("num_cpus", "std::thread::available_parallelism"),
    ("axum", "hyper-util: the doors need its timers and limits"),
    ("uuid", "the ids of longshore-model"),
    ("log", "tracing"),
];

/// Only these of ours may depend on it.
const CONFINED: &[(&str, &[&str], &str)] = &[
    (
        "redb",
        &["store", "agent"],
        "the store owns the control plane's disk, the agent its journal",
    ),
    (
        "aws-sigv4",
        &["door", "ecs", "services", "tests"],
        "signatures are checked at one door",
    ),
    (
        "aws-sdk-cloudwatch",
        &["tests"],
        "it is a client, for tests",
    ),
    ("aws-sdk-ecs", &["tests"], "it is a client, for tests"),
    ("aws-config", &["tests"], "it is a client, for tests"),
    (
        "prost-reflect",
        &["proto", "ecs", "cli", "tests"],
        "reflection belongs to the wire",
    ),
    ("protox", &["proto"], "the schema is compiled in one place"),
];

pub(crate) static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(vec!["--locked".into()])
        .exec()
        .unwrap()
});

/// The packages of this repository by the name of their directory.
pub(crate) fn ours() -> BTreeMap<&'static str, &'static Package> {
    METADATA
        .workspace_packages()
        .into_iter()
        .map(|package| (short(&package.name), package))
        .collect()
}

pub(crate) fn short(name: &str) -> &str {
    name.strip_prefix("longshore-").unwrap_or(name)
}

/// Everything that building the workspace on Linux takes.
fn built() -> Vec<&'static Package> {
    let metadata = &*METADATA;
    let nodes = &metadata.resolve.as_ref().unwrap().nodes;
    let nodes: BTreeMap<_, _> = nodes.iter().map(|node| (&node.id, node)).collect();
    let packages: BTreeMap<_, _> = metadata.packages.iter().map(|p| (&p.id, p)).collect();
    let mut reached: BTreeSet<_> = metadata.workspace_members.iter().collect();
    let mut queue: Vec<_> = reached.iter().copied().collect();
    while let Some(id) = queue.pop() {
        let (node, package) = (nodes[id], packages[id]);
        for dependency in &node.deps {
            let on_linux = dependency.dep_kinds.iter().any(|kind| {
                let target = kind.target.as_ref().map(ToString::to_string);
                target.is_none_or(|target| !other_platform(&target))
            });
            let name = &packages[&dependency.pkg].name;
            if on_linux && is_enabled(package, node, name) && reached.insert(&dependency.pkg) {
                queue.push(&dependency.pkg);
            }
        }
    }
    let packages = metadata.packages.iter();
    packages.filter(|p| reached.contains(&p.id)).collect()
}

/// Whether a dependency is used with the features that are on. The graph also names optional ones
/// that a feature only configures in case they are (`name?/feature`).
fn is_enabled(package: &Package, node: &Node, dependency: &str) -> bool {
    let mut declared = package.dependencies.iter().filter(|d| d.name == dependency);
    declared.any(|declared| {
        let name = declared.rename.as_deref().unwrap_or(dependency);
        let turns_on = |entry: &String| {
            *entry == format!("dep:{name}")
                || *entry == name
                || entry.starts_with(&format!("{name}/"))
        };
        !declared.optional
            || node.features.iter().any(|feature| {
                feature.as_str() == name
                    || package
                        .features
                        .get(feature.as_str())
                        .is_some_and(|f| f.iter().any(turns_on))
            })
    })
}

/// Whether a `cfg` can be told, by its words, to be for another system than Linux.
fn other_platform(target: &str) -> bool {
    let others = [
        "windows", "macos", "wasm", "redox", "hermit", "wasi", "apple",
    ];
    !target.contains("not(") && others.iter().any(|other| target.contains(other))
}

#[test]
fn crates_depend_only_on_what_the_architecture_allows() {
    let mut faults = Vec::new();
    for (name, package) in ours() {
        let Some((_, allowed)) = MAY_DEPEND_ON.iter().find(|(known, _)| *known == name) else {
            faults.push(format!(
                "{name}: is not in the table; decide what it may depend on, there and in ARCHITECTURE.md"
            ));
            continue;
        };
        for dependency in &package.dependencies {
            if let Some(target) = dependency.name.strip_prefix("longshore-")
                && target != name
                && !allowed.contains(&target)
            {
                faults.push(format!("{name} -> {target} ({})", dependency.kind));
            }
        }
    }
    hold(
        "a crate depends only on what its row in ARCHITECTURE.md names",
        "each missing edge is a wall: I/O out of decisions, wire names out of the domain, Docker out of the control plane",
        faults,
    );
}

#[test]
fn invariant_1_pure_crates_depend_on_nothing_that_acts() {
    let mut faults = Vec::new();
    for name in PURE {
        for dependency in &ours()[name].dependencies {
            let known = dependency.name.starts_with("longshore-")
                || PURE_DEPENDENCIES.contains(&dependency.name.as_str())
                || (dependency.kind == DependencyKind::Development
                    && PURE_DEV_DEPENDENCIES.contains(&dependency.name.as_str()));
            if !known {
                faults.push(format!(
                    "{name} -> {} ({})",
                    dependency.name, dependency.kind
                ));
            }
        }
    }
    hold(
        "model, scheduler, reconcile and supervisor depend on serde, serde_json and thiserror at most",
        "a decision that reads a clock, draws a number or waits cannot be replayed from its view; pass it in through Ctx",
        faults,
    );
}

#[test]
fn invariant_2_only_the_agent_touches_containers_and_packets() {
    let tools = ["bollard", "rtnetlink", "nftables", "containerd-client"];
    let mut faults = Vec::new();
    for (name, package) in ours() {
        for dependency in &package.dependencies {
            let may = ["agent", "edge", "fuzz", "tests"].contains(&name);
            if tools.contains(&dependency.name.as_str()) && !may {
                faults.push(format!("{name} -> {}", dependency.name));
            }
        }
    }
    hold(
        "only agent (and later edge), and tests, depend on a container runtime or on packet filters",
        "the control plane acts by writing what is wanted; whoever acts on a node can be restarted and cut off on its own",
        faults,
    );
}

#[test]
fn invariant_5_generated_types_stay_in_shells_and_faces() {
    let mut faults = Vec::new();
    for (name, package) in ours() {
        let may = [
            "door",
            "ecs",
            "control-plane",
            "agent",
            "cli",
            "sim",
            "fuzz",
            "tests",
        ]
        .contains(&name);
        let does = package
            .dependencies
            .iter()
            .any(|dependency| dependency.name == "longshore-proto");
        if does && !may {
            faults.push(format!("{name} -> proto"));
        }
    }
    hold(
        "only shells and faces depend on longshore-proto",
        "the wire changes when AWS changes it; the nouns of the model do not",
        faults,
    );
}

#[test]
fn invariant_6_faces_link_no_shell() {
    let shells = [
        "door",
        "ecs",
        "control-plane",
        "agent",
        "edge",
        "store",
        "reconcile",
    ];
    let mut faults = Vec::new();
    for face in ["cli", "console"] {
        let Some(package) = ours().get(face).copied() else {
            continue;
        };
        for dependency in &package.dependencies {
            let name = short(&dependency.name);
            if shells.contains(&name) || dependency.name == "redb" {
                faults.push(format!("{face} -> {name}"));
            }
        }
    }
    hold(
        "cli and console depend on no shell crate and on no database",
        "what they can do, any user can do: a private back door would be one nobody tests",
        faults,
    );
}

#[test]
fn dependencies_have_known_licences() {
    let mut faults = Vec::new();
    for package in built() {
        let licence = package.license.as_deref().unwrap_or("none");
        if !allowed(licence) {
            faults.push(format!("{} {}: {licence}", package.name, package.version));
        }
    }
    hold(
        "every dependency can be had under a licence in the list of this test",
        "the binaries are shipped under Apache-2.0",
        faults,
    );
}

/// Whether an SPDX expression can be met with licences of the list.
fn allowed(expression: &str) -> bool {
    if expression.contains('(') {
        let depth_zero = split_at_depth_zero(expression, " AND ");
        if depth_zero.len() > 1 {
            return depth_zero.iter().all(|part| allowed(part));
        }
        if let Some(inner) = expression
            .trim()
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'))
        {
            return allowed(inner);
        }
        return split_at_depth_zero(expression, " OR ")
            .iter()
            .any(|part| allowed(part));
    }
    // OR binds weaker than AND; a slash is an old way to write OR.
    expression
        .replace('/', " OR ")
        .split(" OR ")
        .any(|alternative| {
            alternative
                .split(" AND ")
                .all(|licence| LICENCES.contains(&licence.trim()))
        })
}

fn split_at_depth_zero<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (index, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && index >= start && text[index..].starts_with(separator) => {
                parts.push(&text[start..index]);
                start = index + separator.len();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[test]
fn licence_expressions_are_read_right() {
    for (expression, expected) in [
        ("MIT", true),
        ("MIT/Apache-2.0", true),
        ("Apache-2.0 / MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR GPL-3.0) AND ISC", true),
        ("(MIT OR GPL-3.0) AND GPL-2.0", false),
        ("ISC AND (Apache-2.0 OR ISC) AND (GPL-3.0 OR MIT)", true),
        ("none", false),
    ] {
        assert_eq!(allowed(expression), expected, "{expression}");
    }
}

#[test]
fn libraries_that_meet_at_their_types_have_one_version() {
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in built() {
        versions
            .entry(&package.name)
            .or_default()
            .insert(package.version.to_string());
    }
    for (name, version) in OF_A_TEST_CLIENT {
        let found = versions.entry(name).or_default();
        assert!(found.remove(*version), "{name} {version} is built no more");
    }
    let faults = ONE_VERSION
        .iter()
        .filter_map(|name| {
            let found = versions.get(name);
            (found.is_none_or(|found| found.len() != 1)).then(|| format!("{name}: {found:?}"))
        })
        .collect();
    hold(
        "exactly one version of tonic, prost, hyper, rustls and the like is built",
        "two versions are two sets of types that do not fit, two sets of bugs and twice the time to build; see `cargo tree -i NAME`",
        faults,
    );
}

#[test]
fn banned_crates_are_not_used() {
    let mut faults = Vec::new();
    for package in built() {
        if let Some((name, instead)) = BANNED
            .iter()
            .find(|(name, _)| *name == package.name.as_str())
        {
            faults.push(format!("{name}: use {instead}; see `cargo tree -i {name}`"));
        }
    }
    for (crate_name, package) in ours() {
        for dependency in &package.dependencies {
            let direct = BANNED_DIRECTLY
                .iter()
                .find(|(name, _)| *name == dependency.name);
            if let Some((name, instead)) = direct {
                faults.push(format!("{crate_name} -> {name}: use {instead}"));
            }
            let confined = CONFINED
                .iter()
                .find(|(name, _, _)| *name == dependency.name);
            if let Some((name, owners, why)) = confined
                && !owners.contains(&crate_name)
            {
                faults.push(format!(
                    "{crate_name} -> {name}: only for {owners:?}, since {why}"
                ));
            }
        }
    }
    hold(
        "banned crates are not used",
        "one way to do each thing; each ban says which",
        faults,
    );
}

#[test]
fn versions_are_stated_once() {
    let mut faults = Vec::new();
    for (name, package) in ours() {
        let text = std::fs::read_to_string(&package.manifest_path).unwrap();
        let mut section = String::new();
        for line in text.lines() {
            if line.starts_with('[') {
                section = line.to_owned();
            } else if section.contains("dependencies")
                && line.contains('=')
                && !line.contains("workspace = true")
            {
                faults.push(format!("{name}: {line}"));
            }
        }
        if !text.contains("[lints]\nworkspace = true") {
            faults.push(format!(
                "{name}: its manifest lacks `[lints]` with `workspace = true`"
            ));
        }
    }
    hold(
        "members take dependencies and lints from the workspace",
        "a version or a lint level that is stated twice is stated differently one day",
        faults,
    );
}

#[test]
fn unsafe_code_is_forbidden_for_all() {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let fault = (!text.contains("unsafe_code = \"forbid\""))
        .then(|| "Cargo.toml: [workspace.lints.rust] lacks `unsafe_code = \"forbid\"`".to_owned());
    hold(
        "unsafe code is forbidden in the whole workspace",
        "what needs it belongs into a library that many people read",
        fault.into_iter().collect(),
    );
}
