//! Generates what is made of published AWS service models: the public gRPC schema of ECS, and the
//! shapes of the other services that Longshore serves.
//!
//! `scripts/generate-schema` fetches the models and calls this. What goes in: the models, the
//! configuration (`proto/generator.toml`), the allow-list (`proto/services.toml`) and the lock
//! (`proto/ecs.lock.toml`). What comes out: the advanced lock, `proto/longshore/ecs/v1/ecs.proto`,
//! and `crates/shapes/src/generated`. The same input gives the same output, byte for byte.

mod config;
mod constraint;
mod lock;
mod model;
mod name;
mod print;
mod rust;
mod schema;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;

use crate::config::Config;
use crate::lock::Lock;
use crate::model::{Metadata, Model};
use crate::schema::Schema;

/// Generates the public gRPC schema and the shapes of other services from AWS service models.
#[derive(Debug, Parser)]
struct Arguments {
    /// The directory with the newest model of each service, uncompressed, as SERVICE.json.
    #[arg(long)]
    models: PathBuf,
    /// Version of the botocore release the model comes from, such as 1.44.5.
    #[arg(long)]
    botocore: String,
    /// The directory with generator.toml, ecs.lock.toml and longshore/.
    #[arg(long, default_value = "proto")]
    proto: PathBuf,
    /// The directory of the generated shapes.
    #[arg(long, default_value = "crates/shapes/src/generated")]
    shapes: PathBuf,
    /// Write nothing; fail if a file is not what would be written.
    #[arg(long)]
    check: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    ensure!(
        arguments
            .botocore
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '.'),
        "--botocore takes a version such as 1.44.5, not {:?}",
        arguments.botocore
    );
    let model = Model::read(&arguments.models.join("ecs.json"))?;
    let config = Config::read(&arguments.proto.join("generator.toml"))?;
    let lock_path = arguments.proto.join("ecs.lock.toml");
    let schema = Schema::new(&model, &config)?;
    let lock = Lock::read(&lock_path)?.advance(&schema, &arguments.botocore);

    let proto_path = arguments.proto.join("longshore/ecs/v1/ecs.proto");
    // The lock comes first: numbers that were printed but not locked could be given twice.
    let mut files = vec![
        (lock_path, lock.print()),
        (proto_path, print::proto(&schema, &lock)),
    ];
    files.extend(shapes(&arguments)?);
    for (path, text) in files {
        if arguments.check {
            check(&path, &text)?
        } else {
            write(&path, &text)?
        }
    }
    Ok(())
}

/// The shapes of the services of the allow-list, and the table of all services.
fn shapes(arguments: &Arguments) -> Result<Vec<(PathBuf, String)>> {
    let path = arguments.proto.join("services.toml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read the allow-list {}", path.display()))?;
    let list: rust::AllowList =
        toml::from_str(&text).with_context(|| format!("in the allow-list {}", path.display()))?;
    let file = |name: &str| arguments.shapes.join(format!("{name}.rs"));
    let mut files = vec![(file("mod"), format(&rust::modules(&list))?)];
    for (name, served) in &list {
        let model = Model::read(&arguments.models.join(format!("{name}.json")))?;
        let code = match served.inputs_only {
            true => constraint::service(&model)?,
            false => rust::service(name, &model, served)?,
        };
        files.push((file(&rust::module(name, served)), format(&code)?));
    }
    let mut services = BTreeMap::new();
    let directory = std::fs::read_dir(&arguments.models)
        .with_context(|| format!("cannot list {}", arguments.models.display()))?;
    for entry in directory {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        services.insert(name.into_owned(), Metadata::read(&path)?);
    }
    files.push((file("catalog"), format(&rust::catalog(&services))?));
    Ok(files)
}

/// The code as rustfmt prints it.
fn format(code: &str) -> Result<String> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run rustfmt")?;
    let mut stdin = child.stdin.take().context("rustfmt has no input")?;
    let code = code.to_owned();
    let writing = std::thread::spawn(move || stdin.write_all(code.as_bytes()));
    let output = child.wait_with_output()?;
    writing
        .join()
        .map_err(|_| anyhow::anyhow!("writing to rustfmt panicked"))??;
    ensure!(output.status.success(), "rustfmt does not take the code");
    Ok(String::from_utf8(output.stdout)?)
}

fn check(path: &Path, text: &str) -> Result<()> {
    let present =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    if present != text {
        bail!(
            "{} is not what this model generates; run scripts/generate-schema",
            path.display()
        );
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
