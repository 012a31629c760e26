//! The nine invariants of ARCHITECTURE.md, as far as reading the source can hold them. The graph's
//! share is in `graph.rs`; what only running can show is in the end-to-end tests.

use crate::graph::PURE;
use crate::hold;
use crate::source::{self, Source};

/// In a pure crate, what must not occur and what to do instead.
const IMPURE: &[(&str, &str)] = &[
    ("SystemTime", "Ctx::now; the shell reads the clock"),
    ("Instant::now", "Ctx::now; the shell reads the clock"),
    ("std::time::Instant", "Ctx::now; the shell reads the clock"),
    ("std::thread", "return a Plan; shells run things"),
    ("std::fs", "take what was read as an argument"),
    ("std::io", "take what was read as an argument"),
    ("std::env", "take it as an argument"),
    ("std::process", "return an action in the Plan"),
    ("std::net::Tcp", "return an action in the Plan"),
    ("std::net::Udp", "return an action in the Plan"),
    ("ToSocketAddrs", "resolve names in a shell"),
    ("async fn", "a plain function; shells wait"),
    ("async move", "a plain function; shells wait"),
    (".await", "a plain function; shells wait"),
    ("HashMap", "BTreeMap: its order is the same on every run"),
    ("HashSet", "BTreeSet: its order is the same on every run"),
    (
        "RandomState",
        "BTreeMap: its order is the same on every run",
    ),
    ("thread_local!", "an argument: no hidden state"),
    ("static mut", "an argument: no hidden state"),
    ("Mutex<", "an argument: no hidden state"),
    ("RwLock<", "an argument: no hidden state"),
    ("AtomicU", "an argument: no hidden state"),
    ("AtomicBool", "an argument: no hidden state"),
    ("println!", "a Reason in the Plan"),
    ("rand::", "Ctx::draw: chance comes in with the seed"),
];

/// A map that is never gone through has no order that could show.
const PURE_ALL_THE_SAME: &[(&str, &str)] = &[("crates/state/src/tasks.rs", "HashMap")];

#[test]
fn invariant_1_pure_crates_know_no_clock_chance_async_or_io() {
    let mut faults = Vec::new();
    for source in source::rust().filter(is_pure) {
        for (number, line) in source.code() {
            for (pattern, instead) in IMPURE {
                let excepted = PURE_ALL_THE_SAME.contains(&(source.path.as_str(), *pattern));
                if line.contains(pattern) && !excepted {
                    faults.push(format!("{} -- use {instead}", source.at(number, line)));
                }
            }
        }
    }
    hold(
        "model, state, scheduler, reconcile and supervisor know no clock, no randomness, no async, no I/O and no hidden state",
        "the same view must give the same plan, on every run and on every machine: that is what properties and replays rest on",
        faults,
    );
}

fn is_pure(source: &&Source) -> bool {
    source.path.starts_with("crates/") && PURE.contains(&source.crate_name())
}

#[test]
fn invariant_1_pure_crates_share_one_clippy_configuration() {
    let first = source::file("crates/model/clippy.toml");
    let faults = PURE
        .iter()
        .map(|name| source::file(&format!("crates/{name}/clippy.toml")))
        .filter(|other| other.text != first.text)
        .map(|other| format!("{} differs from {}", other.path, first.path))
        .collect();
    hold(
        "the pure crates have the same clippy.toml",
        "clippy reads only the nearest one; the rules of purity are the same for all four",
        faults,
    );
}

/// The types that stored nouns are made of, where their fields have writers of their own.
const PARTS: &[&str] = &["Container", "Deployment"];

#[test]
fn invariant_3_stored_fields_name_their_writer() {
    let list = source::file("crates/state/src/table/list.rs");
    let lines = list.text.lines().map(str::trim);
    let rows = lines.skip_while(|line| *line != "tables! {");
    let nouns: Vec<&str> = rows
        .filter_map(|line| line.split_once(": ")?.1.split_once(" => "))
        .map(|(noun, _)| noun)
        .collect();
    assert!(nouns.len() >= 11, "the list of tables reads otherwise now");
    let mut faults = Vec::new();
    for name in nouns.into_iter().chain(PARTS.iter().copied()) {
        let definition = format!("pub struct {name} {{");
        let source = source::rust()
            .filter(|source| ["model", "state"].contains(&source.crate_name()))
            .find(|source| source.text.contains(&definition));
        match source {
            Some(source) => unwritten(source, name, &mut faults),
            None => faults.push(format!("{name} is defined neither in model nor in state")),
        }
    }
    hold(
        "every field of a stored noun names its writer in its doc comment, or its type's does for all",
        "with one writer per field nobody undoes another's work, and a reader knows where a value came from; write `Writer: ...`",
        faults,
    );
}

/// Adds the fields of `pub struct NAME` whose doc comment names no writer.
fn unwritten(source: &Source, name: &str, faults: &mut Vec<String>) {
    let lines: Vec<&str> = source.text.lines().collect();
    let start = lines
        .iter()
        .position(|line| *line == format!("pub struct {name} {{"))
        .unwrap_or_else(|| panic!("{}: no struct {name}", source.path));
    let type_doc = lines[..start]
        .iter()
        .rev()
        .take_while(|line| line.starts_with("///") || line.starts_with("#["));
    if names_writer(type_doc.copied()) {
        return;
    }
    let mut doc = Vec::new();
    for (offset, line) in lines[start + 1..].iter().enumerate() {
        let text = line.trim();
        if text == "}" {
            return;
        }
        if text.starts_with("///") || text.starts_with("#[") {
            doc.push(text);
        } else if text.starts_with("pub ") {
            if !names_writer(doc.iter().copied()) {
                faults.push(source.at(start + offset + 2, line));
            }
            doc.clear();
        }
    }
}

fn names_writer<'a>(mut doc: impl Iterator<Item = &'a str>) -> bool {
    doc.any(|line| line.contains("Writer"))
}

#[test]
fn invariant_4_statuses_move_only_through_the_task() {
    let mut faults = Vec::new();
    for source in source::rust() {
        let elsewhere = source.path.starts_with("crates/")
            && ["door", "ecs", "control-plane", "reconcile", "store"]
                .contains(&source.crate_name());
        if !elsewhere {
            continue;
        }
        for (number, line) in source.code_before_tests() {
            let assigns = [".last_status = ", ".desired_status = "]
                .iter()
                .any(|pattern| line.contains(pattern));
            if assigns {
                faults.push(source.at(number, line));
            }
        }
    }
    hold(
        "lastStatus and desiredStatus of a task change only through Task::stop, lose and apply_report",
        "lastStatus never goes back and nothing runs after STOPPED: one place can hold that, many cannot",
        faults,
    );
}

#[test]
fn invariant_4_task_statuses_are_ordered() {
    let text = &source::file("crates/model/src/task.rs").text;
    let before = |name: &str| {
        let end = text.find(&format!("pub enum {name} {{")).unwrap();
        text[..end].rsplit("#[derive(").next().unwrap().to_owned()
    };
    let faults = ["DesiredStatus", "TaskStatus", "ContainerStatus"]
        .into_iter()
        .filter(|name| !before(name).contains("Ord"))
        .map(|name| format!("{name} does not derive Ord"))
        .collect();
    hold(
        "statuses are ordered as a task moves through them",
        "of two reports the larger status is the later one, whatever order they arrive in",
        faults,
    );
}

/// What only the AWS JSON wire says.
const WIRE_NAMES: &[&str] = &[
    "X-Amz-",
    "x-amz-",
    "x-amzn-",
    "AmazonEC2ContainerService",
    "application/x-amz-json",
    "AWS4-HMAC-SHA256",
    "aws4_request",
];

/// The crates that speak the wires of AWS.
const AT_THE_DOOR: &[&str] = &["door", "ecs", "services", "shapes", "proto"];

#[test]
fn invariant_5_aws_wire_names_stay_at_the_door() {
    let mut faults = Vec::new();
    for source in source::rust() {
        let may = !source.path.starts_with("crates/") || AT_THE_DOOR.contains(&source.crate_name());
        if may {
            continue;
        }
        for (number, line) in source.code() {
            if WIRE_NAMES.iter().any(|name| line.contains(name)) {
                faults.push(source.at(number, line));
            }
            // Labels on containers are read by tools that know ECS; that is the agent's wire, and
            // sim plays the agent's host.
            let host = ["agent", "sim"].contains(&source.crate_name());
            if line.contains("com.amazonaws") && !host {
                faults.push(source.at(number, line));
            }
        }
    }
    hold(
        "names of the AWS wire occur only in door, ecs, services, shapes and proto, names of ECS labels only in agent",
        "the domain speaks the model's words; a change of the wire must not reach a decision",
        faults,
    );
}

#[test]
fn invariant_5_generated_types_do_not_occur_below_the_shells() {
    let faults = source::rust()
        .filter(|source| {
            source.path.starts_with("crates/")
                && [
                    "model",
                    "state",
                    "scheduler",
                    "reconcile",
                    "supervisor",
                    "store",
                ]
                .contains(&source.crate_name())
        })
        .flat_map(|source| {
            source
                .code()
                .filter(|(_, line)| line.contains("longshore_proto"))
                .map(|(number, line)| source.at(number, line))
        })
        .collect();
    hold(
        "generated types occur only in shells and faces",
        "the nouns of the model are ours to shape; generated ones are not",
        faults,
    );
}

#[test]
fn invariant_6_the_command_reads_no_stored_state() {
    let names = [
        "longshore_store",
        "longshore_door",
        "longshore_ecs",
        "longshore_control_plane",
        "redb::",
    ];
    let faults = source::rust()
        .filter(|source| source.path.starts_with("crates/cli/"))
        .flat_map(|source| {
            source
                .code()
                .filter(|(_, line)| names.iter().any(|name| line.contains(name)))
                .map(|(number, line)| source.at(number, line))
        })
        .collect();
    hold(
        "cli uses only what any user could use",
        "a command that reads the database beside the API shows what no other client can see",
        faults,
    );
}

#[test]
fn invariant_7_a_plan_has_room_for_reasons() {
    let plan = &source::file("crates/model/src/plan.rs").text;
    let mut faults = Vec::new();
    for field in ["pub actions:", "pub wake_at:", "pub reasons:"] {
        if !plan.contains(field) {
            faults.push(format!("crates/model/src/plan.rs: Plan lacks `{field}`"));
        }
    }
    for source in source::rust() {
        let decides = ["reconcile", "supervisor"].contains(&source.crate_name())
            && source.path.contains("/src/");
        if !decides {
            continue;
        }
        let text = &source.text;
        for decision in ["pub fn reconcile(", "    fn decide("] {
            for (position, _) in text.match_indices(decision) {
                let signature = text[position..].split('{').next().unwrap_or_default();
                if !signature.contains("Plan<") {
                    let name = decision.trim();
                    faults.push(format!("{}: {name}…) does not return a Plan", source.path));
                }
            }
        }
    }
    hold(
        "every decision returns a Plan with actions, wake_at and reasons",
        "a plan that declines to act says why, and nothing waits silently",
        faults,
    );
}

#[test]
fn invariant_8_a_controller_is_activated_by_a_key() {
    let mut faults = Vec::new();
    for source in source::rust().filter(|s| s.path.starts_with("crates/control-plane/src/")) {
        let is_controller = source.path.contains("/control/");
        for (number, line) in source.code_before_tests() {
            let carries = ["mpsc::Receiver<", "mpsc::Sender<"].iter().any(|channel| {
                line.split(channel).nth(1).is_some_and(|rest| {
                    ["Event", "Report", "Change", "Task>", "Service>"]
                        .iter()
                        .any(|message| rest.starts_with(message))
                })
            });
            if is_controller && carries {
                faults.push(source.at(number, line));
            }
        }
    }
    hold(
        "a controller activation carries a key (which service), never a message (what happened)",
        "a lost or repeated activation must not matter: the controller looks at the level, not at the event",
        faults,
    );
}

#[test]
fn invariant_9_is_shown_by_running() {
    let text: String = source::rust()
        .filter(|source| source.path.starts_with("tests/tests/e2e/"))
        .map(|source| source.text.as_str())
        .collect();
    let faults = ["fn losing_the_control_plane_", "fn losing_the_agent_"]
        .into_iter()
        .filter(|name| !text.contains(name))
        .map(|name| format!("tests/tests/e2e: no test whose name starts with `{name}`"))
        .collect();
    hold(
        "losing the control plane or restarting the agent stops no running task",
        "only killing them shows it, so the end-to-end tests must",
        faults,
    );
}
