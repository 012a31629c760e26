//! Generates the public gRPC schema from the published ECS service model.
//!
//! `scripts/generate-schema` fetches the model and calls this. What goes in: the model, the
//! configuration (`proto/generator.toml`) and the lock (`proto/ecs.lock.toml`). What comes out:
//! the advanced lock and `proto/longshore/ecs/v1/ecs.proto`. The same input gives the same output,
//! byte for byte.

mod config;
mod lock;
mod model;
mod name;
mod print;
mod schema;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;

use crate::config::Config;
use crate::lock::Lock;
use crate::model::Model;
use crate::schema::Schema;

/// Generates the public gRPC schema from an ECS service model.
#[derive(Debug, Parser)]
struct Arguments {
    /// The service model, an uncompressed service-2.json.
    #[arg(long)]
    model: PathBuf,
    /// Version of the botocore release the model comes from, such as 1.44.5.
    #[arg(long)]
    botocore: String,
    /// The directory with generator.toml, ecs.lock.toml and longshore/.
    #[arg(long, default_value = "proto")]
    proto: PathBuf,
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
    let model = Model::read(&arguments.model)?;
    let config = Config::read(&arguments.proto.join("generator.toml"))?;
    let lock_path = arguments.proto.join("ecs.lock.toml");
    let schema = Schema::new(&model, &config)?;
    let lock = Lock::read(&lock_path)?.advance(&schema, &arguments.botocore);

    let proto_path = arguments.proto.join("longshore/ecs/v1/ecs.proto");
    // The lock comes first: numbers that were printed but not locked could be given twice.
    let files = [
        (lock_path, lock.print()),
        (proto_path, print::proto(&schema, &lock)),
    ];
    for (path, text) in files {
        if arguments.check {
            check(&path, &text)?
        } else {
            write(&path, &text)?
        }
    }
    Ok(())
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
