//! The commands of `deploy/README.md`, run as they stand with a directory in place of `/`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::hold;
use crate::source::root;

/// What needs a running system or the product itself; the end-to-end tests run those.
const NEEDS_A_SYSTEM: &[&str] = &["systemctl ", "longshore ", "docker "];

/// The commands of one section: its indented blocks, without drawings and answers.
fn commands(document: &str, section: &str) -> String {
    let (_, rest) = document.split_once(&format!("\n## {section}\n")).unwrap();
    let text = rest.split("\n## ").next().unwrap_or(rest);
    let mut fenced = false;
    let mut script = String::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        let command = line.trim_start();
        let indented = line.len() - command.len() >= 4 && !fenced;
        let skipped =
            command.starts_with('{') || NEEDS_A_SYSTEM.iter().any(|word| command.starts_with(word));
        if indented && !skipped {
            script.push_str(command);
            script.push('\n');
        }
    }
    script
}

/// Paths below `/` as paths below `scratch`; files belong to whoever runs the test.
fn below(script: &str, scratch: &Path) -> String {
    let scratch = scratch.display();
    script
        .replace(" /etc/", &format!(" {scratch}/etc/"))
        .replace(" /var/", &format!(" {scratch}/var/"))
        .replace(" certificates", &format!(" {scratch}/certificates"))
        .replace(" -o root", "")
        .replace(" -g etcd", "")
}

#[test]
fn the_deployment_works_as_pasted() {
    let document = fs::read_to_string(root().join("deploy/README.md")).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let scratch = scratch.path();
    // What Debian and systemd bring.
    for directory in ["etc/systemd/system", "etc/default", "var/lib"] {
        fs::create_dir_all(scratch.join(directory)).unwrap();
    }
    fs::write(scratch.join("token"), "a token\n").unwrap();
    let mut faults = Vec::new();
    for (section, makes) in [
        (
            "Three machines",
            &[
                "etc/etcd/etcd.key",
                "etc/longshore/tls/api.key",
                "etc/longshore/tls/etcd-client.key",
                "etc/longshore/control-plane.env",
                "etc/systemd/system/longshore-control-plane.service.d/etcd.conf",
                "var/lib/private/longshore-control-plane/access-keys.json",
            ][..],
        ),
        (
            "A container instance",
            &[
                "etc/longshore/agent.env",
                "etc/systemd/system/longshore-agent.service",
            ],
        ),
    ] {
        let script = below(&commands(&document, section), scratch);
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(root())
            .stdin(fs::File::open(scratch.join("token")).unwrap())
            .output()
            .unwrap();
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            faults.push(format!("\"{section}\": {error}"));
        }
        let missing = makes.iter().filter(|path| !scratch.join(path).is_file());
        faults.extend(missing.map(|path| format!("\"{section}\" makes no /{path}")));
    }
    for machine in ["one", "two", "three"] {
        let certificate = format!("certificates/{machine}.example.com/api.pem");
        let output = Command::new("openssl")
            .args(["x509", "-noout", "-checkhost", "longshore.example.com"])
            .arg("-in")
            .arg(scratch.join(&certificate))
            .output()
            .unwrap();
        if !String::from_utf8_lossy(&output.stdout).contains("does match") {
            faults.push(format!("{certificate} lacks the shared name"));
        }
    }
    hold(
        "the commands of deploy/README.md work as they stand",
        "whoever sets up machines pastes them",
        faults,
    );
}
